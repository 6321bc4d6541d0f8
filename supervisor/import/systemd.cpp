#include "import/systemd.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "base/sys.hpp"
#include "config/names.hpp"
#include "import/directive.hpp"

namespace jailsvc::import {
namespace {

constexpr std::size_t kMaxFile = 1U << 20;  ///< [bytes]

/// What a daemon of root's that serves a low port and changes its user cannot do without.
const std::vector<std::string> kDaemonCapabilities = {"chown",  "dac_override",     "fowner",
                                                      "kill",   "net_bind_service", "setgid",
                                                      "setuid", "sys_chroot"};

struct FileName {
    std::string stem, kind;
};
FileName parts_of(const std::string& path) {
    const std::string name = path.substr(path.rfind('/') + 1);
    const std::size_t dot = name.rfind('.');
    if (dot == std::string::npos) return {name, ""};
    return {name.substr(0, dot), name.substr(dot + 1)};
}

void take_directive(Draft& draft, const std::string& unit, const Directive& one) {
    Place place{one, unit, draft};
    Verdict verdict;
    const bool other = one.section.starts_with("X-") || one.key.starts_with("X-");
    if (other) {
        verdict = left_out("for programs other than systemd");
    } else if (const Row* row = find_row(one.section, one.key)) {
        verdict = row->take(place, row->key);
    } else {
        verdict = left_out(fmt::format("no such directive of [{}] is known", one.section));
    }
    draft.notes.push_back(
        {one.place, one.key + "=" + one.value, verdict.outcome, std::move(verdict.text)});
}

void note(Draft& draft, std::string directive, std::string text) {
    draft.notes.push_back({"(none)", std::move(directive), Outcome::kNoted, std::move(text)});
}

/// Under systemd a service without User= is root with all it can do.
void settle_identity(Draft& draft) {
    const auto* dynamic = draft.document.find("jail.identity", "dynamic_user");
    if (dynamic != nullptr && std::get<bool>(dynamic->data)) return;
    draft.put_flag("jail.identity", "dynamic_user", false);
    if (draft.has("jail.identity", "user")) return;
    draft.put("jail.identity", "user", "root");
    if (draft.has("jail.identity", "capabilities")) return;
    draft.put_list("jail.identity", "capabilities", kDaemonCapabilities);
    note(draft, "User=",
         "none is named, so it is root's, here with the capabilities that most daemons need alone; "
         "one with a user of its own needs fewer");
}

/// Keys that our types do not go together with.
void settle_type(Draft& draft) {
    const std::string type = draft.text_of("service", "type");
    if (type != "forking" && draft.has("service", "pid_file")) {
        draft.drop("service", "pid_file");
        note(draft, "PIDFile=", "only a service of type forking has one here");
    }
    const std::string restart = draft.text_of("service", "restart");
    if (type == "oneshot" && (restart == "always" || restart == "on-success")) {
        draft.put("service", "restart", "on-failure");
        note(draft, "Restart=" + restart, "a oneshot is restarted after failures alone");
    }
    if (type == "oneshot" && draft.has("service", "watchdog")) draft.drop("service", "watchdog");
    const bool remains = draft.has("service", "remain_after_exit");
    if (draft.document.sections.contains("timer") && remains) {
        draft.drop("service", "remain_after_exit");
        note(draft, "RemainAfterExit=", "a unit with [timer] would run once and never again");
    }
}

void settle(const std::string& unit, Draft& draft) {
    const bool starts = draft.has("service", "exec_start");
    const auto* accept = draft.document.find("socket", "accept");
    const bool accepts = accept != nullptr && std::get<bool>(accept->data);
    if (!starts) {
        if (!accepts && (draft.has("service", "exec_stop") || draft.has("socket", "listen"))) {
            draft.put_list("service", "exec_start", {"/bin/true"});
            note(draft, "ExecStart=", "there is none; /bin/true stands in for it");
        } else {
            // A target, or what accepts connections: it runs no program.
            for (const char* table : {"service", "environment", "logging"}) {
                draft.document.sections.erase(table);
            }
            std::erase_if(draft.document.sections,
                          [](const auto& item) { return item.first.starts_with("jail"); });
        }
    }
    if (draft.has("service", "exec_start")) {
        settle_identity(draft);
        settle_type(draft);
    }
    if (!draft.has("socket", "listen") && draft.document.sections.erase("socket") > 0) {
        note(draft, "[Socket]", "none of its addresses can be listened on here");
    }
    if (draft.has("socket", "listen") && !accepts) draft.put("socket", "activation", "on_demand");
    if (accepts) {
        note(draft, "Accept=yes", fmt::format("instances of {}@.toml serve the connections", unit));
    }
}

Result<void> take_text_of(const std::string& name, const std::string& unit, const std::string& text,
                          Drafts& drafts) {
    TRY(const auto directives, parse_unit_text(name, text));
    Draft& draft = drafts[unit];
    for (const Directive& one : directives) take_directive(draft, unit, one);
    return {};
}

/// "x.service.d/*.conf" in their order.
std::vector<std::string> drop_ins_of(const std::string& path) {
    std::vector<std::string> found;
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator(path + ".d", ignored)) {
        if (entry.path().extension() == ".conf") found.push_back(entry.path());
    }
    std::ranges::sort(found);
    return found;
}

Result<std::string> unit_of(const std::string& path) {
    const auto [stem, kind] = parts_of(path);
    if (kind != "service" && kind != "socket" && kind != "timer") {
        return fail(path + ": a .service, .socket or .timer is wanted");
    }
    if (!config::is_unit_name(stem) && !config::is_template_name(stem)) {
        return fail(path + ": no name that a unit can have here");
    }
    return stem;
}

/// What a socket or timer starts has to be there too; beside it, where it is.
std::vector<std::string> with_services(const std::vector<std::string>& files) {
    std::vector<std::string> all;
    std::set<std::string> seen;
    const auto add = [&](const std::string& path) {
        if (seen.insert(path).second) all.push_back(path);
    };
    for (const std::string& path : files) {
        const auto [stem, kind] = parts_of(path);
        const std::string folder = path.substr(0, path.rfind('/') + 1);
        add(path);
        if (kind != "socket" && kind != "timer") continue;
        for (const std::string& name : {stem + ".service", stem + "@.service"}) {
            std::error_code ignored;
            if (std::filesystem::exists(folder + name, ignored)) add(folder + name);
        }
    }
    return all;
}

}  // namespace

Result<void> import_systemd_text(const std::string& file_name, const std::string& text,
                                 Drafts& drafts) {
    TRY(const std::string unit, unit_of(file_name));
    TRY_VOID(take_text_of(file_name, unit, text, drafts));
    settle(unit, drafts[unit]);
    return {};
}

Result<void> import_systemd(const std::vector<std::string>& files, Drafts& drafts) {
    for (const std::string& path : with_services(files)) {
        TRY(const std::string unit, unit_of(path));
        std::vector<std::string> parts{path};
        for (const std::string& drop_in : drop_ins_of(path)) parts.push_back(drop_in);
        for (const std::string& part : parts) {
            TRY(const std::string text, sys::read_file(part, kMaxFile));
            TRY_VOID(take_text_of(part.substr(part.rfind('/') + 1), unit, text, drafts));
        }
    }
    for (auto& [unit, draft] : drafts) settle(unit, draft);
    return {};
}

}  // namespace jailsvc::import
