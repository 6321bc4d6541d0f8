#include "verify/known.hpp"

#include <fmt/format.h>

namespace jailsvc::verify {

config::Diagnostic at_key(const Known& known, std::string_view table, std::string_view key,
                          const std::string& message) {
    config::Diagnostic found{.file = known.file};
    const auto place = known.places.find(fmt::format("{}.{}", table, key));
    if (place != known.places.end()) found = place->second;
    found.message = fmt::format("{}: {}", key, message);
    return found;
}

}  // namespace jailsvc::verify
