#include <catch2/catch.hpp>

#include "planned.hpp"

using namespace jailsvc::test;
using Map = FakeHost::Map;

namespace {

FakeHost host_with(Keys keys) {
    FakeHost host;
    host.keys = std::move(keys);
    host.other_flags = {{"namespaces.mount", true}};
    return host;
}

FakeHost planned_with_mounts(Keys keys) {
    return planned_by(host_with(std::move(keys)));
}

}  // namespace

TEST_CASE("credentials: a unit without any gets nothing", "[plugin][credentials]") {
    CHECK(planned_with_mounts({}).ops.empty());
    CHECK(std::string(jailsvc_plugin_entry()->table) == "credentials");
}

TEST_CASE("credentials: each is one operation that says where it comes from",
          "[plugin][credentials]") {
    const auto host = planned_with_mounts({{"file", Map{{"db", "/etc/db"}}},
                                           {"encrypted", Map{{"api", "/etc/api.cred"}}},
                                           {"command", Map{{"key", "/bin/get --a b"}}},
                                           {"command_timeout", std::uint64_t{5'000'000'000}}});
    const auto directories = host.of_kind(JSV_OP_CREDENTIALS);
    REQUIRE(directories.size() == 1);
    CHECK(directories[0].text[0].starts_with("/run/credentials/"));
    CHECK(directories[0].number[0] == 5'000'000'000);
    REQUIRE(host.of_kind(JSV_OP_CREDENTIAL).size() == 3);
    const auto* file = host.find(JSV_OP_CREDENTIAL, "db");
    REQUIRE(file != nullptr);
    CHECK(file->text[1] == "/etc/db");
    CHECK(file->number[0] == JSV_CREDENTIAL_FILE);
    CHECK(host.find(JSV_OP_CREDENTIAL, "api")->number[0] == JSV_CREDENTIAL_ENCRYPTED);
    const auto* command = host.find(JSV_OP_CREDENTIAL, "key");
    CHECK(command->number[0] == JSV_CREDENTIAL_COMMAND);
    CHECK(command->text[1] == "/bin/get --a b");
    const auto* variable = host.find(JSV_OP_ENVIRONMENT, "CREDENTIALS_DIRECTORY");
    REQUIRE(variable != nullptr);
    CHECK(variable->text[1] == directories[0].text[0]);
}

TEST_CASE("credentials: what cannot be had is refused by its key", "[plugin][credentials]") {
    for (const char* name : {"", ".x", "-x", "a/b", "a b"}) {
        INFO(name);
        CHECK(refusal_by(host_with({{"file", Map{{name, "/etc/db"}}}})).find("is no name") !=
              std::string::npos);
    }
    for (const char* path : {"", "db", "~/db", "/etc/../db", "/etc/.."}) {
        INFO(path);
        CHECK(
            refusal_by(host_with({{"file", Map{{"db", path}}}})).starts_with("file: \"db\" comes"));
    }
    CHECK(refusal_by(host_with({{"command", Map{{"db", "get it"}}}}))
              .starts_with("command: \"db\" is a command: begin it"));
    CHECK(refusal_by(host_with({{"file", Map{{"db", "/a"}}}, {"encrypted", Map{{"db", "/b"}}}})) ==
          "encrypted: \"db\" is in [credentials.file] too; remove one");
    CHECK(refusal_by(host_with({{"command_timeout", std::uint64_t{0}}}))
              .starts_with("command_timeout: "));
    CHECK(refusal_by(host_with({{"command_timeout", std::uint64_t{301'000'000'000}}}))
              .starts_with("command_timeout: "));
    Map many;
    for (int i = 0; i < 65; ++i) many["n" + std::to_string(i)] = "/etc/db";
    CHECK(refusal_by(host_with({{"file", many}})).find("more than 64") != std::string::npos);
}

TEST_CASE("credentials: a jail without a root of its own has no place for them",
          "[plugin][credentials]") {
    FakeHost shared = host_with({{"file", Map{{"db", "/etc/db"}}}});
    shared.other_flags = {};
    CHECK(refusal_by(shared).find("no mount namespace") != std::string::npos);
    FakeHost rootless = host_with({{"file", Map{{"db", "/etc/db"}}}});
    rootless.other_texts = {{"chroot.mode", "none"}};
    CHECK(refusal_by(rootless).find("no mount namespace") != std::string::npos);
}
