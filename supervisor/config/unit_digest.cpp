#include "config/unit_digest.hpp"

#include <string>

namespace jailsvc::config {
namespace {

constexpr std::string_view kInstall = "[install]\n";
constexpr std::string_view kUnit = "[unit]\n";

}  // namespace

// Canonical text has every key, header and comment on one line of its own, see write_document.cpp:
// line breaks in values are escaped.
Digest digest_of_unit(std::string_view text) {
    std::string covered;
    covered.reserve(text.size());
    std::string_view table;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = text.find('\n', at);
        const std::size_t next = end == std::string_view::npos ? text.size() : end + 1;
        const std::string_view line = text.substr(at, next - at);
        at = next;
        if (line.starts_with('[')) table = line;
        if (line.starts_with('#')) table = {};  // comments come last and are no table's
        if (line == "\n" || table == kInstall) continue;
        // [unit] may be there for `masked` alone: what it holds tells itself apart without it.
        if (table == kUnit && (line == kUnit || line.starts_with("masked = "))) continue;
        covered += table == kUnit ? "unit." : "";
        covered += line;
    }
    return digest_of(covered);
}

}  // namespace jailsvc::config
