// pledge: which parts of the kernel a service may call, in OpenBSD's words.
//
//   [jail.pledge]
//   promises = "stdio rpath inet"   # nothing else; "stdio" is always needed; "any": no filter
//   add = "flock"                   # besides those of the profile
//   drop = "inet"                   # without these of the profile
//   on_violation = "errno"          # default: a call not promised gives EPERM; or "kill"; "log":
//                                   # nothing is enforced, `jailsvc pledge learn` says what it used
//
// Sources: pledge(2) of OpenBSD, seccomp(2). promises.cpp is the table, filter.cpp makes a BPF
// program of it with libseccomp, in the [plan] phase; the core installs it right before the exec.

#include <algorithm>
#include <cstring>

#include <jailsvc_plugin.hpp>

#include "doctor.hpp"
#include "filter.hpp"
#include "promises.hpp"
#include "stage.hpp"

namespace {

using jsv::key;
using jsv::Planner;
using namespace pledge;

constexpr jsv_key kKeys[] = {
    key(JSV_STRING, "promises", nullptr,
        "What the service may do, in words of pledge(2): \"stdio rpath inet\"; see the plugin's "
        "README. \"any\": no filter, also where the profile has one."),
    key(JSV_STRING, "add", nullptr,
        "Promises made besides: in a unit, besides those of its profile."),
    key(JSV_STRING, "drop", nullptr, "Promises taken back, from those of the profile too."),
    key(JSV_STRING, "stage", "\"exec\"",
        "From when on they hold: the program's exec, or its main, so that what only the loader "
        "needs (rpath, prot_exec) need not be promised; dynamic programs.",
        "exec|main"),
    key(JSV_STRING, "exec_promises", nullptr,
        "Refused: Linux cannot change a filter at an exec; programs it executes keep promises."),
    key(JSV_STRING, "on_violation", "\"errno\"",
        "A call that was not promised fails with EPERM, or ends the process (SIGSYS); log: nothing "
        "is enforced, and `jailsvc pledge learn UNIT` proposes promises from what was used.",
        "errno|kill|log"),
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

/// The set that a key's text names; what is no promise is refused.
Promises parse(Planner& plan, const char* key, const std::string& text) {
    Promises promises = 0;
    for (const std::string_view word : words_of(text)) {
        const auto found = std::ranges::find(names(), word, &Name::name);
        if (found != names().end()) {
            promises |= found->promise;
        } else if (const auto why = why_not(word)) {
            plan.fail(key, "\"" + std::string(word) + "\": " + std::string(*why));
        } else {
            plan.fail(key,
                      "\"" + std::string(word) + "\" is no promise; there are: " + known_words());
        }
    }
    return promises;
}

/// What is promised in the end: the profile's and the unit's words are one text, in which the
/// unit's `promises` stand for the profile's.
Promises read_promises(Planner& plan, const std::string& text) {
    const Promises promises =
        (parse(plan, "promises", text) | parse(plan, "add", plan.text("add").value_or(""))) &
        ~parse(plan, "drop", plan.text("drop").value_or(""));
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

const char* otherwise(Violation violation) {
    switch (violation) {
        case Violation::kErrno:
            return "EPERM";
        case Violation::kKill:
            return "kill";
        case Violation::kAsk:
            return "recorded";
    }
    return "";
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

void add_filter(Planner& plan, jsv_kind kind, Promises promises, Violation violation,
                std::uint32_t flags, Besides besides = Besides::kNothing) {
    const Filter filter = compile(promises, violation, besides);
    if (!filter.error.empty()) plan.fail("promises", filter.error);
    plan.add({.kind = kind,
              .key = "promises",
              .text = {text_of(promises), otherwise(violation)},
              .number = {kOwnPid},
              .flags = flags,
              .blob = words_of(filter.program)});
}

void enforce(Planner& plan, Promises promises, Violation violation) {
    if (plan.text("stage") != "main") {
        return add_filter(plan, JSV_OP_SECCOMP, promises, violation, flags_of(promises));
    }
    check_second_stage(plan, promises);
    add_preload(plan);
    add_filter(plan, JSV_OP_SECCOMP, promises | kForLoader, violation, flags_of(promises),
               Besides::kSecondStage);
    add_filter(plan, JSV_OP_SECCOMP_MAIN, promises, violation, 0);
}

int plan(const jsv_host* host) {
    Planner plan(host);
    const auto text = plan.text("promises");
    const auto reaction = plan.text("on_violation");
    const bool learn = reaction == "log";
    if (!text && !learn) {
        if (reaction || plan.text("exec_promises") || plan.text("stage") || plan.text("add") ||
            plan.text("drop")) {
            plan.fail("promises", "is missing, and without it there is no filter; add it");
        }
        return plan.result();
    }
    const bool any = text == "any";
    if (any && !learn) return plan.result();
    const Promises promises = text && !any ? read_promises(plan, *text) : kStdio;
    check_surroundings(plan);
    if (plan.failed()) return plan.result();
    if (learn) {
        // What stdio permits is used by every program: it is not asked about.
        add_filter(plan, JSV_OP_SECCOMP, kStdio, Violation::kAsk, JSV_SECCOMP_LEARN);
    } else {
        enforce(plan, promises, reaction == "kill" ? Violation::kKill : Violation::kErrno);
    }
    return plan.result();
}

constexpr jsv_plugin kPlugin =
    jsv::plugin(kKeys, {.name = "pledge",
                        .version = "1.0",
                        .doc = "Which system calls a service may make, by OpenBSD's promises.",
                        .plan = plan,
                        .doctor = doctor});

}  // namespace

const jsv_plugin* jailsvc_plugin_entry(void) {
    return &kPlugin;
}
