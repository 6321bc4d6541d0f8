// credentials: secrets for a service, as files that only it can read.
//
//   [credentials.file]
//   db_password = "/etc/web/db_password"             # root's, not everybody's to read
//   [credentials.encrypted]
//   api_token = "/etc/web/api_token.cred"            # made by `jailsvc creds encrypt`
//   [credentials.command]
//   session_key = "/usr/libexec/web-key --unit web"  # its output; runs as uid 62996, jailed
//   [credentials]
//   command_timeout = "5s"
//
// The service finds them in $CREDENTIALS_DIRECTORY, in memory that is never swapped, mode 0400,
// gone with its jail. A plan says where they come from, never what they are: this plugin does not
// see them.
//
// Sources: systemd.exec(5), LoadCredential= for names and the variable; ramfs. Runs wholly in the
// [plan] phase; keeps no state.

#include <jailsvc_plugin.hpp>

#include "doctor.hpp"

namespace {

using jsv::key;
using jsv::Planner;

constexpr std::uint64_t kNsPerSecond = 1'000'000'000;
constexpr std::uint64_t kUsualPatience = 10 * kNsPerSecond;
constexpr std::uint64_t kMostPatience = 300 * kNsPerSecond;
constexpr std::size_t kMost = 64;

constexpr jsv_key kKeys[] = {
    key(JSV_STRING_MAP, "file", nullptr,
        "Name of the credential, and the file it is in: root's, closed to everybody else."),
    key(JSV_STRING_MAP, "encrypted", nullptr,
        "Name of the credential, and a file that jailsvc creds encrypt has made for this host."),
    key(JSV_STRING_MAP, "command", nullptr,
        "Name of the credential, and the program that writes it to its standard output, with "
        "arguments divided by single spaces; it runs as uid 62996 in a jail of its own."),
    key(JSV_DURATION, "command_timeout", "\"10s\"", "Longest time that a command may take."),
};

struct Source {
    const char* key;
    std::uint64_t from;
};
constexpr Source kSources[] = {{"file", JSV_CREDENTIAL_FILE},
                               {"encrypted", JSV_CREDENTIAL_ENCRYPTED},
                               {"command", JSV_CREDENTIAL_COMMAND}};

struct Credential {
    Source source;
    std::string name;
    std::string where;
};

bool is_name(std::string_view name) {
    const auto good = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '_' || c == '-' || c == '.';
    };
    return !name.empty() && name.size() <= 64 && name[0] != '.' && name[0] != '-' &&
           std::ranges::all_of(name, good);
}

/// As the core will: absolute, without "..".
bool is_path(std::string_view path) {
    return path.starts_with('/') && (std::string(path) + "/").find("/../") == std::string::npos;
}

void check(Planner& plan, const Credential& one) {
    const std::string shown = "\"" + one.name + "\" ";
    if (!is_name(one.name)) {
        plan.fail(one.source.key,
                  shown +
                      "is no name; use 1 to 64 letters, digits and _-., of which the last two "
                      "come later");
    }
    const bool command = one.source.from == JSV_CREDENTIAL_COMMAND;
    if (is_path(command ? one.where.substr(0, one.where.find(' ')) : one.where)) return;
    plan.fail(one.source.key, shown + (command ? "is a command: begin it with the program's "
                                                 "absolute path without \"..\""
                                               : "comes from \"" + one.where +
                                                     "\"; write an absolute path without \"..\""));
}

std::vector<Credential> read_all(Planner& plan) {
    std::vector<Credential> all;
    for (const Source& source : kSources) {
        for (const auto& [name, where] : plan.entries(source.key)) {
            const auto same = std::ranges::find(all, name, &Credential::name);
            if (same != all.end()) {
                plan.fail(source.key, "\"" + name + "\" is in [credentials." +
                                          std::string(same->source.key) + "] too; remove one");
            }
            all.push_back({source, name, where});
            check(plan, all.back());
        }
    }
    if (all.size() > kMost) plan.fail(nullptr, "more than 64 credentials");
    return all;
}

void check_jail(Planner& plan) {
    const std::string mode = plan.other_text("chroot", "mode").value_or("host");
    if (plan.other_flag("namespaces", "mount").value_or(false) && mode != "none") return;
    plan.fail(nullptr,
              "there is no place for credentials that others do not see: the jail has no mount "
              "namespace with a root of its own; choose a profile other than \"host\", or use "
              "[environment] file");
}

int plan(const jsv_host* host) {
    Planner planner(host);
    const std::vector<Credential> all = read_all(planner);
    const std::uint64_t patience = planner.duration("command_timeout").value_or(kUsualPatience);
    if (patience == 0 || patience > kMostPatience) {
        planner.fail("command_timeout", "1ns to 300s are possible");
    }
    if (all.empty()) return planner.result();
    check_jail(planner);
    const std::string directory = "/run/credentials/" + planner.unit_name();
    planner.add({.kind = JSV_OP_CREDENTIALS, .text = {directory}, .number = {patience}});
    for (const Credential& one : all) {
        planner.add({.kind = JSV_OP_CREDENTIAL,
                     .key = one.source.key,
                     .text = {one.name, one.where},
                     .number = {one.source.from}});
    }
    planner.add({.kind = JSV_OP_ENVIRONMENT, .text = {"CREDENTIALS_DIRECTORY", directory}});
    return planner.result();
}

constexpr jsv_plugin kPlugin = jsv::plugin(
    kKeys, {.name = "credentials",
            .version = "1.0",
            .doc = "Secrets, as files in $CREDENTIALS_DIRECTORY that only the service can read.",
            .plan = plan,
            .doctor = credentials::doctor,
            .table = "credentials"});

}  // namespace

const jsv_plugin* jailsvc_plugin_entry(void) {
    return &kPlugin;
}
