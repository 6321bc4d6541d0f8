// Any bytes as a unit file: verified without a crash, and what is accepted round-trips through its
// canonical text.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "config/load.hpp"
#include "config/schema.hpp"

namespace {

using namespace jailsvc::config;

const Schema& schema() {
    static const Schema kSchema = [] {
        Schema all = core_schema();
        Table table{.name = "jail.fuzz", .doc = "Every type.", .plugin = "fuzz"};
        for (int type = 0; type <= static_cast<int>(KeyType::kIntegerList); ++type) {
            table.keys.push_back({.name = std::string("k") + static_cast<char>('0' + type),
                                  .type = static_cast<KeyType>(type)});
        }
        all.tables.push_back(std::move(table));
        return all;
    }();
    return kSchema;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    for (const char* name : {"web.toml", "worker@.toml", "profiles/p.toml", "web.toml.d/1.toml"}) {
        for (const auto& found : verify_text(schema(), name, text)) {
            if (to_string(found).empty()) std::abort();
        }
    }
    const auto unit = parse_effective(schema(), "web", text);
    if (!unit) return 0;
    const auto again = parse_effective(schema(), "web", unit->text.str());
    if (!again || again->digest != unit->digest) std::abort();
    return 0;
}
