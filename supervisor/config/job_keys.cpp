#include "config/job_keys.hpp"

#include "config/checks.hpp"
#include "config/core_rows.hpp"

namespace jailsvc::config {
namespace {

constexpr Rows<JobTable, Rarely<JobTable>> job{"job", &Unit::job};

bool is_on(const Document& document, std::string_view key) {
    const Value* value = document.find("job", key);
    const bool* flag = value != nullptr ? std::get_if<bool>(&value->data) : nullptr;
    return flag != nullptr && *flag;
}

/// Somebody has to be there who lends the descriptors, at each start.
void check_lent(const Document& document, const Section& section, Reporter& reporter) {
    if (!is_on(document, "stdin") && !is_on(document, "terminal")) return;
    if (document.sections.contains("timer")) {
        reporter.add(section.where,
                     "[job]: stdin and terminal come from who starts it, and nobody is there when "
                     "a [timer] does; drop the one or the other");
    }
    const Text* restart = document.find_text("service", "restart");
    if (restart == nullptr || restart->text == "no") return;
    reporter.add(restart->where,
                 "restart: stdin and terminal of [job] are lent for one start; use \"no\"");
}

CoreKey keep() {
    CoreKey row =
        job("keep", &JobTable::keep,
            "Makes a job of the unit: `jailsvc run` writes this. So long after its end it "
            "is forgotten, and its file among the transient units and its log are "
            "removed.",
            positive);
    row.key.fallback.clear();  // without it the unit is no job
    return row;
}

}  // namespace

std::vector<CoreKey> job_keys() {
    using J = JobTable;
    return {
        keep(),
        job("stdin", &J::stdin_, "Its standard input is that of `jailsvc run`; else it has none."),
        job("terminal", &J::terminal,
            "Its standard input, output and error are a terminal of `jailsvc run`'s making; then "
            "nothing of it is in the log."),
    };
}

void check_job(const Document& document, Reporter& reporter) {
    const auto section = document.sections.find("job");
    if (section == document.sections.end()) return;
    if (!document.sections.contains("service")) {
        return reporter.add(section->second.where,
                            "[job]: there is no [service] that could be run; add it");
    }
    if (!section->second.keys.contains("keep") && !section->second.incomplete) {
        reporter.add(section->second.where, "[job]: needs keep, as in keep = \"1h\"");
    }
    check_lent(document, section->second, reporter);
}

}  // namespace jailsvc::config
