// The shipped profiles, seen by programs that run in them. Each case has its negative control: the
// same program where the wall is not asked for.

#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <sstream>

#include "jailed.hpp"

using namespace jailsvc::test;
using Catch::Matchers::Contains;

namespace {

const std::string kDefault;  // a unit that says nothing of its jail
const std::string kTrusted = "[jail]\nprofile = \"trusted\"\n[jail.identity]\nuser = \"nobody\"\n";
const std::string kHost = "[jail]\nprofile = \"host\"\n";

/// What the script printed; the jail has to have run it.
std::string say(Site& site, const std::string& jail, const std::string& script) {
    const Ran ran = site.run(jail, script);
    INFO(jail << "\n" << script);
    REQUIRE(ran.error == "");
    return ran.output;
}

std::string link_of(const char* path) {
    char text[256];
    const ssize_t length = ::readlink(path, text, sizeof text);
    return length < 0 ? "" : std::string(text, static_cast<std::size_t>(length));
}

/// A file anybody may read.
void put(const std::string& path, const std::string& text) {
    std::ofstream(path) << text;
    REQUIRE(::chmod(path.c_str(), 0644) == 0);
}

}  // namespace

#define NEED_ROOT \
    if (!can_jail()) return

TEST_CASE("profile: default and trusted run in namespaces of their own, host in the host's",
          "[profile][S4.1]") {
    NEED_ROOT;
    Site site;
    for (const std::string name : {"pid", "mnt", "ipc", "uts", "cgroup"}) {
        const std::string ours = link_of(("/proc/self/ns/" + name).c_str());
        const std::string script = "readlink /proc/self/ns/" + name;
        CHECK_THAT(say(site, kDefault, script),
                   !Contains(ours) && Contains(name == "mnt" ? "mnt:" : name));
        CHECK_THAT(say(site, kTrusted, script), !Contains(ours));
        CHECK_THAT(say(site, kHost, script), Contains(ours));
    }
}

TEST_CASE("profile: a service sees no process but its own", "[profile][S2.13][S0.11]") {
    NEED_ROOT;
    Site site;
    const std::string script = "ls -d /proc/[0-9]* | wc -l; echo $$ > /dev/null; ls -d /proc/1";
    for (const auto& jail : {kDefault, kTrusted}) {
        std::istringstream said(say(site, jail, script));
        int processes = -1;
        said >> processes;
        CHECK(processes >= 1);
        CHECK(processes <= 4);  // the shell, ls, wc, and the subshell
        CHECK_THAT(said.str(), Contains("cannot access '/proc/1'"));
    }
    CHECK_THAT(say(site, kHost, script),
               !Contains("cannot access '/proc/1'") && Contains("/proc/1\n"));
}

TEST_CASE("profile: the host's tree is read-only, submounts too", "[profile][S2.5][E14]") {
    NEED_ROOT;
    Site site;
    // As root with all capabilities, so that nothing but the mounts can be in the way.
    const std::string root =
        "[jail]\nprofile = \"trusted\"\n[jail.identity]\nuser = \"root\"\n"
        "capabilities = [\"dac_override\", \"chown\"]\n";
    const std::string target = site.directory() + "/open/written";
    const std::string script = "for d in / /etc /usr /var/lib /sys " + site.directory() +
                               "/open; do (: > $d/jailsvc-test-file) 2>&1; done; : > " + target;
    const std::string said = say(site, root, script);
    std::size_t refused = 0;
    for (auto at = said.find("Read-only"); at != std::string::npos;
         at = said.find("Read-only", at + 1)) {
        ++refused;
    }
    CHECK(refused == 7);
    CHECK(::access(target.c_str(), F_OK) == -1);
    // The same program, the same user, without the wall.
    CHECK_THAT(say(site, kHost, ": > " + target), !Contains("Read-only"));
    CHECK(::access(target.c_str(), F_OK) == 0);
    // No mount in the jail is writable but those made for it.
    const std::string mounts = say(site, root, "awk '$6 ~ /^rw/ {print $5}' /proc/self/mountinfo");
    std::istringstream lines(mounts);
    for (std::string mount; std::getline(lines, mount);) {
        INFO(mount);
        CHECK((mount == "/proc" || mount == "/run" || mount == "/tmp" || mount == "/var/tmp" ||
               mount.starts_with("/dev/pts") || mount == "/dev/shm"));
    }
}

TEST_CASE("profile: the supervisor's own directories are seen in no jail",
          "[profile][S2.3][S2.9]") {
    NEED_ROOT;
    Site site;
    put(site.places().lib + "/secret", "the-secret\n");
    put(site.places().run + "/secret", "the-secret\n");
    put(site.directory() + "/open/shown", "not-secret\n");
    const std::string script = "cat " + site.places().lib + "/secret " + site.places().run +
                               "/secret " + site.directory() + "/open/shown 2>&1";
    for (const auto& jail : {kDefault, kTrusted}) {
        // The file beside it is there, so it is the mask that hides, and not the tree.
        CHECK_THAT(say(site, jail, script), Contains("not-secret") && !Contains("the-secret"));
    }
    CHECK_THAT(say(site, kHost, script), Contains("the-secret"));

    const std::string bind = "[jail.chroot]\nbinds_ro = [\"" + site.directory() + ":/mnt\"]\n";
    const std::string through = "cat /mnt/state/lib/secret /mnt/open/shown 2>&1";
    CHECK_THAT(say(site, bind, through), Contains("not-secret") && !Contains("the-secret"));
    const Ran refused =
        site.run("[jail.chroot]\nbinds_ro = [\"" + site.places().lib + ":/mnt\"]\n", "true");
    CHECK_THAT(refused.error, Contains("which no jail may see"));
}

TEST_CASE("profile: /dev and /proc hold little, and nothing of the machine", "[profile][S2.13]") {
    NEED_ROOT;
    Site site;
    for (const auto& jail : {kDefault, kTrusted}) {
        CHECK(say(site, jail, "ls /dev | sort | tr '\\n' ' '") ==
              "fd full null ptmx pts random shm stderr stdin stdout tty urandom zero ");
        CHECK(say(site, jail, "echo x > /dev/null && head -c 4 /dev/zero | wc -c") == "4\n");
        // What of this the kernel has is there, and empty.
        CHECK(say(site, jail,
                  "cat /proc/keys /proc/timer_list /proc/kcore /proc/sysrq-trigger "
                  "2>/dev/null; ls -A /sys/firmware 2>/dev/null") == "");
        CHECK_THAT(say(site, jail, "grep ' /proc ' /proc/self/mountinfo"),
                   Contains("nosuid") && Contains("nodev") && Contains("noexec"));
    }
    CHECK(say(site, kHost, "cat /proc/keys; ls -A /sys/firmware") != "");
    // The host's /sys shows the host's interfaces: a network of the jail's has one of its own,
    // where its loopback is down; masked in a user namespace, which may not mount one.
    const std::string own = "[jail.namespaces]\nnet = true\n";
    const char* loopback = "ls -A /sys/class/net; cat /sys/class/net/lo/flags 2>/dev/null || true";
    CHECK(say(site, own, loopback) == "lo\n0x8\n");
    CHECK(say(site, own + "user = true\n", loopback) == "");
    CHECK_THAT(say(site, kDefault, loopback), Contains("lo\n") && Contains("0x9\n"));
    CHECK(say(site, own, "ls /sys/fs/cgroup") == say(site, kDefault, "ls /sys/fs/cgroup"));
    CHECK_THAT(say(site, own, "grep ' /sys ' /proc/self/mountinfo"),
               Contains(" ro,nosuid,nodev,noexec"));
    // Opened for writing, and nothing written: also root cannot set what /proc/sys holds.
    const std::string root = "[jail]\nprofile = \"trusted\"\n[jail.identity]\nuser = \"root\"\n";
    const std::string open = "(: >> /proc/sys/kernel/panic_on_oops) 2>&1";
    CHECK_THAT(say(site, root, open), Contains("Read-only"));
    CHECK(say(site, kHost, open) == "");
}

TEST_CASE("profile: a device is there when the unit names it, and only then", "[profile][S2.13]") {
    NEED_ROOT;
    Site site;
    if (::access("/dev/fuse", F_OK) != 0) {
        WARN("skipped: no /dev/fuse to hand to a jail");
        return;
    }
    CHECK(say(site, kDefault, "test -c /dev/fuse; echo $?") == "1\n");
    CHECK(say(site, "[jail.chroot]\ndevices = [\"/dev/fuse\"]\n", "test -c /dev/fuse; echo $?") ==
          "0\n");
}

TEST_CASE("profile: a service has no privilege and gets none", "[profile][S4.14][S1.6]") {
    NEED_ROOT;
    Site site;
    const std::string script = "grep -E '^(Cap|NoNewPrivs|Groups)' /proc/self/status; id -u; id -g";
    const std::string none = "0000000000000000";
    const std::string said = say(site, kDefault, script);
    for (const std::string set : {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"}) {
        CHECK_THAT(said, Contains(set + ":\t" + none));
    }
    CHECK_THAT(said, Contains("NoNewPrivs:\t1") && Contains("61999\n61999\n"));
    CHECK_THAT(say(site, kTrusted, script), Contains("CapBnd:\t" + none) && Contains("65534\n"));
    CHECK_THAT(say(site, kHost, script),
               !Contains("CapBnd:\t" + none) && Contains("NoNewPrivs:\t0") && Contains("0\n0\n"));
    // One capability, kept by a user who is not root: bit 10 is net_bind_service.
    const std::string bind =
        "[jail.identity]\ncapabilities = [\"net_bind_service\"]\n"
        "ambient_capabilities = [\"net_bind_service\"]\n";
    CHECK_THAT(say(site, bind, script), Contains("CapEff:\t0000000000000400"));
}

TEST_CASE("profile: a unit of profile trusted that names no user is refused", "[profile][S4.14]") {
    NEED_ROOT;
    Site site;
    const Ran ran = site.run("[jail]\nprofile = \"trusted\"\n", "id -u");
    CHECK_THAT(ran.error, Contains("[jail.identity] user") && Contains("dynamic_user = true"));
    CHECK(ran.output.empty());
}

TEST_CASE("profile: a service is told that it is jailed, in a file it cannot change",
          "[profile][S2.12]") {
    NEED_ROOT;
    Site site;
    const std::string root = "[jail]\nprofile = \"trusted\"\n[jail.identity]\nuser = \"root\"\n";
    for (const auto& [jail, profile] :
         {std::pair{kDefault, "default"}, {kTrusted, "trusted"}, {root, "trusted"}}) {
        CHECK(say(site, jail, "cat /run/host/jailsvc; stat -c '%u %a' /run/host/jailsvc") ==
              std::string("unit=probe\nprofile=") + profile + "\n0 444\n");
        // A mount holds both the file and its name.
        CHECK_THAT(say(site, jail,
                       "(: > /run/host/jailsvc) 2>&1; rm -f /run/host/jailsvc 2>&1; "
                       "cat /run/host/jailsvc"),
                   Contains("unit=probe"));
    }
    CHECK_THAT(say(site, kHost, "cat /run/host/jailsvc 2>&1"), Contains("No such file"));
}

TEST_CASE("profile: a state directory is the service's own, writable and kept", "[profile][S4.3]") {
    NEED_ROOT;
    Site site;
    const std::string with = "[jail.chroot]\nstate_directory = [\"probe\"]\n";
    const std::string path = site.places().state_root + "/probe";
    CHECK(say(site, with,
              "echo $STATE_DIRECTORY; echo kept > $STATE_DIRECTORY/file 2>&1; "
              "stat -c '%u %a' $STATE_DIRECTORY") == path + "\n61999 700\n");
    CHECK(say(site, with, "cat $STATE_DIRECTORY/file") == "kept\n");
    struct stat status{};
    REQUIRE(::stat((path + "/file").c_str(), &status) == 0);
    CHECK(status.st_uid == 61999);
    // Without the key the same place is the host's tree: read-only.
    CHECK_THAT(say(site, kDefault, "(echo x > " + path + "/file) 2>&1"), Contains("cannot create"));
}

TEST_CASE("profile: a runtime directory is new at each start and gone after", "[profile][S4.15]") {
    NEED_ROOT;
    Site site;
    const std::string with = "[jail.chroot]\nruntime_directory = [\"probe\"]\n";
    const std::string path = site.places().runtime_root + "/probe";
    for (int start = 0; start < 2; ++start) {
        CHECK(say(site, with,
                  "ls -A $RUNTIME_DIRECTORY; echo x > $RUNTIME_DIRECTORY/file 2>&1; "
                  "ls $RUNTIME_DIRECTORY") == "file\n");
        CHECK(::access(path.c_str(), F_OK) == -1);
    }
}

TEST_CASE("profile: /tmp is the service's own and ends with it", "[profile][S4.15]") {
    NEED_ROOT;
    Site site;
    const std::string name = "/tmp" + site.directory().substr(site.directory().rfind('/'));
    put(name, "from outside\n");
    const std::string script = "cat " + name + " 2>&1; echo inside > " + name + "; cat " + name;
    CHECK_THAT(say(site, kDefault, script), Contains("No such file") && Contains("inside\n"));
    CHECK_THAT(say(site, "[jail.chroot]\ntmp = false\n", script),
               Contains("from outside") && Contains("Read-only"));
    std::string line;
    std::getline(std::ifstream(name) >> std::ws, line);
    CHECK(line == "from outside");
    ::unlink(name.c_str());
}

TEST_CASE("profile: home directories are hidden but for what the unit shows", "[profile][S4.13]") {
    NEED_ROOT;
    Site site;
    CHECK(say(site, kDefault, "ls -A /home /root 2>&1 | grep -v : | tr -d '\\n'") == "");
    put(site.directory() + "/open/page", "a page\n");
    const std::string hide = "[jail.chroot]\nhide = [\"" + site.directory() + "/open\"]\n";
    CHECK(say(site, hide, "ls -A " + site.directory() + "/open") == "");
    CHECK(say(site, kDefault, "ls -A " + site.directory() + "/open") == "page\n");
    const std::string shown =
        "[jail.chroot]\nbinds_ro = [\"" + site.directory() + "/open:/home/site\"]\n";
    CHECK(say(site, shown, "cat /home/site/page; ls /home") == "a page\nsite\n");
}

TEST_CASE("profile: an image is the root, and nothing else of the host is there",
          "[profile][S4.4]") {
    NEED_ROOT;
    Site site;
    const std::string image = site.directory() + "/open";
    REQUIRE(::mkdir((image + "/dev").c_str(), 0755) == 0);
    REQUIRE(::mkdir((image + "/usr").c_str(), 0755) == 0);
    for (const auto* name : {"bin", "lib", "lib64"}) {
        REQUIRE(::symlink(("usr/" + std::string(name)).c_str(), (image + "/" + name).c_str()) == 0);
    }
    const std::string jail = "[jail.chroot]\nmode = \"directory\"\nroot = \"" + image +
                             "\"\nbinds_ro = [\"/usr\"]\nstate_directory = [\"probe\"]\n";
    CHECK(say(site, jail,
              "ls / | tr '\\n' ' '; echo $STATE_DIRECTORY; echo x > /var/lib/probe/x; "
              "cat /var/lib/probe/x; (: > /file) 2>&1 | grep -o Read-only") ==
          "bin dev lib lib64 proc run tmp usr var /var/lib/probe\nx\nRead-only\n");
    CHECK_THAT(say(site, kDefault, "ls /"), Contains("etc"));
}

TEST_CASE("profile: a host name is the jail's alone", "[profile][S4.1]") {
    NEED_ROOT;
    Site site;
    utsname before{};
    REQUIRE(::uname(&before) == 0);
    CHECK(say(site, "[jail.namespaces]\nhostname = \"probe-host\"\n", "uname -n") ==
          "probe-host\n");
    utsname after{};
    REQUIRE(::uname(&after) == 0);
    CHECK(std::string(after.nodename) == before.nodename);
    CHECK(say(site, kDefault, "uname -n") == std::string(before.nodename) + "\n");
}

TEST_CASE("profile: limits and umask are in force before the program begins", "[profile][S4.9]") {
    NEED_ROOT;
    Site site;
    CHECK(say(site, "[jail.identity]\numask = \"0077\"\nlimits = { nofile = \"64:128\" }\n",
              "umask; ulimit -Sn; ulimit -Hn; ulimit -c") == "0077\n64\n128\n0\n");
    CHECK_THAT(say(site, kDefault, "umask"), Contains("0022"));
}

TEST_CASE("profile: redis keeps its data in its state directory, and writes nowhere else",
          "[profile][S2.5][S4.3]") {
    NEED_ROOT;
    if (::access("/usr/bin/redis-server", X_OK) != 0) {
        WARN("skipped: redis-server is not installed");
        return;
    }
    Site site;
    const std::string unit = "[jail.chroot]\nstate_directory = [\"probe\"]\n";
    const std::string script =
        "redis-server --port 0 --unixsocket /tmp/s --dir ${STATE_DIRECTORY:-/var/lib} "
        "--daemonize yes --logfile /tmp/log\n"
        "until redis-cli -s /tmp/s ping 2>/dev/null; do kill -0 $$; done | tail -n 1\n"
        "redis-cli -s /tmp/s get key; redis-cli -s /tmp/s set key value; redis-cli -s /tmp/s save\n"
        "redis-cli -s /tmp/s shutdown nosave";
    CHECK(say(site, unit, script) == "PONG\n\nOK\nOK\n");
    CHECK(say(site, unit, script) == "PONG\nvalue\nOK\nOK\n");  // a new jail, the same data
    CHECK_THAT(say(site, kDefault, script), Contains("ERR") && !Contains("OK\nOK"));
}

TEST_CASE("profile: nginx serves a page that the unit shows it", "[profile][S2.5]") {
    NEED_ROOT;
    if (::access("/usr/sbin/nginx", X_OK) != 0 || ::access("/usr/bin/curl", X_OK) != 0) {
        WARN("skipped: nginx and curl are not both installed");
        return;
    }
    Site site;
    put(site.directory() + "/open/index.html", "the page\n");
    put(site.directory() + "/open/nginx.conf",
        "pid /tmp/pid; error_log stderr; events {}\n"
        "http { access_log off; client_body_temp_path /tmp/b; proxy_temp_path /tmp/p;\n"
        "fastcgi_temp_path /tmp/f; uwsgi_temp_path /tmp/u; scgi_temp_path /tmp/c;\n"
        "server { listen unix:/tmp/s; root /run/site; } }\n");
    const std::string script =
        "/usr/sbin/nginx -e stderr -c /run/site/nginx.conf && "
        "curl -sS --unix-socket /tmp/s http://web/; kill $(cat /tmp/pid)";
    const std::string shown =
        "[jail.chroot]\nbinds_ro = [\"" + site.directory() + "/open:/run/site\"]\n";
    CHECK(say(site, shown, script) == "the page\n");
    CHECK_THAT(say(site, kDefault, script), !Contains("the page"));
}

TEST_CASE("profile: net, time and user namespaces are there when the unit asks",
          "[profile][S4.1]") {
    NEED_ROOT;
    Site site;
    const std::string links = "for n in net time user; do readlink /proc/self/ns/$n; done";
    const std::string ours = link_of("/proc/self/ns/net") + "\n" + link_of("/proc/self/ns/time") +
                             "\n" + link_of("/proc/self/ns/user") + "\n";
    CHECK(say(site, kDefault, links) == ours);
    const std::string asked =
        "[jail.namespaces]\nnet = true\ntime = true\nuser = true\n"
        "uid_map = [\"0 100000 65536\"]\ngid_map = [\"0 100000 65536\"]\n";
    std::istringstream said(say(site, asked,
                                links + "; id -u; wc -l < /proc/self/net/dev > /dev/null; "
                                        "wc -l < /proc/self/net/dev"));
    for (const auto* name : {"net", "time", "user"}) {
        std::string link;
        said >> link;
        CHECK(link.starts_with(name));
        CHECK(link != link_of((std::string("/proc/self/ns/") + name).c_str()));
    }
    int uid = -1;
    int lines = -1;
    said >> uid >> lines;
    CHECK(uid == 61999);
    CHECK(lines == 3);  // two of heading, and lo
}
