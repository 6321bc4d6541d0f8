#include "engine/process_list.hpp"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>

using namespace jailsvc::engine;

TEST_CASE("processes: a line of the kernel's is read whatever the process calls itself",
          "[engine][S4.18]") {
    const auto read = [](const std::string& name) {
        return parse_process("42 (" + name +
                                 ") S 7 1 1 0 -1 0 0 0 0 0 150 50 0 0 20 0 3 0 99 4096 "
                                 "10 1 1\n",
                             100, 4096);
    };
    const auto plain = read("web");
    REQUIRE(plain);
    CHECK(plain->pid == 42);
    CHECK(plain->parent == 7);
    CHECK(plain->state == 'S');
    CHECK(plain->cpu_us == 2'000'000);
    CHECK(plain->threads == 3);
    CHECK(plain->start_ticks == 99);
    CHECK(plain->resident_bytes == 40960);
    const auto odd = read("a) R 1 (b");
    REQUIRE(odd);
    CHECK(odd->name == "a) R 1 (b");
    CHECK(odd->parent == 7);
    for (const char* bad : {"", "42", "42 (x", ") 42 (", "42 (x) S 7", "0 (x) S 7 1 1"}) {
        INFO(bad);
        CHECK_FALSE(parse_process(bad, 100, 4096));
    }
}

TEST_CASE("processes: a process is listed with its children, and not when it has gone",
          "[engine][S4.18]") {
    const pid_t child = ::fork();
    if (child == 0) {
        for (;;) ::pause();
    }
    const auto all = with_descendants(::getpid());
    CHECK(std::ranges::find(all, child) != all.end());
    const auto list = list_processes({::getpid(), child}, 10);
    REQUIRE(list.size() == 2);
    CHECK(list[0]["pid"] == ::getpid());
    CHECK(list[1]["parent"] == ::getpid());
    CHECK(list_processes({::getpid(), child}, 1).size() == 1);
    ::kill(child, SIGKILL);
    REQUIRE(::waitpid(child, nullptr, 0) == child);
    CHECK(list_processes({child}, 10).empty());
}
