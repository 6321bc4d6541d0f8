// Landlock by [jail.unveil], seen by programs in jails. Each case has its negative control: the
// same program without the wall.

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>

#include "jail_fixture.hpp"
#include "jailed.hpp"
#include "jailer/child/landlock_rights.hpp"

using namespace jailsvc::test;
using Catch::Matchers::Contains;
namespace landlock = jailsvc::jailer::landlock;

namespace {

#define NEED_LANDLOCK(version) \
    if (!can_jail() || !has_landlock(version)) return

/// What every shell script needs.
const std::string kPrograms =
    "\"/usr\" = \"rx\"\n\"/bin\" = \"rx\"\n\"/lib\" = \"rx\"\n\"/lib64\" = \"rx\"\n"
    "\"/etc\" = \"r\"\n\"/dev\" = \"rw\"\n\"/proc\" = \"r\"\n";

std::string say(Site& site, const std::string& jail, const std::string& script) {
    const Ran ran = site.run(jail, script);
    INFO(jail << "\n" << script);
    REQUIRE(ran.error == "");
    return ran.output;
}

/// A place of a service with a fixed user, and files in it that are its own.
class Ground {
public:
    explicit Ground(const Site& site) : path_(site.directory() + "/open") {
        for (const char* name : {"", "/r", "/w", "/x", "/c", "/none", "/rwc", "/rwc2"}) {
            own_directory(path_ + name);
            std::ofstream(path_ + name + "/file") << "#!/bin/sh\necho executed\n";
            own(path_ + name + "/file", 0755);
        }
    }
    [[nodiscard]] const std::string& path() const { return path_; }
    /// A jail whose service may write to the ground, so that unveil alone is in the way.
    [[nodiscard]] std::string jail(const std::string& unveil) const {
        return "[jail]\nprofile = \"trusted\"\n[jail.identity]\nuser = \"nobody\"\n"
               "[jail.chroot]\nbinds = [\"" +
               path_ + "\"]\n" + unveil;
    }
    [[nodiscard]] std::string table() const {
        std::string text = "[jail.unveil]\n" + kPrograms;
        for (const char* name : {"r", "w", "x", "c", "rwc"}) {
            text += "\"" + path_ + "/" + name + "\" = \"" + name + "\"\n";
        }
        return text + "\"" + path_ + "/rwc2\" = \"rwc\"\n";
    }

private:
    static constexpr uid_t kNobody = 65534;

    static void own(const std::string& path, mode_t mode) {
        REQUIRE(::chown(path.c_str(), kNobody, kNobody) == 0);
        REQUIRE(::chmod(path.c_str(), mode) == 0);
    }
    static void own_directory(const std::string& path) {
        (void)::mkdir(path.c_str(), 0755);
        own(path, 0755);
    }

    std::string path_;
};

}  // namespace

TEST_CASE("unveil: each of r, w, x and c gives what it says and no more", "[unveil][S2.5]") {
    NEED_LANDLOCK(3);
    Site site;
    const Ground ground(site);
    const std::string script =
        "cd " + ground.path() +
        "; for d in r w x c rwc none; do\n"
        "cat $d/file >/dev/null 2>&1 && echo $d reads\n"
        "ls $d >/dev/null 2>&1 && echo $d lists\n"
        "(: >> $d/file) 2>/dev/null && echo $d writes\n"
        "$d/file 2>/dev/null\n"
        "(mkdir $d/new) 2>/dev/null && echo $d makes && rmdir $d/new 2>/dev/null && echo $d "
        "removes\n"
        "([ -e $d/file ] && truncate -c -s 40 $d/file) 2>/dev/null && echo $d truncates\n"
        "done; true";
    const std::string confined = say(site, ground.jail(ground.table()), script);
    CHECK(confined ==
          "r reads\nr lists\nw writes\nw truncates\nx reads\nexecuted\nc makes\nc removes\n"
          "rwc reads\nrwc lists\nrwc writes\nrwc makes\nrwc removes\nrwc truncates\n");
    const std::string open = say(site, ground.jail(""), script);  // control
    for (const char* all : {"none reads", "none lists", "none writes", "none makes", "none removes",
                            "none truncates", "r writes", "executed"}) {
        CHECK_THAT(open, Contains(all));
    }
}

TEST_CASE("unveil: links and renames do not carry a file to where more is allowed",
          "[unveil][S2.5]") {
    NEED_LANDLOCK(3);
    Site site;
    const Ground ground(site);
    const std::string script = "cd " + ground.path() +
                               "; ln r/file rwc/linked; mv r/file rwc/moved; "
                               "mv rwc/file rwc2/moved && echo between equals; ls rwc; true";
    const std::string confined = say(site, ground.jail(ground.table()), script);
    CHECK_THAT(confined, !Contains("linked\n") && Contains("between equals"));
    CHECK(::access((ground.path() + "/r/file").c_str(), F_OK) == 0);
    const std::string open =
        say(site, ground.jail(""), "cd " + ground.path() + "; ln r/file rwc/linked; ls rwc");
    CHECK_THAT(open, Contains("linked\n"));
}

TEST_CASE("unveil: a path that is missing is an error that names it, unless it may be",
          "[unveil]") {
    NEED_LANDLOCK(3);
    Site site;
    const std::string table = "[jail.unveil]\n" + kPrograms;
    const Ran missing = site.run(table + "\"/no/such\" = \"r\"\n", "true");
    CHECK_THAT(missing.error, Contains("unveil: ") && Contains("/no/such") &&
                                  Contains("No such file") && Contains("\"-PATH\""));
    CHECK(site.run(table + "\"-/no/such\" = \"r\"\n", "true").error == "");
}

TEST_CASE("unveil: mistakes are told at their place in the file", "[unveil]") {
    NEED_LANDLOCK(1);
    Site site;
    const auto error = [&](const std::string& line) {
        return site.run("[jail.unveil]\n" + line + "\n", "true").error;
    };
    CHECK_THAT(error("\"/etc\" = \"rq\""), Contains("probe.toml:4:") && Contains("no permissions"));
    CHECK_THAT(error("\"etc/ssl\" = \"r\""), Contains("probe.toml:4:") && Contains("absolute"));
    CHECK_THAT(error("\"/etc\" = 4"), Contains("probe.toml:4") && Contains("expected a string"));
    CHECK_THAT(error("tcp_conect = []"), Contains("probe.toml:4") && Contains("tcp_connect"));
}

TEST_CASE("unveil: ports other than those named can be neither bound nor reached",
          "[unveil][S2.14]") {
    NEED_LANDLOCK(4);
    Site site;
    const std::string script =
        "python3 -c '\n"
        "import socket\n"
        "def attempt(what, port):\n"
        "    s = socket.socket()\n"
        "    try: getattr(s, what)((\"127.0.0.1\", port)); print(what, port, \"went\")\n"
        "    except OSError as e: print(what, port, e.__class__.__name__)\n"
        "for port in 47113, 47114:\n"
        "    attempt(\"bind\", port); attempt(\"connect\", port)\n'";
    CHECK(say(site, "[jail.unveil]\ntcp_bind = [\"47113\"]\ntcp_connect = [\"47114\"]\n", script) ==
          "bind 47113 went\nconnect 47113 PermissionError\n"
          "bind 47114 PermissionError\nconnect 47114 ConnectionRefusedError\n");
    CHECK(say(site, "", script) ==
          "bind 47113 went\nconnect 47113 ConnectionRefusedError\n"
          "bind 47114 went\nconnect 47114 ConnectionRefusedError\n");
}

TEST_CASE("unveil: UDP ports are closed where the kernel can, and nothing runs where it cannot",
          "[unveil][S2.10][S2.14]") {
    NEED_LANDLOCK(1);
    Site site;
    const std::string script =
        "python3 -c '\n"
        "import socket\n"
        "def attempt(what, port):\n"
        "    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        "    try: getattr(s, what)((\"127.0.0.1\", port)); print(what, port, \"went\")\n"
        "    except OSError as e: print(what, port, e.__class__.__name__)\n"
        "for port in 47113, 47114:\n"
        "    attempt(\"bind\", port); attempt(\"connect\", port)\n'";
    const std::string all =
        "bind 47113 went\nconnect 47113 went\nbind 47114 went\nconnect 47114 went\n";
    CHECK(say(site, "", script) == all);
    const std::string table =
        "[jail.unveil]\nudp_bind = [\"47113\", \"0\"]\nudp_connect = [\"47114\"]\n";
    if (landlock::abi() >= 10) {
        CHECK(say(site, table, script) ==
              "bind 47113 went\nconnect 47113 PermissionError\n"
              "bind 47114 PermissionError\nconnect 47114 went\n");
        return;
    }
    const Ran ran = site.run(table, "echo ran");
    CHECK(ran.output == "");
    CHECK_THAT(ran.error, Contains("UDP ports need 10 (Linux 7.2); list \"unveil.landlock\" in"));
    const Ran without = site.run(table + "[jail]\noptional = [\"unveil.landlock\"]\n", script);
    CHECK(without.output == all);
}

TEST_CASE("unveil: abstract sockets of the host are out of reach by their scope",
          "[unveil][S2.14]") {
    NEED_LANDLOCK(6);
    Site site;
    const jailsvc::Fd host(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    const std::string text = "jailsvc-test-" + std::to_string(::getpid());
    text.copy(name.sun_path + 1, text.size());
    REQUIRE(::bind(host.get(), reinterpret_cast<sockaddr*>(&name),
                   static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + text.size())) == 0);
    REQUIRE(::listen(host.get(), 4) == 0);
    const std::string script =
        "python3 -c '\nimport socket\ns = socket.socket(socket.AF_UNIX)\n"
        "try: s.connect(\"\\0" +
        text +
        "\"); print(\"reached\")\n"
        "except OSError as e: print(e.__class__.__name__)\n'";
    CHECK(say(site, "[jail.unveil]\nscope = \"abstract_sockets\"\n", script) ==
          "PermissionError\n");
    CHECK(say(site, "[jail.unveil]\nscope = \"auto\"\n", script) == "PermissionError\n");
    CHECK(say(site, "[jail.unveil]\nscope = \"none\"\n", script) == "reached\n");
}

TEST_CASE("unveil: processes outside get no signals by their scope", "[unveil]") {
    NEED_LANDLOCK(6);
    Site site;
    // One pid namespace and one user with the host: nothing but the scope is in the way.
    const std::string shared =
        "[jail]\nprofile = \"trusted\"\n[jail.identity]\nuser = \"root\"\n"
        "capabilities = [\"kill\"]\n[jail.namespaces]\npid = false\n";
    const std::string script = "kill -0 " + std::to_string(::getpid()) + " && echo signalled; true";
    CHECK_THAT(say(site, shared + "[jail.unveil]\nscope = \"all\"\n", script),
               !Contains("signalled"));
    CHECK_THAT(say(site, shared, script), Contains("signalled"));
}

TEST_CASE("unveil: a ruleset that was never made is found", "[unveil][S2.10]") {
    NEED_LANDLOCK(6);
    using namespace jailsvc::jailer;
    using namespace jailsvc::jailer::test;
    Plan plan = default_plan();
    plan.ops.push_back(make_op(JSV_OP_LANDLOCK, {.number = {landlock::kMakeBlock, 0, 0}}));
    const auto wanted = CompiledPlan::make(plan);
    REQUIRE(wanted);
    jailsvc::jailer::test::Jail jail(std::move(plan));
    REQUIRE(jail.stands());
    Program program;
    program.argv = {"/bin/true"};
    auto parked = jail.park(program);
    REQUIRE(parked);
    CHECK(attest_program(*wanted, {}, jail.stub(), parked->pid, {}, jail.evidence()));  // control
    const auto seen = attest_program(*wanted, {}, jail.stub(), parked->pid, {}, 0);
    REQUIRE_FALSE(seen);
    CHECK_THAT(seen.error().text, Contains("was not denied"));
    (void)jailsvc::jailer::open_gate(*parked);
    (void)await_end(*parked);
}
