#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include <catch2/catch.hpp>
#include "base/sys.hpp"
#include "jailer/jail/trash.hpp"

#include "jail_fixture.hpp"

using namespace jailsvc::jailer;
using namespace jailsvc::jailer::test;

namespace {

/// The default plan changed in one operation, which is the negative control of most cases.
Plan changed(jsv_kind kind, auto change) {
    Plan plan = default_plan();
    change(*std::ranges::find(plan.ops, kind, &Op::kind));
    return plan;
}

/// Root in the jail with every capability the machine has: what stops it is the barrier alone.
void become_root(Plan& plan) {
    std::erase_if(plan.ops, [](const Op& op) {
        return op.kind == JSV_OP_IDS || op.kind == JSV_OP_CAPABILITIES ||
               op.kind == JSV_OP_NO_NEW_PRIVS;
    });
}

Plan without(jsv_kind kind) {
    Plan plan = default_plan();
    std::erase_if(plan.ops, [kind](const Op& op) { return op.kind == kind; });
    return plan;
}

std::string shell_in(Plan plan, const std::string& script) {
    Jail jail(std::move(plan));
    INFO(jail.why());
    REQUIRE(jail.stands());
    return jail.shell(script).output;
}

/// A directory with a tmpfs mounted inside, for the time of a test, in this process's own mount
/// namespace as far as others can tell: its path is ours alone.
class Submount {
public:
    explicit Submount(std::string path) : path_(std::move(path)) {
        REQUIRE(::mkdir(path_.c_str(), 0755) == 0);
        REQUIRE(::mount("test", path_.c_str(), "tmpfs", 0, "size=64k,mode=777") == 0);
    }
    Submount(const Submount&) = delete;
    Submount& operator=(const Submount&) = delete;
    ~Submount() { ::umount2(path_.c_str(), MNT_DETACH); }

private:
    std::string path_;
};

/// A jail whose root is `root`, with nothing but what a hostile root may have prepared for.
Plan plan_on(const std::string& root, std::vector<Op> ops) {
    std::vector<Op> all = usual_namespaces();
    all.push_back(make_op(JSV_OP_ROOT, {.flags = JSV_MOUNT_NOSUID, .text = {root}}));
    all.insert(all.end(), ops.begin(), ops.end());
    return make_plan(std::move(all));
}

}  // namespace

TEST_CASE("jail: a read-only root is read-only in its submounts too", "[jail][S2.5]") {
    REQUIRE_JAILS();
    const TempDirectory root;
    const Submount inner(root.path() + "/inner");
    const auto plan = [&](std::uint32_t flags) {
        Plan made = default_plan();
        auto& op = *std::ranges::find(made.ops, JSV_OP_FILE, &Op::kind);
        op = make_op(JSV_OP_BIND,
                     {.flags = flags | JSV_MOUNT_CREATE, .text = {root.path(), "/run/r"}});
        become_root(made);
        return made;
    };
    const std::string script = "echo x > /run/r/inner/f && echo written";
    CHECK(shell_in(plan(JSV_MOUNT_READ_ONLY), script).find("Read-only file system") !=
          std::string::npos);
    CHECK(shell_in(plan(0), script) == "written\n");  // control
}

TEST_CASE("jail: root in the jail cannot write the host's tree", "[jail][S2.7]") {
    REQUIRE_JAILS();
    Plan plan = default_plan();
    become_root(plan);
    const std::string target = "/usr/jailsvc-test-" + std::to_string(::getpid());
    const std::string script =
        "echo x > " + target + " || mount -o remount,rw,bind / ; ls " + target;
    const std::string output = shell_in(plan, "echo x > " + target);
    CHECK(output.find("Read-only file system") != std::string::npos);
    CHECK(::access(target.c_str(), F_OK) == -1);
}

TEST_CASE("jail: /tmp is private and empty", "[jail][S2.6]") {
    REQUIRE_JAILS();
    const TempDirectory mark;  // lies in the host's /tmp
    CHECK(shell_in(default_plan(), "ls -A /tmp").empty());
    Plan open = default_plan();
    std::erase_if(open.ops,
                  [](const Op& op) { return op.kind == JSV_OP_TMPFS && op.text[0] == "/tmp"; });
    CHECK(shell_in(std::move(open), "ls -A /tmp").find(mark.path().substr(5)) != std::string::npos);
}

TEST_CASE("jail: masked paths show nothing", "[jail][S2.13]") {
    REQUIRE_JAILS();
    const std::string script = "ls -A /root | wc -l; wc -c < /proc/keys";
    CHECK(shell_in(default_plan(), script) == "0\n0\n");
    CHECK(shell_in(without(JSV_OP_MASK), "ls -ld /root").find("drwx------") == 0);
}

TEST_CASE("jail: only its own processes exist", "[jail][S4.1]") {
    REQUIRE_JAILS();
    const std::string script = "kill -0 " + std::to_string(::getpid()) +
                               " 2>/dev/null && echo seen; ls -d /proc/[0-9]* | wc -l";
    Plan plan = default_plan();
    become_root(plan);
    const std::string inside = shell_in(plan, script);
    CHECK(inside.find("seen") == std::string::npos);
    CHECK(std::stoi(inside) < 8);
    std::erase_if(plan.ops, [](const Op& op) {
        return op.kind == JSV_OP_NAMESPACE && op.number[0] == CLONE_NEWPID;
    });
    CHECK(shell_in(plan, script).find("seen") == 0);
}

TEST_CASE("jail: the host name is its own", "[jail][S4.1]") {
    REQUIRE_JAILS();
    char host[256];
    REQUIRE(::gethostname(host, sizeof host) == 0);
    CHECK(shell_in(default_plan(), "uname -n") == "probe\n");
    CHECK(shell_in(without(JSV_OP_HOSTNAME), "uname -n") == std::string(host) + "\n");
    char after[256];
    REQUIRE(::gethostname(after, sizeof after) == 0);
    CHECK(std::string(after) == host);
}

TEST_CASE("jail: all eight namespaces with a user namespace", "[jail][S4.1][S0.10]") {
    REQUIRE_JAILS();
    Plan plan = default_plan();
    const auto root = std::ranges::find(plan.ops, JSV_OP_HOSTNAME, &Op::kind);
    plan.ops.insert(root,
                    {make_op(JSV_OP_NAMESPACE, {.number = {CLONE_NEWUSER}}),
                     make_op(JSV_OP_NAMESPACE, {.number = {CLONE_NEWNET}}),
                     make_op(JSV_OP_NAMESPACE, {.number = {CLONE_NEWTIME}}),
                     make_op(JSV_OP_ID_MAP, {.text = {"0 1000000 65536\n", "0 1000000 65536\n"}})});
    Jail jail(std::move(plan));
    INFO(jail.why());
    REQUIRE(jail.stands());
    const Ran ran =
        jail.shell("id -u; cat /proc/self/uid_map | tr -s ' '; echo x > /dev/null && echo ok");
    CHECK(ran.output == "64123\n 0 1000000 65536\nok\n");
}

TEST_CASE("jail: identity, capabilities, limits and umask are the plan's", "[jail][S4.14]") {
    REQUIRE_JAILS();
    const std::string output = shell_in(
        default_plan(),
        "id -u; id -g; id -G; umask; ulimit -Sn; ulimit -Hn; grep -E 'Cap(Prm|Eff|Bnd|Amb)|NoNew' "
        "/proc/self/status | tr -d '\\t'");
    CHECK(output ==
          "64123\n64123\n64123\n0027\n512\n1024\nCapPrm:0000000000000000\nCapEff:0000000000000000\n"
          "CapBnd:0000000000000000\nCapAmb:0000000000000000\nNoNewPrivs:1\n");
}

TEST_CASE("jail: ambient capabilities and groups reach the program", "[jail]") {
    REQUIRE_JAILS();
    const std::uint64_t bind_service = 1ULL << 10;
    Plan plan = changed(JSV_OP_CAPABILITIES,
                        [&](Op& op) { op.number = {bind_service, bind_service, bind_service}; });
    auto& ids = *std::ranges::find(plan.ops, JSV_OP_IDS, &Op::kind);
    const std::uint32_t groups[] = {64200, 64201};
    ids.blob.assign(reinterpret_cast<const char*>(groups), sizeof groups);
    CHECK(shell_in(plan, "id -G; grep CapEff /proc/self/status | tr -d '\\t'") ==
          "64123 64200 64201\nCapEff:0000000000000400\n");
}

TEST_CASE("jail: a set-user-ID program gains nothing", "[jail][S4.14]") {
    REQUIRE_JAILS();
    const TempDirectory shared;
    const std::string program = shared.path() + "/id";
    REQUIRE(std::system(("cp /usr/bin/id " + program).c_str()) == 0);
    REQUIRE(::chmod(program.c_str(), 04755) == 0);
    const auto plan = [&](bool barrier) {
        Plan made = default_plan();
        auto& file = *std::ranges::find(made.ops, JSV_OP_FILE, &Op::kind);
        file = make_op(JSV_OP_BIND, {.flags = JSV_MOUNT_CREATE, .text = {shared.path(), "/run/s"}});
        if (!barrier) {
            std::erase_if(made.ops, [](const Op& op) { return op.kind == JSV_OP_NO_NEW_PRIVS; });
        }
        return made;
    };
    CHECK(shell_in(plan(true), "/run/s/id -u") == "64123\n");
    CHECK(shell_in(plan(false), "/run/s/id -u") == "0\n");  // control
}

TEST_CASE("jail: a descriptor that leaked into the jailer is not in the program", "[jail]") {
    REQUIRE_JAILS();
    const int leaked = ::open("/", O_RDONLY | O_DIRECTORY);  // without O_CLOEXEC
    REQUIRE(leaked >= 0);
    const jailsvc::Fd owned(leaked);
    // Without a glob, for which the shell would open a directory.
    const std::string script =
        "for i in 0 1 2 3 4 5 6 7 8 9; do [ -e /proc/$$/fd/$i ] && echo $i; done; true";
    CHECK(shell_in(default_plan(), script) == "0\n1\n2\n");
    Jail jail(default_plan());
    Program program;
    program.argv = {"/bin/sh", "-c", script};
    program.passed = {leaked};
    CHECK(jail.run(program).output == "0\n1\n2\n3\n");  // control: a declared one is
}

TEST_CASE("jail: a weakened operation is reported and the jail stands", "[jail]") {
    REQUIRE_JAILS();
    Plan plan = default_plan();
    Op bind = make_op(JSV_OP_BIND, {.text = {"/no/such/source", "/run"}});
    const auto at = std::ranges::find(plan.ops, JSV_OP_FILE, &Op::kind);
    const auto index = at - plan.ops.begin();
    plan.ops.insert(at, bind);
    {
        const Jail strict(plan);
        CHECK_FALSE(strict.stands());
        CHECK(strict.why() ==
              "probe: test: bind: source /no/such/source: No such file or directory; "
              "make it, or take it out of the unit");
    }
    plan.ops[static_cast<std::size_t>(index)].optional = true;
    const Jail lenient(plan);
    INFO(lenient.why());
    CHECK(lenient.stands());
    CHECK_FALSE(lenient.weakened().empty());
}

TEST_CASE("escape: a root's /dev that leads to the host stays in the root", "[jail][escape][E4]") {
    REQUIRE_JAILS();
    const TempDirectory root, host;
    REQUIRE(::symlink(host.path().c_str(), (root.path() + "/dev").c_str()) == 0);
    const Jail jail(plan_on(root.path(), {make_op(JSV_OP_DEV, {.text = {"/dev"}})}));
    CHECK_FALSE(jail.stands());  // host.path() does not exist below the root
    CHECK(jail.why().find("dev: target /dev") != std::string::npos);
    CHECK(std::system(("test -z \"$(ls -A " + host.path() + ")\"").c_str()) == 0);
}

TEST_CASE("escape: a mount target swapped for a symlink lands inside", "[jail][escape][E3]") {
    REQUIRE_JAILS();
    const TempDirectory root;
    REQUIRE(::mkdir((root.path() + "/inside").c_str(), 0755) == 0);
    REQUIRE(::symlink("/../../inside", (root.path() + "/target").c_str()) == 0);
    const Jail jail(plan_on(
        root.path(), {make_op(JSV_OP_TMPFS, {.number = {65536, 0755}, .text = {"/target"}})}));
    INFO(jail.why());
    CHECK(jail.stands());
}

TEST_CASE("escape: nothing is made on the host through a symlinked parent",
          "[jail][escape][E5][E9]") {
    REQUIRE_JAILS();
    const TempDirectory root, host;
    REQUIRE(::symlink(host.path().c_str(), (root.path() + "/link").c_str()) == 0);
    const Jail jail(plan_on(root.path(), {make_op(JSV_OP_TMPFS, {.flags = JSV_MOUNT_CREATE,
                                                                 .number = {65536, 0755},
                                                                 .text = {"/link/made"}})}));
    CHECK_FALSE(jail.stands());
    CHECK(::access((host.path() + "/made").c_str(), F_OK) == -1);
    // control: the same walk, unprotected, would have made it there
    CHECK(::mkdir((root.path() + "/link/made").c_str(), 0755) == 0);
    CHECK(::access((host.path() + "/made").c_str(), F_OK) == 0);
}

TEST_CASE("escape: a mask does not trust the root's /dev/null", "[jail][escape][E6]") {
    REQUIRE_JAILS();
    const TempDirectory root;
    REQUIRE(::mkdir((root.path() + "/dev").c_str(), 0755) == 0);
    REQUIRE(::symlink("/secret", (root.path() + "/dev/null").c_str()) == 0);
    REQUIRE(jailsvc::sys::replace_file(root.path() + "/secret", "s\n"));
    REQUIRE(jailsvc::sys::replace_file(root.path() + "/masked", "m\n"));
    const Jail jail(plan_on(root.path(), {make_op(JSV_OP_MASK, {.text = {"/masked"}})}));
    INFO(jail.why());
    CHECK(jail.stands());  // attest found an empty file of ours there
}

TEST_CASE("directories: made, owned, emptied and never through a symlink",
          "[jail][S4.3][E9][E10]") {
    REQUIRE_JAILS();
    const TempDirectory base, host;
    const std::string path = base.path() + "/a/b";
    const auto compiled = CompiledPlan::make(
        make_plan({make_op(JSV_OP_HOST_DIRECTORY,
                           {.flags = JSV_DIR_RECREATE, .number = {0700}, .text = {path, ""}})}));
    REQUIRE(compiled);
    REQUIRE(apply_parent_operations(*compiled, {64123, 64124}));
    struct stat status{};
    REQUIRE(::stat(path.c_str(), &status) == 0);
    CHECK(status.st_uid == 64123);
    CHECK(status.st_gid == 64124);
    CHECK((status.st_mode & 07777U) == 0700);

    REQUIRE(std::system(("mkdir -p " + path + "/x/y/z/w && touch " + path + "/x/y/f && ln -s " +
                         host.path() + " " + path + "/x/out && touch " + host.path() + "/keep")
                            .c_str()) == 0);
    REQUIRE(apply_parent_operations(*compiled, {64123, 64124}));
    CHECK(std::system(("test -z \"$(ls -A " + path + ")\"").c_str()) == 0);
    CHECK(::access((host.path() + "/keep").c_str(), F_OK) == 0);

    const TempDirectory trash;  // with one nothing is deleted here, whatever there is
    const auto fill = [&] {
        REQUIRE(std::system(("mkdir -p " + path + "/x/y && touch " + path + "/f").c_str()) == 0);
    };
    fill();
    REQUIRE(apply_parent_operations(*compiled, {64123, 64124}, trash.path()));
    CHECK(std::system(("test -z \"$(ls -A " + path + ")\"").c_str()) == 0);
    fill();
    undo_parent_operations(*compiled, trash.path());
    CHECK(::access(path.c_str(), F_OK) == -1);
    CHECK(std::system(("test $(ls " + trash.path() + "/*/f | wc -l) = 2").c_str()) == 0);
    CHECK(has_trash(trash.path()).value());
    REQUIRE(empty_trash(trash.path()));
    CHECK_FALSE(has_trash(trash.path()).value());

    REQUIRE(apply_parent_operations(*compiled, {64123, 64124}));
    fill();
    undo_parent_operations(*compiled);  // without: in place
    CHECK(::access(path.c_str(), F_OK) == -1);
    REQUIRE(::symlink(host.path().c_str(), path.c_str()) == 0);
    CHECK_FALSE(apply_parent_operations(*compiled, {64123, 64124}));
    CHECK(::stat(host.path().c_str(), &status) == 0);
    CHECK(status.st_uid == 0);
}
