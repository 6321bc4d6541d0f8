// The calls of the table, each by name, and the holes that earlier ports of pledge(2) had.

#include <fcntl.h>
#include <sys/ioctl.h>

#include <catch2/catch.hpp>

#include "verdict.hpp"

using namespace pledge;

TEST_CASE("pledge: every call of the table has a number here", "[plugin][pledge]") {
    for (const Group& group : groups()) {
        for (const Rule& rule : group.rules) {
            INFO(rule.call);
            CHECK(rule.count <= 3);
            CHECK((rule.count == 0 || !rule.note.empty()));
            CHECK((::seccomp_syscall_resolve_name(std::string(rule.call).c_str()) !=
                       __NR_SCMP_ERROR ||
                   recent_number(rule.call).has_value()));
            CHECK(number(rule.call) <= kNewestCall);
        }
    }
}

// The holes of earlier ports of pledge(2) to Linux, each by name; the other tests cover clone and
// namespaces (`proc`), signals of threads, and descriptors with `dns`.
TEST_CASE("pledge: every call of extended attributes is covered, those of the future too",
          "[plugin][pledge]") {
    const std::vector<const char*> reading = {"getxattr",  "lgetxattr",  "fgetxattr",
                                              "listxattr", "llistxattr", "flistxattr"};
    const std::vector<const char*> writing = {"setxattr",    "lsetxattr",    "fsetxattr",
                                              "removexattr", "lremovexattr", "fremovexattr"};
    const auto read_only = make(kStdio | kRpath | kWpath | kCpath);
    const auto fattr = make(kStdio | kRpath | kFattr);
    for (const char* call : reading) {
        INFO(call);
        CHECK(ask(read_only, number(call)) == SECCOMP_RET_ALLOW);
        CHECK(ask(make(kStdio), number(call)) != SECCOMP_RET_ALLOW);
    }
    for (const char* call : writing) {
        INFO(call);
        CHECK(ask(read_only, number(call)) == kDenied);
        CHECK(ask(fattr, number(call)) == SECCOMP_RET_ALLOW);  // control: who promises it may
    }
    // setxattrat, getxattrat, listxattrat, removexattrat (Linux 6.13)
    for (int call = 463; call <= 466; ++call) {
        INFO(call);
        CHECK(ask(make(kStdio), call) != SECCOMP_RET_ALLOW);
    }
    for (const int call : {463, 466}) CHECK(ask(read_only, call) != SECCOMP_RET_ALLOW);
}

TEST_CASE("pledge: wpath alone reads nothing and creates nothing", "[plugin][pledge]") {
    const auto writes = make(kStdio | kWpath);
    const auto reads = make(kStdio | kRpath);
    const auto both = make(kStdio | kRpath | kWpath);
    const auto creates = make(kStdio | kWpath | kCpath);
    const auto opened = [](const std::vector<sock_filter>& program, std::uint64_t flags) {
        const auto plain = ask(program, number("open"), {0, flags, 0});
        CHECK(ask(program, number("openat"), {0, 0, flags, 0}) == plain);
        return plain == SECCOMP_RET_ALLOW;
    };
    CHECK(opened(writes, O_WRONLY));
    CHECK_FALSE(opened(writes, O_RDONLY));
    CHECK_FALSE(opened(writes, O_RDWR));
    CHECK_FALSE(opened(writes, O_WRONLY | O_CREAT));
    CHECK_FALSE(opened(writes, O_RDONLY | O_PATH));
    CHECK(opened(reads, O_RDONLY));  // controls
    CHECK_FALSE(opened(reads, O_WRONLY));
    CHECK_FALSE(opened(reads, O_RDONLY | O_TRUNC));
    CHECK(opened(both, O_RDWR));
    CHECK(opened(creates, O_WRONLY | O_CREAT));
    // The access mode 3 is neither reading nor writing to the kernel, and gives ioctl rights.
    CHECK_FALSE(opened(writes, O_ACCMODE));
    CHECK_FALSE(opened(reads, O_ACCMODE));
}

TEST_CASE("pledge: names are made and removed by cpath alone", "[plugin][pledge]") {
    const auto without = make(kAll & ~kCpath);
    const auto with = make(kStdio | kCpath);
    for (const char* call : {"unlink", "unlinkat", "rmdir", "mkdir", "mkdirat", "rename",
                             "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat"}) {
        INFO(call);
        CHECK(ask(without, number(call)) == kDenied);
        CHECK(ask(with, number(call)) == SECCOMP_RET_ALLOW);
    }
    CHECK(ask(without, number("creat")) == kDenied);
}
