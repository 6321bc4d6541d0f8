#include "verify/missing.hpp"

#include <fmt/format.h>

#include "config/nearest.hpp"
#include "verify/sight.hpp"

namespace jailsvc::verify {
namespace {

using Kind = Sight::Kind;

std::string hidden(const Sight::Found& found) {
    if (found.by.starts_with('[')) {
        return fmt::format("is out of the jail's sight, since {} does not name it; add it there",
                           found.by);
    }
    return fmt::format(
        "is hidden in the jail, which shows {} empty; put it elsewhere, or bind it "
        "([jail.chroot] binds_ro)",
        found.by);
}

/// What keeps the file from being executed; empty: nothing that is known now.
std::string program_objection(const Sight::Found& found) {
    switch (found.kind) {
        case Kind::kMissing:
            return "is not there, as the jail sees it; install it there or bind it ([jail.chroot] "
                   "binds_ro)";
        case Kind::kHidden:
            return hidden(found);
        case Kind::kFile:
            return "is not executable; chmod +x it";
        case Kind::kDirectory:
            return "is a directory; name the program";
        case Kind::kUnknown:
        case Kind::kExecutable:
            break;
    }
    return {};
}

std::string directory_objection(const Sight::Found& found) {
    switch (found.kind) {
        case Kind::kMissing:
            return "is not there, as the jail sees it; make it, or name another";
        case Kind::kHidden:
            return hidden(found);
        case Kind::kFile:
        case Kind::kExecutable:
            return "is no directory; name one";
        case Kind::kUnknown:
        case Kind::kDirectory:
            break;
    }
    return {};
}

}  // namespace

config::Diagnostics find_missing_files(const Known& known, const jailer::Plan& plan) {
    const Sight sight(plan);
    const auto& service = known.unit.service;
    config::Diagnostics found;
    const auto tell = [&](std::string_view table, std::string_view key, const std::string& path,
                          const std::string& why) {
        if (why.empty()) return;
        found.push_back(at_key(known, table, key, fmt::format("{} {}", config::shown(path), why)));
    };
    const auto check = [&](std::string_view key, const config::Command& command) {
        if (command.empty()) return;
        tell("service", key, command.front(), program_objection(sight.look(command.front())));
    };
    check("exec_start", service.exec_start);
    for (const auto& [key, commands] : kCommandsKeys) {
        for (const config::Command& command : service.*commands) check(key, command);
    }
    if (const std::string& path = service.working_directory; !path.empty()) {
        tell("service", "working_directory", path, directory_objection(sight.look(path)));
    }
    if (const std::string& root = sight.missing_root(); !root.empty()) {
        tell("jail.chroot", "root", root, "is not there yet; it has to be when the unit starts");
    }
    return found;
}

}  // namespace jailsvc::verify
