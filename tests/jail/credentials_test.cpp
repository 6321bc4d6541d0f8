#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "base/sys.hpp"
#include "jail_fixture.hpp"
#include "jailed.hpp"
#include "jailer/credentials/command.hpp"
#include "jailer/credentials/host_key.hpp"

using namespace jailsvc;
using jailer::CompiledPlan;
using jailer::Op;
using jailer::Plan;

namespace {

constexpr uid_t kOwner = 64123, kOther = 64124;
constexpr const char* kDirectory = "/run/credentials/probe";

/// The usual jail, with credentials of these names.
Plan plan_with(const std::vector<std::string>& names) {
    Plan plan = jailer::test::default_plan();
    auto at = std::ranges::find(plan.ops, JSV_OP_MASK, &Op::kind);
    at = plan.ops.insert(at, jailer::test::make_op(JSV_OP_CREDENTIALS, {.text = {kDirectory}}));
    for (const std::string& name : names) {
        at = plan.ops.insert(
            at + 1, jailer::test::make_op(JSV_OP_CREDENTIAL, {.text = {name, "/etc/" + name}}));
    }
    return plan;
}

CompiledPlan compile(Plan plan) {
    auto compiled = CompiledPlan::make(std::move(plan));
    REQUIRE(compiled);
    return std::move(*compiled);
}

/// errno of opening the file in the jail of `stub` as `uid` without capabilities; 0: it opened.
int open_as(pid_t stub, uid_t uid, const std::string& path, int flags) {
    const pid_t child = ::fork();
    if (child == 0) {
        const auto pidfd = sys::pidfd_open(stub);
        if (!pidfd || ::setns(pidfd->get(), CLONE_NEWNS) != 0) ::_exit(255);
        if (::setresgid(uid, uid, uid) != 0 || ::setresuid(uid, uid, uid) != 0) ::_exit(255);
        ::_exit(::open(path.c_str(), flags | O_CLOEXEC) >= 0 ? 0 : errno);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE(WIFEXITED(status));
    return WEXITSTATUS(status);
}

std::string mounts_of(pid_t pid) {
    return sys::read_file(fmt::format("/proc/{}/mountinfo", pid), 16U << 20).value_or("");
}

/// A site with a folder for sources that only root can write.
class Secrets {
public:
    Secrets() : folder_(site_.directory() + "/secrets") {
        REQUIRE(sys::make_directories(folder_, 0755));
    }
    std::string write(const std::string& name, const std::string& text, mode_t mode = 0400) {
        const std::string path = folder_ + "/" + name;
        std::ofstream(path, std::ios::binary) << text;
        REQUIRE(::chmod(path.c_str(), mode) == 0);
        return path;
    }
    std::string encrypt(const std::string& name, const std::string& plain) {
        const auto key = jailer::HostKey::open(jailer::HostKey::path(site_.places()),
                                               jailer::HostKey::Absent::kIsMade);
        REQUIRE(key);
        const auto text = key->encrypt(
            name, {reinterpret_cast<const unsigned char*>(plain.data()), plain.size()});
        REQUIRE(text);
        return *text;
    }
    test::Ran run(const std::string& tables, const std::string& script) {
        return site_.run(tables, script);
    }
    /// Why a unit with these tables does not run.
    std::string refusal(const std::string& tables) {
        const test::Ran ran = run(tables, "echo ran");
        CHECK_FALSE(ran.has("ran"));
        return ran.error;
    }
    std::string of_command(const std::string& script, const char* timeout = "20s") {
        const std::string path = write("command", "#!/bin/sh\n" + script, 0555);
        return fmt::format(
            "[credentials]\ncommand_timeout = \"{}\"\n[credentials.command]\n"
            "key = \"{} one two\"\n",
            timeout, path);
    }
    const Places& places() { return site_.places(); }

private:
    test::Site site_;
    std::string folder_;
};

std::string file_table(const std::string& name, const std::string& path) {
    return fmt::format("[credentials.file]\n{} = \"{}\"\n", name, path);
}

bool says(const std::string& text, const std::string& part) {
    UNSCOPED_INFO(text);
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("credentials: the unit's user reads them, another one does not", "[jail][S0.15]") {
    REQUIRE_JAILS();
    jailer::test::Jail jail(plan_with({"db"}), {kOwner, kOwner});
    INFO(jail.why());
    REQUIRE(jail.stands());
    const std::string file = std::string(kDirectory) + "/db";
    CHECK(open_as(jail.stub(), kOwner, file, O_RDONLY) == 0);  // control
    CHECK(open_as(jail.stub(), kOther, file, O_RDONLY) == EACCES);
    CHECK(open_as(jail.stub(), kOther, kDirectory, O_RDONLY) == EACCES);
    CHECK(open_as(jail.stub(), kOwner, file, O_WRONLY) == EACCES);
    CHECK(open_as(jail.stub(), 0, file, O_WRONLY) == EROFS);
    CHECK(jail.run({"/bin/cat", file}).output == "secret db");
}

TEST_CASE("credentials: they are in no mount tree but the jail's", "[jail][S0.15]") {
    REQUIRE_JAILS();
    jailer::test::Jail jail(plan_with({"db"}), {kOwner, kOwner});
    REQUIRE(jail.stands());
    CHECK(says(mounts_of(jail.stub()), kDirectory));  // control
    CHECK(mounts_of(::getpid()).find(kDirectory) == std::string::npos);
    CHECK(::access(kDirectory, F_OK) == -1);
}

TEST_CASE("credentials: nothing is made for them in the host's tree", "[jail][S2.5]") {
    REQUIRE_JAILS();
    Plan plan = plan_with({"db"});
    std::erase_if(plan.ops, [](const Op& op) {
        return op.text[0] == "/run" || op.kind == JSV_OP_FILE;  // its own /run, and what is in it
    });
    jailer::test::Jail jail(std::move(plan), {kOwner, kOwner});
    CHECK_FALSE(jail.stands());
    CHECK(says(jail.why(), "credentials: target /run/credentials/probe: Read-only file system"));
    CHECK(::access(kDirectory, F_OK) == -1);
}

TEST_CASE("credentials: attest refuses more, fewer and those of others", "[jail][S2.10]") {
    REQUIRE_JAILS();
    const CompiledPlan wanted = compile(plan_with({"db", "api"}));
    const auto verdict = [&](const std::vector<std::string>& made, jailer::ResolvedIds ids) {
        jailer::test::Jail jail(plan_with(made), {kOwner, kOwner});
        REQUIRE(jail.stands());
        const auto held =
            jailer::attest_jail(jailer::test::spawn_context(), wanted, ids, jail.stub());
        return held ? std::string() : jailer::describe(wanted.plan(), held.error());
    };
    CHECK(verdict({"db", "api"}, {kOwner, kOwner}).empty());  // control
    CHECK(says(verdict({"db"}, {kOwner, kOwner}), "credential: /run/credentials/probe/api: not"));
    CHECK(says(verdict({"db", "api", "more"}, {kOwner, kOwner}), "more: is no credential"));
    CHECK(says(verdict({"db", "api"}, {kOther, kOwner}), "belongs to 64123:64123, not 64124"));
}

TEST_CASE("credentials: a service finds files, encrypted files and output", "[jail][S0.15]") {
    REQUIRE_JAILS();
    Secrets secrets;
    const std::string tables =
        secrets.of_command("printf 'made s3cret %s' \"$*\"") +
        file_table("db", secrets.write("db", "plain s3cret")) +
        fmt::format("[credentials.encrypted]\napi = \"{}\"\n",
                    secrets.write("api.cred", secrets.encrypt("api", "sealed s3cret"), 0444));
    const test::Ran ran = secrets.run(
        tables,
        "cd \"$CREDENTIALS_DIRECTORY\" && pwd && cat db && echo && cat api && echo && cat key && "
        "echo && stat -c '%a %u %n' . * && id -u && ls -A && tr '\\0' '\\n' </proc/self/environ");
    INFO(ran.error << ran.output);
    CHECK(ran.has("/run/credentials/probe\nplain s3cret\nsealed s3cret\nmade s3cret one two\n"));
    CHECK(
        ran.has("500 61999 .\n400 61999 api\n400 61999 db\n400 61999 key\n61999\napi\ndb\nkey\n"));
    const std::size_t environment = ran.output.find("CREDENTIALS_DIRECTORY=");
    REQUIRE(environment != std::string::npos);  // control: this is the environment
    CHECK(ran.output.find("s3cret", environment) == std::string::npos);
}

TEST_CASE("credentials: they are there behind a view, in a user namespace too", "[jail]") {
    REQUIRE_JAILS();
    Secrets secrets;
    const std::string table = file_table("db", secrets.write("db", "s3cret"));
    const std::string script =
        "cat $CREDENTIALS_DIRECTORY/db; test -e /etc || echo no etc; test -e /run/host || echo no "
        "host";
    if (test::has_landlock(3)) {
        const test::Ran viewed =
            secrets.run(table +
                            "[jail.unveil]\n\"/usr\" = \"rx\"\n\"/bin\" = \"rx\"\n"
                            "\"-/lib\" = \"rx\"\n\"-/lib64\" = \"rx\"\n",
                        script);
        INFO(viewed.error << viewed.output);
        CHECK(viewed.has("s3cret"));
        CHECK(viewed.has("no etc\nno host"));  // control: there is a view
    }
    const test::Ran mapped =
        secrets.run(table +
                        "[jail.namespaces]\nuser = true\nuid_map = [\"0 200000 65536\"]\n"
                        "gid_map = [\"0 200000 65536\"]\n[jail.identity]\nuser = \"0\"\n"
                        "dynamic_user = false\n",
                    script + "; stat -c ' %u' $CREDENTIALS_DIRECTORY/db; cat /proc/self/uid_map");
    INFO(mapped.error << mapped.output);
    CHECK(mapped.has("s3cret"));
    CHECK(mapped.has(" 200000 "));  // control: there is a map
}

TEST_CASE("credentials: without a source there is no start, and it is named", "[jail][S0.15]") {
    REQUIRE_JAILS();
    Secrets secrets;
    const std::string good = secrets.write("good", "x");
    REQUIRE(secrets.run(file_table("db", good), "echo ran").has("ran"));  // control
    const std::string prefix = "probe: credentials: credential: db: ";
    const std::string absent = good + ".none";
    CHECK(secrets.refusal(file_table("db", absent)) ==
          prefix + absent + ": No such file or directory");
    const std::string open = secrets.write("open", "x", 0444);
    CHECK(says(secrets.refusal(file_table("db", open)), prefix + open + ": everybody can read it"));
    const std::string large = secrets.write("large", std::string((1U << 20) + 1, 'x'));
    CHECK(
        says(secrets.refusal(file_table("db", large)), prefix + large + ": has more than 1048576"));
    const std::string theirs = secrets.write("theirs", "x");
    REQUIRE(::chown(theirs.c_str(), kOther, kOther) == 0);
    CHECK(says(secrets.refusal(file_table("db", theirs)), theirs + ": owned by uid 64124"));
    const std::string mib = secrets.write("mib", std::string(1U << 20, 'x'));
    std::string many = "[credentials.file]\n";
    for (int i = 0; i < 16; ++i) many += fmt::format("n{} = \"{}\"\n", i, mib);
    CHECK(secrets.run(many, "cat $CREDENTIALS_DIRECTORY/* | wc -c").has("16777216"));
    CHECK(
        says(secrets.refusal(many + "z = \"" + good + "\"\n"), "more than 16777216 bytes in all"));
    CHECK(says(secrets.refusal(file_table("db", good) + "[jail]\nprofile = \"host\"\n"),
               "no place for credentials"));
}

TEST_CASE("credentials: an encrypted file opens here, for its name, unchanged", "[jail][S0.15]") {
    REQUIRE_JAILS();
    Secrets secrets;
    const std::string text = secrets.encrypt("db", "s3cret");
    const auto table = [&](const std::string& name, const std::string& file) {
        return fmt::format("[credentials.encrypted]\n{} = \"{}\"\n", name, file);
    };
    const std::string file = secrets.write("db.cred", text);
    REQUIRE(secrets.run(table("db", file), "cat $CREDENTIALS_DIRECTORY/db").has("s3cret"));
    CHECK(says(secrets.refusal(table("api", file)), file + ": was encrypted as \"db\""));
    std::string changed = text;
    changed[changed.size() - 5] = changed[changed.size() - 5] == 'A' ? 'B' : 'A';
    const std::string tampered = secrets.write("changed.cred", changed);
    CHECK(says(secrets.refusal(table("db", tampered)), tampered + ": was changed"));
    Secrets other;
    const std::string foreign = secrets.write("foreign.cred", other.encrypt("db", "s3cret"));
    CHECK(says(secrets.refusal(table("db", foreign)), foreign + ": was encrypted for the host"));
    REQUIRE(::unlink(jailer::HostKey::path(secrets.places()).c_str()) == 0);
    CHECK(says(secrets.refusal(table("db", file)), "this host has no key yet"));
}

TEST_CASE("credentials: a command is unprivileged, jailed, and gone afterwards", "[jail]") {
    REQUIRE_JAILS();
    Secrets secrets;
    const std::string key = jailer::HostKey::path(secrets.places());
    (void)secrets.encrypt("db", "x");
    const std::string hidden = secrets.write("hidden", "x");
    const std::string given = secrets.write("given", "for the command");
    REQUIRE(::chown(given.c_str(), jailer::kCommandUid, jailer::kCommandUid) == 0);
    const test::Ran ran = secrets.run(
        secrets.of_command("id -u; grep CapEff /proc/self/status; grep NoNewPrivs "
                           "/proc/self/status; cat " +
                           given + " && echo; cat " + hidden + " 2>&1; ls " + secrets.places().lib +
                           "; echo listed; "
                           "touch /var/tmp/x 2>&1; ls /proc | grep -c '^[0-9]'; "
                           "echo unit=$JAILSVC_UNIT name=$JAILSVC_CREDENTIAL"),
        "cat $CREDENTIALS_DIRECTORY/key");
    INFO(ran.error << ran.output);
    CHECK(ran.has("62996\n"));
    CHECK(ran.has("CapEff:\t0000000000000000\nNoNewPrivs:\t1\n"));
    CHECK(ran.has("for the command\n"));
    CHECK(ran.has("hidden: Permission denied"));
    CHECK(ran.has("denied\nlisted\n"));  // nothing in the state directory
    CHECK(ran.has("Read-only file system"));
    CHECK(ran.has("unit=probe name=key"));
}

TEST_CASE("credentials: a command that fails, hangs or babbles means no start", "[jail]") {
    REQUIRE_JAILS();
    Secrets secrets;
    const std::string path = "probe: credentials: credential: key: ";
    REQUIRE(secrets.run(secrets.of_command("echo x"), "echo ran").has("ran"));  // control
    CHECK(says(secrets.refusal(secrets.of_command("echo s3cret; exit 3")), "exited with status 3"));
    CHECK(says(secrets.refusal(secrets.of_command("kill -9 $$")), "was ended by signal 9"));
    CHECK(
        says(secrets.refusal(secrets.of_command("echo first >&2; echo no vault here >&2; exit 3")),
             "exited with status 3: no vault here; try it by hand as uid 62996"));
    const std::string told =
        secrets.refusal(secrets.of_command("echo s3cret; echo not s3cret enough >&2; exit 1"));
    CHECK(says(told, "its complaint is withheld"));
    CHECK(told.find("s3cret") == std::string::npos);
    // More than the pipe holds does not keep it from its end.
    CHECK(says(secrets.refusal(secrets.of_command("head -c 300000 /dev/zero >&2; exit 4")),
               "exited with status 4"));
    const std::string late =
        secrets.refusal(secrets.of_command("echo s3cret; sleep 1000", "300ms"));
    CHECK(says(late, "took too long"));
    CHECK(late.find("s3cret") == std::string::npos);
    CHECK(says(secrets.refusal(secrets.of_command("sleep 1000 & echo x", "300ms")), "too long"));
    CHECK(says(secrets.refusal(secrets.of_command("echo x; exec >&-; sleep 1000", "300ms")),
               "too long"));
    CHECK(says(secrets.refusal(secrets.of_command("exec cat /dev/zero")), "has more than 1048576"));
    CHECK(says(secrets.refusal("[credentials.command]\nkey = \"/none/such\"\n"),
               path + "/none/such: "));
}
