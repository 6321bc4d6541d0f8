#include "jailer/loop/log_pipes.hpp"

#include <poll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>

using namespace jailsvc;
using namespace jailsvc::jailer;

namespace {

constexpr auto kOutput = ipc::LogStream::kOutput;
const ResolvedIds kOurs{::geteuid(), ::getegid()};

std::string read_some(int fd) {
    pollfd waited{fd, POLLIN, 0};
    REQUIRE(::poll(&waited, 1, 1000) == 1);
    char text[16];
    const ssize_t count = ::read(fd, text, sizeof text);
    REQUIRE(count >= 0);
    return {text, static_cast<std::size_t>(count)};
}

}  // namespace

TEST_CASE("log pipes: one pipe serves every run of a unit", "[jailer]") {
    LogPipes pipes;
    const auto first = pipes.get("web", kOurs, kOutput);
    REQUIRE(first);
    REQUIRE(first->made);
    const auto second = pipes.get("web", kOurs, kOutput);
    REQUIRE(second);
    CHECK_FALSE(second->made);
    CHECK(second->write_end == first->write_end);
    CHECK(pipes.get("db", kOurs, kOutput)->made);
    SECTION("and another its standard error, where that is told apart") {
        const auto error = pipes.get("web", kOurs, ipc::LogStream::kError);
        REQUIRE(error);
        CHECK(error->made);
        CHECK(error->write_end != first->write_end);
    }
}

TEST_CASE("log pipes: a jailer after a dead one writes into the same pipe", "[jailer]") {
    Fd read_end;
    {
        LogPipes dead;
        read_end = std::move(dead.get("web", kOurs, kOutput)->made);
    }
    LogPipes pipes;
    REQUIRE(pipes.adopt("web", read_end.get(), kOutput));
    const auto pipe = pipes.get("web", kOurs, kOutput);
    REQUIRE(pipe);
    CHECK_FALSE(pipe->made);
    REQUIRE(::write(pipe->write_end, "hello", 5) == 5);
    CHECK(read_some(read_end.get()) == "hello");
    pipes.forget("web");
    CHECK(read_some(read_end.get()).empty());
}

TEST_CASE("log pipes: the pipe belongs to the service's user", "[jailer]") {
    if (::geteuid() != 0) return;  // giving it to another takes CAP_CHOWN
    LogPipes pipes;
    for (const uid_t uid : {61184U, 61185U}) {
        const auto pipe = pipes.get("web", ResolvedIds{uid, uid}, kOutput);
        REQUIRE(pipe);
        struct stat info{};
        REQUIRE(::fstat(pipe->write_end, &info) == 0);
        CHECK(info.st_uid == uid);
    }
}

TEST_CASE("log pipes: settings are told where they are not what the logger knows", "[jailer]") {
    LogPipes pipes;
    ipc::LogSettings settings;
    CHECK_FALSE(pipes.tell_settings("web", settings).value());
    settings.keep = 7;
    const Fd told = pipes.tell_settings("web", settings).value();
    REQUIRE(told);
    CHECK_FALSE(pipes.tell_settings("web", settings).value());
    SECTION("a jailer after a dead one knows what the logger was told") {
        LogPipes next;
        REQUIRE(next.adopt_settings("web", told.get()));
        CHECK_FALSE(next.tell_settings("web", settings).value());
        CHECK(next.tell_settings("web", {}).value());  // the usual ones are told again
    }
    SECTION("what is no settings is refused") {
        CHECK_FALSE(pipes.adopt_settings("db", Fd(::memfd_create("empty", 0)).get()));
    }
}
