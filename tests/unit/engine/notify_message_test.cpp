#include "engine/notify_message.hpp"

#include <catch2/catch.hpp>
#include <random>
#include <string>

using namespace jailsvc::engine;
using namespace std::string_literals;

TEST_CASE("notify: what sd_notify(3) lists is understood", "[engine]") {
    const auto all = parse_notify(
        "READY=1\nRELOADING=1\nMONOTONIC_USEC=5\nSTOPPING=1\nSTATUS=up and away\nERRNO=2\n"
        "EXIT_STATUS=7\nMAINPID=4711\nWATCHDOG=1\nWATCHDOG_USEC=1000\nEXTEND_TIMEOUT_USEC=2000\n"
        "FDSTORE=1\nFDNAME=name.1\nFDPOLL=0\nBARRIER=1\nX_OWN=whatever");
    REQUIRE(all);
    CHECK((all->ready && all->reloading && all->stopping && all->ping && all->barrier));
    CHECK((all->fd_store && !all->fd_store_remove && !all->fd_poll && !all->trigger));
    CHECK(all->status == "up and away");
    CHECK(all->error == 2);
    CHECK(all->exit_status == "7");
    CHECK(all->main_pid == 4711);
    CHECK(all->watchdog_us == 1000U);
    CHECK(all->extend_us == 2000U);
    CHECK(all->fd_name == "name.1");
    CHECK(parse_notify("WATCHDOG=trigger")->trigger);
    CHECK(parse_notify("FDSTOREREMOVE=1")->fd_store_remove);
}

TEST_CASE("notify: what is malformed or out of range says nothing", "[engine]") {
    for (const char* text : {"",
                             "\n\n",
                             "READY",
                             "=1",
                             "READY=",
                             "READY=0",
                             "READY=yes",
                             "ready=1",
                             " READY=1",
                             "READY=1 ",
                             "MAINPID=0",
                             "MAINPID=-1",
                             "MAINPID=4194305",
                             "MAINPID=1x",
                             "MAINPID= 1",
                             "MAINPID=99999999999999999999",
                             "ERRNO=-1",
                             "ERRNO=4096",
                             "WATCHDOG_USEC=-1",
                             "WATCHDOG_USEC=18446744073709551615",
                             "EXTEND_TIMEOUT_USEC=1e9",
                             "WATCHDOG=TRIGGER"}) {
        INFO(text);
        const auto message = parse_notify(text);
        REQUIRE(message);
        CHECK_FALSE((message->ready || message->ping || message->trigger || message->main_pid ||
                     message->error || message->watchdog_us || message->extend_us));
    }
    CHECK_FALSE(parse_notify("READY=1\0STATUS=x"s));
    CHECK(parse_notify("READY=1\0"s)->ready);  // as a C program may send it
    CHECK_FALSE(parse_notify(std::string(kMaxNotify + 2, 'x')));
    // Of a repeated line the last counts, even if it takes back what was said.
    CHECK(parse_notify("MAINPID=1\nMAINPID=2")->main_pid == 2);
    CHECK_FALSE(parse_notify("MAINPID=1\nMAINPID=x")->main_pid);
}

TEST_CASE("notify: a status text steers no terminal and is valid UTF-8", "[engine]") {
    CHECK(readable("plain, \xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", 64) ==
          "plain, \xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80");
    CHECK(readable("a\x1b[31mb\x07\x7f\t", 64) == "a?[31mb???");
    CHECK(readable("\xc2\x9b", 64) == "?");                       // CSI as one character
    CHECK(readable("x\xe2\x80\xaey", 64) == "x?y");               // right-to-left override
    CHECK(readable("\xff\xc0\x80\xed\xa0\x80", 64) == "??????");  // none of it is a character
    CHECK(readable("\xf4\x90\x80\x80", 64) == "????");
    CHECK(readable("\xe2\x82", 64) == "??");
    CHECK(readable("ab\xc3\xa4", 3) == "ab");  // cut between characters
    CHECK(readable(std::string(1000, 'x'), kMaxStatusText).size() == kMaxStatusText);
}

TEST_CASE("notify: names of descriptors are as sd_notify(3) has them", "[engine]") {
    CHECK(is_fd_name("a b.c-1"));
    CHECK(is_fd_name(std::string(255, 'x')));
    for (const auto& bad : {""s, "a:b"s, "a\nb"s, "\x7f"s, "\xc3\xa4"s, std::string(256, 'x')}) {
        CHECK_FALSE(is_fd_name(bad));
    }
    CHECK(parse_notify("FDNAME=a:b")->fd_name.empty());
}

TEST_CASE("notify: no bytes upset the parser", "[engine]") {
    std::mt19937 random(4);  // NOLINT: the same ones in every run
    const std::string words[] = {
        "READY=", "STATUS=", "MAINPID=", "FDNAME=", "WATCHDOG_USEC=", "\n",       "=",
        "1",      "\xc3",    "trigger",  "ERRNO=-", "\x1b",           "999999999"};
    for (int round = 0; round < 20'000; ++round) {
        std::string text;
        const auto length = random() % 40;
        for (unsigned i = 0; i < length; ++i) {
            if (random() % 3 == 0) {
                text.push_back(static_cast<char>(random() & 0xff));
            } else {
                text += words[random() % std::size(words)];
            }
        }
        const auto message = parse_notify(text);
        if (!message) continue;
        if (message->status) REQUIRE(message->status->size() <= kMaxStatusText);
        if (message->main_pid) REQUIRE((*message->main_pid > 0 && *message->main_pid <= 1 << 22));
        REQUIRE((message->fd_name.empty() || is_fd_name(message->fd_name)));
    }
}
