#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <initializer_list>

#include "calls.hpp"
#include "observer.hpp"
#include "path_calls.hpp"
#include "proposal.hpp"
#include "record_file.hpp"

using namespace pledge;
using namespace pledge::learn;

namespace {

Call call(int number, std::initializer_list<std::uint64_t> arguments = {}) {
    seccomp_data data{};
    data.nr = number;
    std::ranges::copy(arguments, data.args);
    return to_call(data);
}

Record record_of(std::initializer_list<Call> calls) {
    Record record{.runs = 1};
    for (const Call& one : calls) record.add_call(one);
    return record;
}

constexpr std::uint64_t kAt = static_cast<std::uint64_t>(AT_FDCWD);

}  // namespace

TEST_CASE("learning: of several promises the one that permits least is proposed", "[pledge]") {
    const Call stream = call(SYS_socket, {AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0});
    const Call datagram = call(SYS_socket, {AF_INET, SOCK_DGRAM, 0});
    const Call listening = call(SYS_listen, {3, 5});
    const Call message = call(SYS_sendmsg, {3});
    const Call local = call(SYS_socket, {AF_UNIX, SOCK_STREAM, 0});
    CHECK(smallest_set(record_of({})) == kStdio);
    CHECK(smallest_set(record_of({stream})) == (kStdio | kTcp));
    CHECK(smallest_set(record_of({stream, datagram})) == (kStdio | kDns));
    CHECK(smallest_set(record_of({stream, datagram, listening})) == (kStdio | kInet));
    CHECK(smallest_set(record_of({stream, message})) == (kStdio | kTcp));
    // With "unix" messages may carry descriptors: then that has to be promised too.
    CHECK(smallest_set(record_of({stream, message, local})) == (kStdio | kTcp | kUnix | kSendfd));
}

TEST_CASE("learning: arguments decide what is needed", "[pledge]") {
    CHECK(smallest_set(record_of({call(SYS_openat, {kAt, 1, O_RDONLY})})) == (kStdio | kRpath));
    CHECK(smallest_set(record_of({call(SYS_openat, {kAt, 1, O_RDWR})})) ==
          (kStdio | kRpath | kWpath));
    CHECK(smallest_set(record_of({call(SYS_openat, {kAt, 1, O_WRONLY | O_CREAT, 0600})})) ==
          (kStdio | kWpath | kCpath));
    CHECK(smallest_set(record_of({call(SYS_mmap, {0, 4096, PROT_EXEC})})) == (kStdio | kProtExec));
    CHECK(smallest_set(record_of({call(SYS_kill, {77, 15})})) == (kStdio | kProc));
    // What nothing permits asks for nothing, and is told.
    const Record never = record_of({call(SYS_mount), call(SYS_openat, {kAt, 1, O_CREAT, 04755})});
    CHECK(smallest_set(never) == kStdio);
    CHECK(propose("web", never).find("will fail: mount 1, openat 1") != std::string::npos);
}

TEST_CASE("learning: a record comes back as it was written", "[pledge]") {
    Record record = record_of({call(SYS_openat, {kAt, 1, O_RDWR}), call(SYS_mount)});
    record.add_path("/srv/a b%\n\x7f/c", kRead | kCreate, 7);
    record.add_library("/lib/libc.so.6");
    record.lost = 3;
    const auto back = from_text(to_text(record));
    REQUIRE(back);
    CHECK(to_text(*back) == to_text(record));
    CHECK(back->paths.contains("/srv/a b%\n\x7f/c"));
    const std::string text = to_text(record);
    for (std::size_t cut = 0; cut + 1 < text.size(); ++cut) {
        const auto part = from_text(text.substr(0, cut));
        const bool at_line = cut > 0 && text[cut - 1] == '\n';
        CHECK(part.has_value() == at_line);
    }
    CHECK_FALSE(from_text("jailsvc-learned 1\npath 1 1 /a%\n"));
    CHECK_FALSE(from_text("jailsvc-learned 1\ncall x 1 2 3\n"));
    CHECK_FALSE(from_text("jailsvc-learned 2\n"));
}

TEST_CASE("learning: a service cannot fill a record without end", "[pledge]") {
    Record record;
    for (int i = 0; i < 10000; ++i) {
        record.add_path("/tmp/" + std::to_string(i), kRead);
        record.add_call({"call_" + std::to_string(i)});
    }
    record.add_path(std::string(5000, 'a'), kRead);
    CHECK(record.paths.size() == 4096);
    CHECK(record.calls.size() == 4096);
    CHECK(record.lost == 2 * (10000 - 4096) + 1);
}

TEST_CASE("learning: records of several programs add up in one file", "[pledge]") {
    char name[] = "/tmp/jailsvc-learn-XXXXXX";
    REQUIRE(::mkdtemp(name) != nullptr);
    const int folder = ::open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK_FALSE(read_file(folder, "web"));
    CHECK(add_to_file(folder, "web", record_of({call(SYS_mount)})) == 0);
    CHECK(add_to_file(folder, "web", record_of({call(SYS_mount), call(SYS_fork)})) == 0);
    const auto sum = read_file(folder, "web");
    REQUIRE(sum);
    CHECK(sum->runs == 2);
    CHECK(sum->calls.at(call(SYS_mount)) == 2);
    ::close(folder);
    std::filesystem::remove_all(name);
}

TEST_CASE("learning: paths become lines of unveil", "[pledge]") {
    Record record;
    record.add_library("/lib/libc.so.6");
    record.add_path("/lib/libc.so.6", kRead | kExecute);
    record.add_path("/", kRead);
    record.add_path("/etc", kRead);
    record.add_path("/etc/web.conf", kRead, 2);
    record.add_path("/proc/self/stat", kRead);
    record.add_path("/proc/17/fd", kRead);
    record.add_path("/var/lib/web", kWrite | kCreate);
    record.add_path("/var/lib/web/old", kRead);
    for (int i = 0; i < 6; ++i) record.add_path("/srv/www/" + std::to_string(i), kRead);
    CHECK(propose_paths(record) ==
          "libraries = true\n"
          "\"/etc/web.conf\" = \"r\"  # 2 times\n"
          "\"/proc\" = \"r\"  # 2 times\n"
          "\"/srv/www\" = \"r\"  # 6 times\n"
          "\"/var/lib/web\" = \"rwc\"  # 2 times\n");
    Record odd;
    odd.add_path("/a\"\\\n=", kRead);
    CHECK(propose_paths(odd) == "\"/a\\\"\\\\\\u000a=\" = \"r\"  # 1 time\n");
}

TEST_CASE("learning: which arguments are paths", "[pledge]") {
    seccomp_data data{};
    data.nr = SYS_openat;
    data.args[2] = O_WRONLY | O_CREAT;
    auto paths = paths_of(data);
    REQUIRE(paths.size() == 2);
    CHECK(paths[0].uses == kWrite);
    CHECK((paths[1].parent && paths[1].uses == (kWrite | kCreate)));
    data.nr = SYS_renameat2;
    CHECK(paths_of(data).size() == 2);
    data.nr = SYS_getpid;
    CHECK(paths_of(data).empty());
    CHECK(normal("/a/./b//../c") == "/a/c");
    CHECK(normal("/../..") == "/");
}
