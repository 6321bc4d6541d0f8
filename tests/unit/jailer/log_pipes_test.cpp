#include "jailer/loop/log_pipes.hpp"

#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>

using namespace jailsvc;
using namespace jailsvc::jailer;

namespace {

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
    const auto first = pipes.get("web", kOurs);
    REQUIRE(first);
    REQUIRE(first->made);
    const auto second = pipes.get("web", kOurs);
    REQUIRE(second);
    CHECK_FALSE(second->made);
    CHECK(second->write_end == first->write_end);
    CHECK(pipes.get("db", kOurs)->made);
}

TEST_CASE("log pipes: a jailer after a dead one writes into the same pipe", "[jailer]") {
    Fd read_end;
    {
        LogPipes dead;
        read_end = std::move(dead.get("web", kOurs)->made);
    }
    LogPipes pipes;
    REQUIRE(pipes.adopt("web", read_end.get()));
    const auto pipe = pipes.get("web", kOurs);
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
        const auto pipe = pipes.get("web", ResolvedIds{uid, uid});
        REQUIRE(pipe);
        struct stat info{};
        REQUIRE(::fstat(pipe->write_end, &info) == 0);
        CHECK(info.st_uid == uid);
    }
}
