#include "processes.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <optional>
#include <set>

#include "text.hpp"

namespace jailsvc::ctl {
namespace {

constexpr std::size_t kDeepest = 64;  ///< levels that are drawn

std::int64_t number(const Json& process, const char* field) {
    const auto found = process.find(field);
    return found != process.end() && found->is_number_integer() ? found->get<std::int64_t>() : 0;
}

std::string text(const Json& process, const char* field) {
    const auto found = process.find(field);
    return found != process.end() && found->is_string() ? printable(found->get<std::string>()) : "";
}

std::optional<std::uint64_t> namespace_of(std::int64_t pid, const char* name) {
    struct stat info{};
    const std::string path = fmt::format("/proc/{}/ns/{}", pid, name);
    return ::stat(path.c_str(), &info) == 0 ? std::optional<std::uint64_t>(info.st_ino)
                                            : std::nullopt;
}

/// Which are not those of the supervisor; "?" where the kernel does not tell (ptrace(2), access
/// mode checking).
std::string own_namespaces(std::int64_t pid, std::int64_t supervisor) {
    std::string own;
    for (const char* name : {"pid", "mnt", "net", "ipc", "uts", "user", "cgroup"}) {
        const auto theirs = namespace_of(pid, name);
        const auto ours = namespace_of(supervisor, name);
        if (!theirs || !ours) return "?";
        if (*theirs != *ours) own += (own.empty() ? "" : ",") + std::string(name);
    }
    return own.empty() ? "-" : own;
}

class TreeWalk {
public:
    explicit TreeWalk(const Json& processes) {
        for (const Json& one : processes) known_.emplace(number(one, "pid"), &one);
        for (const auto& [pid, process] : known_) {
            const std::int64_t parent = number(*process, "parent");
            const bool root = parent == pid || !known_.contains(parent);
            (root ? roots_ : children_[parent]).push_back(process);
        }
    }
    std::vector<TreeRow> rows() {
        for (const Json* root : roots_) add(*root, "", "");
        for (const auto& [pid, process] : known_) {  // in a loop: no root leads to them
            if (!seen_.contains(pid)) add(*process, "", "");
        }
        return std::move(rows_);
    }

private:
    void add(const Json& process, const std::string& prefix, const std::string& below) {
        const std::int64_t pid = number(process, "pid");
        if (!seen_.insert(pid).second) return;
        rows_.push_back({prefix, process});
        const auto children = children_.find(pid);
        if (children == children_.end()) return;
        const bool deep = below.size() > kDeepest * 4;
        for (std::size_t i = 0; i < children->second.size(); ++i) {
            const bool last = i + 1 == children->second.size();
            add(*children->second[i], deep ? below : below + (last ? "└─" : "├─"),
                deep ? below : below + (last ? "  " : "│ "));
        }
    }

    std::map<std::int64_t, const Json*> known_;
    std::map<std::int64_t, std::vector<const Json*>> children_;
    std::vector<const Json*> roots_;
    std::set<std::int64_t> seen_;
    std::vector<TreeRow> rows_;
};

void add_rows(std::vector<std::vector<std::string>>& rows, const Context& context, const Json& unit,
              std::int64_t supervisor) {
    const Json processes = unit.value("processes", Json::array());
    rows.push_back({paint(context.colour, Colour::kBold, text(unit, "name")), "", "", "", "", "",
                    processes.empty() ? "no process" : ""});
    for (const auto& [prefix, process] : as_tree(processes)) {
        const std::int64_t pid = number(process, "pid");
        const std::string command = text(process, "command");
        const bool main = pid == number(unit, "pid");
        rows.push_back(
            {prefix + (prefix.empty() ? "  " : " ") + std::to_string(pid) + (main ? " *" : ""),
             text(process, "state"), std::to_string(number(process, "threads")),
             human_bytes(static_cast<std::uint64_t>(number(process, "memory"))),
             human_duration(static_cast<std::uint64_t>(number(process, "cpu"))),
             own_namespaces(pid, supervisor),
             command.empty() ? "[" + text(process, "name") + "]" : command});
    }
    const auto listed = static_cast<std::int64_t>(processes.size());
    if (number(unit, "count") <= listed) return;
    rows.push_back(
        {fmt::format("  … {} more", number(unit, "count") - listed), "", "", "", "", "", ""});
}

}  // namespace

std::vector<TreeRow> as_tree(const Json& processes) {
    return TreeWalk(processes).rows();
}

int run_ps(const Context& context, const ProcessOptions& options) {
    const auto answer = ask(context, "Processes", {{"units", options.units}});
    if (!answer) return report(context, answer.error());
    if (context.json) {
        print_json(answer->reply.parameters);
        return kOk;
    }
    const auto version = ask(context, "Version", Json::object());
    const std::int64_t supervisor = version ? number(version->reply.parameters, "pid") : 0;
    std::vector<std::vector<std::string>> rows{
        {"UNIT/PID", "STATE", "THREADS", "MEMORY", "CPU", "OWN NAMESPACES", "COMMAND"}};
    for (const Json& unit : answer->reply.parameters.value("units", Json::array())) {
        if (options.units.empty() && number(unit, "count") == 0) continue;
        add_rows(rows, context, unit, supervisor);
    }
    std::fputs(table(rows).c_str(), stdout);
    return kOk;
}

}  // namespace jailsvc::ctl
