// pledge: which parts of the kernel a service may call, in OpenBSD's words.
//
//   [jail.pledge]
//   promises = "stdio rpath inet"   # nothing else; "stdio" is always needed
//   on_violation = "errno"          # default: a call not promised gives EPERM; or "kill"
//
// Sources: pledge(2) of OpenBSD, seccomp(2). promises.cpp is the table, filter.cpp makes a BPF
// program of it with libseccomp, in the [plan] phase; the core installs it right before the exec.

#include <algorithm>
#include <cstring>

#include <jailsvc_plugin.hpp>

#include "filter.hpp"
#include "promises.hpp"

namespace {

using jsv::key;
using jsv::Planner;
using namespace pledge;

constexpr jsv_key kKeys[] = {
    key(JSV_STRING, "promises", nullptr,
        "What the service may do, in words of pledge(2): \"stdio rpath inet\"; see the plugin's "
        "README."),
    key(JSV_STRING, "exec_promises", nullptr,
        "Refused: Linux cannot change a filter at an exec; programs it executes keep promises."),
    key(JSV_STRING, "on_violation", "\"errno\"",
        "A call that was not promised fails with EPERM, or ends the process (SIGSYS).",
        "errno|kill"),
};

constexpr std::string_view kBlanks = " \t\n";

std::vector<std::string_view> words_of(std::string_view text) {
    std::vector<std::string_view> words;
    while (true) {
        text.remove_prefix(std::min(text.find_first_not_of(kBlanks), text.size()));
        if (text.empty()) return words;
        words.push_back(text.substr(0, text.find_first_of(kBlanks)));
        text.remove_prefix(words.back().size());
    }
}

std::string known_words() {
    std::string all;
    for (const Name& name : names()) all += (all.empty() ? "" : " ") + std::string(name.name);
    return all;
}

/// The set that `text` names; what is no promise is refused.
Promises parse(Planner& plan, const std::string& text) {
    Promises promises = 0;
    for (const std::string_view word : words_of(text)) {
        const auto found = std::ranges::find(names(), word, &Name::name);
        if (found != names().end()) {
            promises |= found->promise;
        } else if (const auto why = why_not(word)) {
            plan.fail("promises", "\"" + std::string(word) + "\": " + std::string(*why));
        } else {
            plan.fail("promises",
                      "\"" + std::string(word) + "\" is no promise; there are: " + known_words());
        }
    }
    if ((promises & kStdio) == 0) {
        plan.fail("promises", "\"stdio\" is missing: no program can start without it; add it");
    }
    return promises;
}

/// The same words, each once, in the order of the table.
std::string text_of(Promises promises) {
    std::string text;
    for (const Name& name : names()) {
        if ((promises & name.promise) == 0) continue;
        text += (text.empty() ? "" : " ") + std::string(name.name);
    }
    return text;
}

std::uint32_t flags_of(Promises promises) {
    std::uint32_t flags = 0;
    if ((promises & kExec) == 0) flags |= JSV_SECCOMP_EXEC_ONCE;
    const bool messages = (promises & (kInet | kTcp | kDns)) != 0 && (promises & kUnix) == 0;
    const bool may_pass = (promises & kSendfd) != 0 && (promises & kRecvfd) != 0;
    if (messages && !may_pass) flags |= JSV_SECCOMP_NO_UNIX_SOCKETS;
    return flags;
}

/// The program as the operation's blob.
std::vector<std::uint32_t> words_of(const std::vector<sock_filter>& program) {
    std::vector<std::uint32_t> words(program.size() * sizeof(sock_filter) / sizeof(std::uint32_t));
    std::memcpy(words.data(), program.data(), program.size() * sizeof(sock_filter));
    return words;
}

void check_surroundings(Planner& plan) {
    if (plan.text("exec_promises")) {
        plan.fail("exec_promises",
                  "Linux cannot change a filter at an exec: what the service executes keeps its "
                  "promises; leave the key out, or make the other program a unit of its own");
    }
    if (!plan.other_flag("identity", "no_new_privileges").value_or(true)) {
        plan.fail("promises",
                  "the kernel takes a filter only from a process that gains no rights by an exec; "
                  "set jail.identity.no_new_privileges = true");
    }
}

int plan(const jsv_host* host) {
    Planner plan(host);
    const auto text = plan.text("promises");
    if (!text) {
        if (plan.text("on_violation") || plan.text("exec_promises")) {
            plan.fail("promises", "is missing, and without it there is no filter; add it");
        }
        return plan.result();
    }
    const Promises promises = parse(plan, *text);
    check_surroundings(plan);
    if (plan.failed()) return plan.result();
    const bool kill = plan.text("on_violation") == "kill";
    const Filter filter = compile(promises, kill ? Violation::kKill : Violation::kErrno);
    if (!filter.error.empty()) plan.fail("promises", filter.error);
    plan.add({.kind = JSV_OP_SECCOMP,
              .key = "promises",
              .text = {text_of(promises), kill ? "kill" : "EPERM"},
              .number = {kOwnPid},
              .flags = flags_of(promises),
              .blob = words_of(filter.program)});
    return plan.result();
}

constexpr jsv_plugin kPlugin =
    jsv::plugin(kKeys, {.name = "pledge",
                        .version = "1.0",
                        .doc = "Which system calls a service may make, by OpenBSD's promises.",
                        .plan = plan});

}  // namespace

const jsv_plugin* jailsvc_plugin_entry(void) {
    return &kPlugin;
}
