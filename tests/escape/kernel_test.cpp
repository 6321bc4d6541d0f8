// Ways out through the kernel's interfaces. The numbers are those of the list of known escapes.

#include <linux/keyctl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstddef>
#include <cstring>
#include <fstream>

#include "attack.hpp"
#include "base/fd.hpp"

using namespace jailsvc;
using namespace jailsvc::test;
using namespace std::string_literals;

#define NEED_ROOT \
    if (!can_jail()) return

TEST_CASE("escape: the jail's init is closed to every process in the jail", "[escape][E18][E19]") {
    NEED_ROOT;
    Attack attack;
    // Uid 0 owns the init as far as uids go, so that nothing but its being undumpable protects it.
    for (const char* trick :
         {"traces 1", "reads-memory 1", "takes-descriptor 1", "lists /proc/1/root/",
          "opens-for-reading /proc/1/environ", "opens-for-reading /proc/1/mem",
          "opens-for-writing /proc/1/exe", "enters-namespace /proc/1/ns/mnt"}) {
        INFO(trick);
        CHECK(attack.in(kRoot, trick) != kDone);
        CHECK(attack.in(kDynamic, trick) != kDone);
    }
    // The same tricks on a process that is not protected so.
    CHECK(attack.in(kRoot, "traces-child") == kDone);
    CHECK(attack.in(kRoot, "reads-child") == kDone);
    CHECK(attack.in(kRoot, "takes-from-child") == kDone);
}

TEST_CASE("escape: no signal from the jail ends its init or anything outside",
          "[escape][E31][S0.11]") {
    NEED_ROOT;
    Attack attack;
    const pid_t sentinel = ::fork();
    if (sentinel == 0) {
        for (;;) ::pause();
    }
    // The kernel drops signals to an init from its own namespace: sent, and without effect.
    const Ran after = attack.site().run(
        root_with("kill"), attack.program() + " kills 1; " + attack.program() + " kills-all");
    CHECK(after.output.starts_with(kDone));
    CHECK(after.error == "");
    int status = 0;
    CHECK(::waitpid(sentinel, &status, WNOHANG) == 0);
    // The control: what is in the jail does die, here the attacker's own child and its shell.
    CHECK(after.status != 0);
    ::kill(sentinel, SIGKILL);
    CHECK(::waitpid(sentinel, &status, 0) == sentinel);
}

TEST_CASE("escape: a second chroot does not lead out", "[escape][E12]") {
    NEED_ROOT;
    Attack attack;
    const std::string marker = "/run/jailsvc-escape-" + std::to_string(::getpid());
    std::ofstream(marker) << "outside\n";
    CHECK(attack.in(root_with("sys_chroot"), "breaks-out " + marker) != kDone);
    // Out of a chroot that is nothing but a chroot it does.
    const std::string cage = attack.site().directory() + "/cage";
    REQUIRE(::mkdir(cage.c_str(), 0755) == 0);
    REQUIRE(::mkdir((cage + "/tmp").c_str(), 0755) == 0);
    CHECK(attack.in(kHost, "breaks-out-of-chroot " + marker + " " + cage) == kDone);
    ::unlink(marker.c_str());
}

TEST_CASE("escape: a directory handed to an accomplice outside and back is still the jail's",
          "[escape][E25]") {
    NEED_ROOT;
    Attack attack;
    const std::string marker = "/run/jailsvc-escape-" + std::to_string(::getpid());
    std::ofstream(marker) << "outside\n";
    const std::string path = attack.site().directory() + "/open/trade";
    const jailsvc::Fd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    REQUIRE(path.size() < sizeof address.sun_path);
    path.copy(address.sun_path, path.size());
    REQUIRE(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    REQUIRE(::chmod(path.c_str(), 0777) == 0);
    REQUIRE(::listen(listener.get(), 4) == 0);
    const pid_t accomplice = ::fork();
    REQUIRE(accomplice >= 0);
    if (accomplice == 0) {
        for (;;) {
            const jailsvc::Fd peer(::accept(listener.get(), nullptr, nullptr));
            char byte = 0;
            iovec part{&byte, 1};
            alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))]{};
            msghdr message{};
            message.msg_iov = &part;
            message.msg_iovlen = 1;
            message.msg_control = control;
            message.msg_controllen = sizeof control;
            if (::recvmsg(peer.get(), &message, 0) == 1) (void)::sendmsg(peer.get(), &message, 0);
        }
    }
    const std::string words = path + " " + marker;
    CHECK(attack.in(kDynamic, "trades-root " + words) != kDone);
    CHECK(attack.in(kRoot, "trades-root " + words) != kDone);
    // Where it is the host's root, and out of a chroot that is nothing but a chroot, it leads
    // there.
    CHECK(attack.in(kHost, "trades-root " + words) == kDone);
    CHECK(attack.in(kHost, "trades-root-in-chroot " + words) == kDone);
    ::kill(accomplice, SIGKILL);
    ::waitpid(accomplice, nullptr, 0);
    ::unlink(marker.c_str());
}

TEST_CASE("escape: a user namespace of the service's own opens no mount", "[escape][E13][E18]") {
    NEED_ROOT;
    Attack attack;
    if (attack.in(kHost, "mounts-in-user-namespace tmpfs") != kDone) {
        WARN("skipped: this kernel lets nobody make user namespaces");
        return;
    }
    for (const auto& jail : {kDynamic, kRoot}) {
        CHECK(attack.in(jail, "unmounts-in-user-namespace /home") != kDone);
        CHECK(attack.in(jail, "unmounts-in-user-namespace /proc/sys") != kDone);
        CHECK(attack.in(jail, "remounts-in-user-namespace /") != kDone);
        CHECK(attack.in(jail, "mounts-in-user-namespace proc") != kDone);
        CHECK(attack.in(jail, "mounts-in-user-namespace sysfs") != kDone);
        // release_agent of cgroup v1, CVE-2022-0492, begins with this mount.
        CHECK(attack.in(jail, "mounts-in-user-namespace cgroup") != kDone);
    }
    // In the jail's own namespace, with the capability, they are mounts like any other. This is
    // why CAP_SYS_ADMIN without a user namespace is no jail.
    const std::string admin = root_with("sys_admin");
    CHECK(attack.in(admin, "unmounts /home") == kDone);
    CHECK(attack.in(admin, "remounts /tmp") == kDone);
    CHECK(attack.in(admin, "mounts proc") == kDone);
    CHECK(attack.in(kRoot, "unmounts /home") != kDone);
    CHECK(attack.in(kRoot, "mounts proc") != kDone);
}

TEST_CASE("escape: files that steer the machine cannot be opened for writing",
          "[escape][E15][E16]") {
    NEED_ROOT;
    Attack attack;
    for (const char* path :
         {"/proc/sys/kernel/core_pattern", "/proc/sys/kernel/hostname", "/proc/sysrq-trigger",
          "/sys/kernel/uevent_helper", "/sys/kernel/mm/transparent_hugepage/enabled",
          "/sys/fs/cgroup/cgroup.procs", "/sys/fs/cgroup/memory/release_agent",
          "/sys/fs/cgroup/unified/cgroup.procs"}) {
        if (::access(path, F_OK) != 0) continue;
        INFO(path);
        CHECK(attack.in(kHost, "opens-for-writing "s + path) == kDone);
        // /proc/sysrq-trigger is shown as an empty file, which is read-only too.
        CHECK(attack.in(root_with("dac_override"), "opens-for-writing "s + path) != kDone);
        CHECK(attack.in(kDynamic, "opens-for-writing "s + path) != kDone);
    }
}

TEST_CASE("escape: no release_agent of cgroup v1 is the service's to name", "[escape][E15]") {
    NEED_ROOT;
    Attack attack;
    const std::string mount = attack.site().directory() + "/groups";
    REQUIRE(::mkdir(mount.c_str(), 0755) == 0);
    // CVE-2022-0492: a hierarchy of its own is mounted, its root names a program, and the kernel
    // runs that outside of every jail. Root without a jail can.
    if (attack.in(kHost, "names-release-agent " + mount) != kDone) {
        WARN("skipped: this kernel has no cgroup v1 with a release_agent");
        return;
    }
    // With the capability itself the mount is possible, and then the kernel's check of the initial
    // user namespace is all there is: no jail is given it but by name.
    for (const auto& jail : {kDynamic, kRoot, root_with("dac_override"), root_with("net_admin")}) {
        CHECK(attack.in(jail, "names-release-agent /tmp") != kDone);
        CHECK(attack.in(jail, "names-release-agent-in-user-namespace /tmp") != kDone);
    }
}

TEST_CASE("escape: a device node made in the jail does not open", "[escape][E17]") {
    NEED_ROOT;
    Attack attack;
    CHECK(attack.in(root_with("mknod"), "makes-device /tmp/null") == "Permission denied\n");
    CHECK(attack.in(root_with("mknod"), "makes-device /dev/shm/null") == "Permission denied\n");
    CHECK(attack.in(kHost, "makes-device " + attack.site().directory() + "/null") == kDone);
}

TEST_CASE("escape: the keys of whoever started the supervisor are out of reach", "[escape][E20]") {
    NEED_ROOT;
    Attack attack;
    const long ring = ::syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, nullptr);
    const long key = ring < 0 ? -1
                              : ::syscall(SYS_add_key, "user", "jailsvc-escape", "secret", 6,
                                          KEY_SPEC_SESSION_KEYRING);
    if (key < 0) {
        WARN("skipped: no keys here: " << ::strerror(errno));
        return;
    }
    const std::string trick = "reads-key " + std::to_string(key);
    CHECK(attack.in(kDynamic, trick) != kDone);
    // Without a jail too; uid 0 could read it as its owner, so as somebody else.
    CHECK(attack.in("[jail]\nprofile = \"host\"\n[jail.identity]\nuser = \"nobody\"\n", trick) !=
          kDone);
    // Whoever inherits the keyring reads the key, whatever its uid.
    const pid_t heir = ::fork();
    if (heir == 0) {
        if (::setresuid(65534, 65534, 65534) != 0) ::_exit(99);
        ::execl(attack.program().c_str(), "attacker", "reads-key", std::to_string(key).c_str(),
                nullptr);
        ::_exit(98);
    }
    int status = -1;
    REQUIRE(::waitpid(heir, &status, 0) == heir);
    CHECK(status == 0);
}

TEST_CASE("escape: abstract sockets of the host can be put out of reach", "[escape][E24]") {
    NEED_ROOT;
    Attack attack;
    const std::string name = "jailsvc-escape-" + std::to_string(::getpid());
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path + 1, name.data(), name.size());
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
    const Fd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    REQUIRE(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
    REQUIRE(::listen(listener.get(), 8) == 0);
    CHECK(attack.in("[jail.namespaces]\nnet = true\n", "calls-abstract " + name) ==
          "Connection refused\n");
    if (has_landlock(6)) {
        CHECK(attack.in("[jail.unveil]\nscope = \"abstract_sockets\"\n",
                        "calls-abstract " + name) == "Operation not permitted\n");
    }
    // The control, and the state of things: the profile `default` has the host's network.
    CHECK(attack.in(kDynamic, "calls-abstract " + name) == kDone);
}

TEST_CASE("escape: a fork bomb is bounded", "[escape][E30]") {
    NEED_ROOT;
    Attack attack;
    CHECK(attack.in("[jail.identity.limits]\nnproc = \"32\"\n", "forks 64") != kDone);
    CHECK(attack.in(kDynamic, "forks 64") == kDone);
    const Ran limits = attack.site().run(kDynamic, "grep processes /proc/self/limits");
    CHECK(limits.has("4096"));
}
