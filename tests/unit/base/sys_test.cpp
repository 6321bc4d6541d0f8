#include "base/sys.hpp"
#include "temp_folder.hpp"

#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>

using namespace jailsvc;

namespace {

template <typename T>
int code_of(const Result<T>& result) {
    return result ? 0 : result.error().code;
}

}  // namespace

TEST_CASE("sys: a descriptor is closed once, errno is left alone", "[base]") {
    auto opened = sys::open("/dev/null", O_RDONLY);
    REQUIRE(opened);
    const int raw = opened->get();
    CHECK((::fcntl(raw, F_GETFD) & FD_CLOEXEC) != 0);
    Fd other = std::move(*opened);
    CHECK(other.get() == raw);
    auto second = sys::duplicate(raw);
    REQUIRE(second);
    CHECK((::fcntl(second->get(), F_GETFD) & FD_CLOEXEC) != 0);
    errno = E2BIG;
    other = Fd();
    CHECK(errno == E2BIG);
    CHECK(::fcntl(raw, F_GETFD) == -1);
    CHECK(::fcntl(second->get(), F_GETFD) != -1);
}

TEST_CASE("sys: an error names the path, and carries the errno", "[base]") {
    const auto missing = sys::open("/no/such/file", O_RDONLY);
    CHECK(code_of(missing) == ENOENT);
    CHECK(missing.error().message.find("/no/such/file") != std::string::npos);
    CHECK(code_of(sys::read_file("/no/such/file")) == ENOENT);
    CHECK(code_of(sys::pidfd_open(-1)) == EINVAL);
}

TEST_CASE("sys: a file longer than its limit is refused, not cut off", "[base]") {
    const jailsvc::test::TempFolder folder("sys");
    REQUIRE(sys::replace_file(folder.at("f"), "12345"));
    CHECK(sys::read_file(folder.at("f"), 5).value() == "12345");
    CHECK(code_of(sys::read_file(folder.at("f"), 4)) == EFBIG);
}

TEST_CASE("sys: a file is replaced as a whole, and nothing else is left", "[base]") {
    const jailsvc::test::TempFolder folder("sys");
    REQUIRE(sys::replace_file(folder.at("f"), "old", 0600));
    struct stat before{};
    REQUIRE(::stat(folder.at("f").c_str(), &before) == 0);
    CHECK((before.st_mode & 07777U) == 0600U);
    REQUIRE(sys::replace_file(folder.at("f"), "new"));
    CHECK(sys::read_file(folder.at("f")).value() == "new");
    const auto begin = std::filesystem::directory_iterator(folder.path());
    CHECK(std::distance(begin, std::filesystem::directory_iterator()) == 1);
    CHECK_FALSE(sys::replace_file(folder.at("no/such"), "x").has_value());
}

TEST_CASE("sys: directories are made as deep as needed, also a second time", "[base]") {
    const jailsvc::test::TempFolder folder("sys");
    REQUIRE(sys::make_directories(folder.at("a/b/c")));
    REQUIRE(sys::make_directories(folder.at("a/b/c")));
    CHECK(std::filesystem::is_directory(folder.at("a/b/c")));
    REQUIRE(sys::replace_file(folder.at("file"), ""));
    CHECK(code_of(sys::make_directories(folder.at("file/x"))) == ENOTDIR);
}

TEST_CASE("sys: what is opened beneath a directory does not leave it", "[base]") {
    const jailsvc::test::TempFolder folder("sys");
    REQUIRE(sys::make_directories(folder.at("in")));
    REQUIRE(sys::replace_file(folder.at("secret"), "s"));
    REQUIRE(sys::replace_file(folder.at("in/own"), "o"));
    REQUIRE(::symlink("../secret", folder.at("in/link").c_str()) == 0);
    const auto in = sys::open(folder.at("in"), O_RDONLY | O_DIRECTORY);
    REQUIRE(in);
    const auto beneath = [&](const char* name) {
        return code_of(sys::open_beneath(in->get(), name, O_RDONLY, RESOLVE_BENEATH));
    };
    CHECK(beneath("own") == 0);
    CHECK(beneath("../secret") == EXDEV);
    CHECK(beneath("link") == EXDEV);
    CHECK(code_of(sys::open_beneath(in->get(), "link", O_RDONLY, 0)) == 0);  // the control
}

TEST_CASE("sys: a sealed memfd holds the bytes for good", "[base]") {
    const std::string bytes("a\0b", 3);
    const auto sealed = sys::sealed_memfd("test", bytes);
    REQUIRE(sealed);
    CHECK(::write(sealed->get(), "x", 1) == -1);
    CHECK(::ftruncate(sealed->get(), 0) == -1);
    CHECK(::fcntl(sealed->get(), F_ADD_SEALS, 0) == -1);
    CHECK(sys::read_memfd(sealed->get()).value() == bytes);
    REQUIRE(::lseek(sealed->get(), 0, SEEK_END) == 3);
    CHECK(sys::read_memfd(sealed->get()).value() == bytes);
    CHECK(code_of(sys::read_memfd(sealed->get(), 2)) == EFBIG);
}

TEST_CASE("sys: a process is signalled by its descriptor", "[base]") {
    const pid_t child = ::fork();
    if (child == 0) {
        for (;;) ::pause();
    }
    REQUIRE(child > 0);
    const auto pidfd = sys::pidfd_open(child);
    REQUIRE(pidfd);
    CHECK(sys::pidfd_signal(pidfd->get(), SIGKILL));
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(WTERMSIG(status) == SIGKILL);
    CHECK(code_of(sys::pidfd_signal(pidfd->get(), SIGKILL)) == ESRCH);
}
