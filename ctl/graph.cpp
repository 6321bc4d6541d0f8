#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <set>

#include "base/fd.hpp"
#include "commands.hpp"
#include "dependencies.hpp"

namespace jailsvc::ctl {
namespace {

struct Look {
    std::string_view key;
    std::string_view style;  ///< attributes of the dot language
};
constexpr Look kLooks[] = {
    {"requires", "color=\"#1f5fbf\""},
    {"binds_to", "color=\"#1f5fbf\", style=bold"},
    {"wants", "color=\"#1f5fbf\", style=dashed"},
    {"part_of", "color=\"#7a5fbf\", style=dotted"},
    {"after", "color=\"#999999\", arrowhead=vee"},
    {"before", "color=\"#999999\", arrowhead=vee, style=dashed"},
    {"conflicts", "color=\"#bf2f2f\", dir=both"},
    {"on_failure", "color=\"#bf7f1f\""},
    {"on_success", "color=\"#2f8f3f\""},
};

std::string quoted(const std::string& name) {
    std::string text = "\"";
    for (const char c : name) {
        if (c == '"' || c == '\\') text += '\\';
        text += c;
    }
    return text + '"';
}

/// The units named, and everything that any key leads to from them; all if none is named.
std::set<std::string> reached(const Relations& relations, const std::vector<std::string>& roots) {
    const auto all = relations.names();
    if (roots.empty()) return {all.begin(), all.end()};
    std::set<std::string> seen(roots.begin(), roots.end());
    std::vector<std::string> open = roots;
    while (!open.empty()) {
        const std::string unit = open.back();
        open.pop_back();
        for (const Edge& edge : relations.edges()) {
            if (edge.from == unit && seen.insert(edge.to).second) open.push_back(edge.to);
        }
    }
    return seen;
}

/// In the dot language of graphviz; see dot(1).
std::string to_dot(const Relations& relations, const std::set<std::string>& shown) {
    std::string dot = "digraph jailsvc {\n    rankdir=LR;\n    node [shape=box];\n";
    for (const std::string& unit : shown) {
        const char* look = !relations.knows(unit)      ? " [style=dotted]"
                           : relations.is_target(unit) ? " [shape=ellipse]"
                                                       : "";
        dot += fmt::format("    {}{};\n", quoted(unit), look);
    }
    for (const Edge& edge : relations.edges()) {
        if (!shown.contains(edge.from) || !shown.contains(edge.to)) continue;
        const auto* look = std::ranges::find(kLooks, edge.key, &Look::key);
        if (look == std::end(kLooks)) continue;
        dot += fmt::format("    {} -> {} [label=\"{}\", {}];\n", quoted(edge.from), quoted(edge.to),
                           edge.key, look->style);
    }
    return dot + "}\n";
}

Result<void> write_all(int fd, std::string_view text) {
    while (!text.empty()) {
        const ssize_t count = ::write(fd, text.data(), text.size());
        if (count == -1 && errno == EINTR) continue;
        if (count == -1) return fail_errno("write to dot");
        text.remove_prefix(static_cast<std::size_t>(count));
    }
    return {};
}

/// Through graphviz, which draws better than anything that we could write.
Result<void> draw_svg(const std::string& dot) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) == -1) return fail_errno("pipe2");
    const Fd reader(ends[0]);
    Fd writer(ends[1]);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, reader.get(), STDIN_FILENO);
    std::array<char*, 3> argv = {const_cast<char*>("dot"), const_cast<char*>("-Tsvg"), nullptr};
    pid_t pid = -1;
    const int code = ::posix_spawnp(&pid, "dot", &actions, nullptr, argv.data(), environ);
    ::posix_spawn_file_actions_destroy(&actions);
    if (code == ENOENT) {
        return fail(
            "no program \"dot\" here, which draws the picture; install graphviz, or take "
            "the text without --svg where it is installed",
            kFailure);
    }
    if (code != 0) return fail_errno("dot", code);
    std::signal(SIGPIPE, SIG_IGN);  // it may end before it has read all
    const auto written = write_all(writer.get(), dot);
    writer = Fd();
    int status = 0;
    while (::waitpid(pid, &status, 0) == -1 && errno == EINTR) {
    }
    if (status != 0) return fail("dot has failed, see above", kFailure);
    return written;
}

}  // namespace

int run_graph(const Context& context, const GraphOptions& options) {
    if (!options.units.empty()) {
        const auto known = ask(context, "Dependencies", {{"units", options.units}});
        if (!known) return report(context, known.error());
    }
    const auto relations = Relations::ask_for(context);
    if (!relations) return report(context, relations.error());
    const auto shown = reached(*relations, options.units);
    if (context.json) {
        Json list = Json::array();
        for (const Edge& edge : relations->edges()) {
            if (!shown.contains(edge.from) || !shown.contains(edge.to)) continue;
            list.push_back({{"from", edge.from}, {"key", edge.key}, {"to", edge.to}});
        }
        print_json({{"units", shown}, {"edges", list}});
        return kOk;
    }
    const std::string dot = to_dot(*relations, shown);
    if (!options.svg) {
        std::fputs(dot.c_str(), stdout);
        return kOk;
    }
    const auto drawn = draw_svg(dot);
    return drawn ? kOk : report(context, drawn.error());
}

}  // namespace jailsvc::ctl
