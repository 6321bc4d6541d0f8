#include "verify/report.hpp"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <tuple>

namespace jailsvc::verify {

void Report::tell(const config::Diagnostics& found, Severity severity) {
    for (const config::Diagnostic& one : found) {
        const bool known = std::ranges::any_of(entries_, [&](const Entry& entry) {
            const config::Diagnostic& told = entry.diagnostic;
            return std::tie(told.file, told.line, told.column, told.message) ==
                   std::tie(one.file, one.line, one.column, one.message);
        });
        if (!known) entries_.push_back({place_of(one.file), one, severity});
    }
}

bool Report::has(Severity severity) const {
    return std::ranges::find(entries_, severity, &Entry::severity) != entries_.end();
}

void Report::print() const {
    for (const Entry& entry : sorted()) {
        const char* what = entry.severity == Severity::kWarning ? "warning: " : "";
        std::fprintf(stderr, "%s%s\n", what, config::to_string(entry.diagnostic).c_str());
    }
}

void Report::print_json() const {
    auto list = nlohmann::json::array();
    for (const Entry& entry : sorted()) {
        const config::Diagnostic& one = entry.diagnostic;
        list.push_back({{"file", one.file},
                        {"line", one.line},
                        {"column", one.column},
                        {"severity", entry.severity == Severity::kWarning ? "warning" : "error"},
                        {"message", one.message}});
    }
    const nlohmann::json all{{"valid", !has(Severity::kError)}, {"diagnostics", list}};
    const auto replace = nlohmann::json::error_handler_t::replace;
    std::printf("%s\n", all.dump(2, ' ', false, replace).c_str());
}

std::size_t Report::place_of(const std::string& file) {
    const auto found = std::ranges::find(files_, file);
    if (found != files_.end()) return static_cast<std::size_t>(found - files_.begin());
    files_.push_back(file);
    return files_.size() - 1;
}

std::vector<Report::Entry> Report::sorted() const {
    std::vector<Entry> all = entries_;
    std::ranges::stable_sort(all, {}, [](const Entry& entry) {
        return std::tuple(entry.file, entry.diagnostic.line, entry.diagnostic.column);
    });
    return all;
}

}  // namespace jailsvc::verify
