// Any bytes as the plugins' schema: refused or read without a crash, and what is read round-trips.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "config/schema.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace jailsvc::config;
    const auto tables = tables_from_json({reinterpret_cast<const char*>(data), size});
    if (!tables) return 0;
    const auto again = tables_from_json(to_json(*tables));
    if (!again || to_json(*again) != to_json(*tables)) std::abort();
    return 0;
}
