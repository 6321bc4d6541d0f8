#include <catch2/catch.hpp>

#include <jailsvc_plugin.h>

#include "fake_host.hpp"
#include "verdict.hpp"

using jailsvc::test::FakeHost;
using namespace pledge;
using namespace std::string_literals;

TEST_CASE("pledge: one operation, the promises in the table's order", "[plugin][pledge]") {
    FakeHost host;
    host.keys = {{"promises", " inet\tstdio inet  rpath "s}};
    REQUIRE(host.plan(*jailsvc_plugin_entry()) == 0);
    REQUIRE(host.ops.size() == 1);
    const auto& op = host.ops[0];
    CHECK(op.kind == JSV_OP_SECCOMP);
    CHECK(op.text[0] == "stdio rpath inet");
    CHECK(op.text[1] == "EPERM");
    CHECK((op.flags & JSV_SECCOMP_EXEC_ONCE) != 0);
    CHECK(op.blob.size() * 4 == make(kStdio | kRpath | kInet).size() * sizeof(sock_filter));

    host.keys = {{"promises", "stdio exec"s}, {"on_violation", "kill"s}};
    REQUIRE(host.plan(*jailsvc_plugin_entry()) == 0);
    CHECK((host.ops.at(0).flags & JSV_SECCOMP_EXEC_ONCE) == 0);
    CHECK(host.ops[0].text[1] == "kill");

    host.keys.clear();
    REQUIRE(host.plan(*jailsvc_plugin_entry()) == 0);
    CHECK(host.ops.empty());
}

TEST_CASE("pledge: a unit adds to a profile's promises and takes from them", "[plugin][pledge]") {
    const auto promised = [](std::map<std::string, FakeHost::Value> keys) {
        FakeHost host;
        host.keys = std::move(keys);
        REQUIRE(host.plan(*jailsvc_plugin_entry()) == 0);
        return host.ops.empty() ? "no filter"s : host.ops[0].text[0];
    };
    CHECK(promised({{"promises", "stdio rpath tcp"s}, {"drop", "tcp id"s}}) == "stdio rpath");
    CHECK(promised({{"promises", "stdio rpath"s}, {"add", "flock tcp"s}}) ==
          "stdio rpath flock tcp");
    CHECK(promised({{"promises", "stdio"s}, {"add", "tcp"s}, {"drop", "tcp"s}}) == "stdio");
    CHECK(promised({{"promises", "any"s}, {"on_violation", "kill"s}}) == "no filter");
}

TEST_CASE("pledge: to learn is to be asked about all but stdio", "[plugin][pledge]") {
    FakeHost host;
    host.keys = {{"on_violation", "log"s}};
    REQUIRE(host.plan(*jailsvc_plugin_entry()) == 0);
    REQUIRE(host.ops.size() == 1);
    CHECK(host.ops[0].flags == JSV_SECCOMP_LEARN);
    CHECK(host.ops[0].text[1] == "recorded");
    // What was promised meanwhile makes no difference, but has to be right.
    const auto blob = host.ops[0].blob;
    host.keys = {{"on_violation", "log"s}, {"promises", "stdio inet exec"s}};
    REQUIRE(host.plan(*jailsvc_plugin_entry()) == 0);
    CHECK(host.ops.at(0).blob == blob);
    host.keys = {{"on_violation", "log"s}, {"promises", "stdio inte"s}};
    CHECK(host.plan(*jailsvc_plugin_entry()) == -ECANCELED);

    const auto program = make(kStdio, Violation::kAsk);
    CHECK(ask(program, number("read")) == SECCOMP_RET_ALLOW);
    CHECK(ask(program, number("close")) == SECCOMP_RET_ALLOW);
    for (const char* call : {"execve", "execveat", "openat", "mount", "sendmsg"}) {
        CHECK(ask(program, number(call)) == SECCOMP_RET_USER_NOTIF);
    }
    CHECK(ask(program, number("clone3")) == (SECCOMP_RET_ERRNO | ENOSYS));
    CHECK(ask(make(kStdio), number("openat")) == kDenied);  // control
}

TEST_CASE("pledge: what cannot be promised is refused with the cure", "[plugin][pledge]") {
    const auto refusal = [](std::map<std::string, FakeHost::Value> keys, bool gains = false) {
        FakeHost host;
        host.keys = std::move(keys);
        if (gains) host.other_flags["identity.no_new_privileges"] = false;
        CHECK(host.plan(*jailsvc_plugin_entry()) == -ECANCELED);
        return host.failed_key + ": " + host.failure;
    };
    CHECK(refusal({{"promises", "stdio rpaht"s}}).starts_with("promises: \"rpaht\" is no promise"));
    CHECK(refusal({{"promises", "stdio vmm"s}}).find("KVM") != std::string::npos);
    for (const char* word : {"audio", "video", "drm", "bpf", "pf", "tape", "disklabel", "route",
                             "wroute", "ps", "vminfo", "getpw", "tmppath", "error"}) {
        CHECK(
            refusal({{"promises", "stdio "s + word}}).starts_with("promises: \""s + word + "\": "));
    }
    CHECK(refusal({{"promises", ""s}}).find("\"stdio\" is missing") != std::string::npos);
    CHECK(refusal({{"promises", "rpath"s}}).find("\"stdio\" is missing") != std::string::npos);
    CHECK(refusal({{"on_violation", "kill"s}}).find("is missing") != std::string::npos);
    CHECK(refusal({{"drop", "inet"s}}).find("is missing") != std::string::npos);
    CHECK(refusal({{"promises", "stdio"s}, {"drop", "stdio"s}}).find("\"stdio\" is missing") !=
          std::string::npos);
    CHECK(refusal({{"promises", "stdio"s}, {"add", "any"s}}).starts_with("add: \"any\""));
    CHECK(refusal({{"promises", "stdio"s}, {"exec_promises", "stdio"s}})
              .starts_with("exec_promises: "));
    CHECK(refusal({{"promises", "stdio"s}}, true).find("no_new_privileges = true") !=
          std::string::npos);
}
