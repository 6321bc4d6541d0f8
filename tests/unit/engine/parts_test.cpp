#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "engine/early_exits.hpp"
#include "engine/jobs.hpp"
#include "engine/messages.hpp"
#include "engine/procfs.hpp"
#include "engine/reporter.hpp"
#include "engine/roles.hpp"
#include "engine/status.hpp"
#include "engine/unit_set.hpp"
#include "ipc/channel.hpp"

using namespace jailsvc;
using namespace jailsvc::engine;

TEST_CASE("roles: root and the supervisor's user rule, the group operates, others read",
          "[engine]") {
    const Roles roles(1000, gid_t{77});
    CHECK(roles.of({.uid = 0, .gid = 0, .groups = {}}) == Role::kAdmin);
    CHECK(roles.of({.uid = 1000, .gid = 5, .groups = {}}) == Role::kAdmin);
    CHECK(roles.of({.uid = 1001, .gid = 77, .groups = {}}) == Role::kOperate);
    CHECK(roles.of({.uid = 1001, .gid = 5, .groups = {3, 77}}) == Role::kOperate);
    CHECK(roles.of({.uid = 1001, .gid = 5, .groups = {3}}) == Role::kRead);
    CHECK(Roles(1000, std::nullopt).of({.uid = 1, .gid = 77, .groups = {77}}) == Role::kRead);
}

TEST_CASE("roles: the kernel says who a peer is", "[engine]") {
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    const Fd a(ends[0]), b(ends[1]);
    const auto peer = peer_of(a.get());
    REQUIRE(peer);
    CHECK(peer->uid == ::geteuid());
    CHECK(peer->groups.size() == static_cast<std::size_t>(::getgroups(0, nullptr)));
}

TEST_CASE("roles: a group is found in group(5) text, and damage is passed over", "[engine]") {
    const char* text = "root:x:0:\nbroken\njailsvc:x\njailsvc:x:12z:\njailsvc:x:998:ann,bob\n";
    CHECK(find_group(text, "jailsvc") == gid_t{998});
    CHECK(find_group(text, "root") == gid_t{0});
    CHECK(find_group(text, "bob") == std::nullopt);
    CHECK(find_group("", "root") == std::nullopt);
}

TEST_CASE("procfs: usage is read behind any process name", "[engine]") {
    const auto usage =
        parse_usage("12 (a) b) 9 (c) S 1 1 1 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 7 0 100 0 0\n",
                    "1000 300 200 10 0 90 0\n", 100, 4096);
    REQUIRE(usage);
    CHECK(usage->cpu_us == 3'000'000);
    CHECK(usage->threads == 7);
    CHECK(usage->resident_bytes == 300 * 4096);
    CHECK_FALSE(parse_usage("", "", 100, 4096));
    CHECK_FALSE(parse_usage("1 (x) S 1", "1 2", 100, 4096));
    CHECK(usage_of(::getpid())->resident_bytes > 0);
}

TEST_CASE("units: targets want what names them in wanted_by", "[engine]") {
    std::vector<config::Unit> units(3);
    units[0].name = "web";
    units[0].install.wanted_by = {"default", "site"};
    units[1].name = "db";
    units[1].install.wanted_by = {"default"};
    units[2].name = "site";
    units[2].is_target = true;
    units[2].unit.wants = {"web"};
    auto& off = units.emplace_back();
    off.name = "off";
    off.install = {.wanted_by = {"default", "nowhere"}, .alias = {}, .enabled = false};
    add_wanted(units);
    REQUIRE(units.size() == 5);
    CHECK(units[2].unit.wants == std::vector<std::string>{"web"});
    CHECK(units[4].name == "default");
    CHECK(units[4].is_target);
    CHECK(units[4].unit.wants == std::vector<std::string>{"web", "db"});
}

TEST_CASE("reporter: changes read like sentences", "[engine]") {
    service::Record record{};
    ipc::set_text(record.unit, "web");
    record.state = service::State::kRunning;
    record.main_pid = 42;
    CHECK(describe_change(record, service::State::kStarting, 12'000'000, 0) ==
          "web: running after 12 ms, pid 42");
    CHECK(describe_change(record, service::State::kRunning, 12'000'000, 0).empty());
    record.state = service::State::kBackoff;
    record.backoff_until_ns = 112'000'000;
    record.last_code = 9;  // of an earlier death
    ipc::set_text(record.because, "core: exec: /bin/x: No such file or directory");
    CHECK(describe_change(record, service::State::kStopping, 12'000'000, 0) ==
          "web: core: exec: /bin/x: No such file or directory; starts again in 100 ms");
    CHECK(describe_duration(3'400'000'000) == "3.4 s");
    CHECK(describe_duration(300'000'000'000) == "5 min");
}

TEST_CASE("status: absent values are null, times are those of people", "[engine]") {
    config::Unit unit;
    unit.name = "web";
    unit.jail.profile = "host";
    service::Status status;
    status.unit = &unit;
    status.record.state = service::State::kBackoff;
    status.record.state_since_ns = 4'000'000'000;
    status.next_restart_ns = 5'500'000'000;
    const Clocks clocks{.boottime_ns = 5'000'000'000, .realtime_ns = 100'000'000'000};
    const auto json = unit_status(status, {}, std::nullopt, {}, clocks);
    CHECK(json["state"] == "backoff");
    CHECK(json["since"] == 99'000'000);
    CHECK(json["next_restart"] == 500'000);
    CHECK(json["pid"].is_null());
    CHECK(json["last_exit"].is_null());
    CHECK(json["jail"] == "unconfined");
}

TEST_CASE("status: a unit that never ran has no time of its last change", "[engine]") {
    config::Unit unit;
    unit.name = "web";
    service::Status status;
    status.unit = &unit;
    const Clocks clocks{.boottime_ns = 5'000'000'000, .realtime_ns = 100'000'000'000};
    CHECK(unit_status(status, {}, std::nullopt, {}, clocks)["since"].is_null());
}

TEST_CASE("early exits: an exit waits for the answer to its start", "[engine]") {
    EarlyExits early;
    auto exited = ipc::make<ipc::Exited>();
    exited.token = 7;
    CHECK_FALSE(early.hold(exited));  // nobody will answer
    early.expect_answer(7);
    early.expect_answer(8);
    CHECK(early.hold(exited));
    CHECK_FALSE(early.answered(8));
    REQUIRE(early.answered(7));
    CHECK_FALSE(early.hold(exited));
    CHECK_FALSE(early.answered(7));
    early.expect_answer(7);
    early.expect_answer(9);
    REQUIRE(early.hold(exited));
    CHECK_FALSE(early.take_unanswered(7));
    REQUIRE(early.give_up_all().size() == 1);
    CHECK_FALSE(early.hold(exited));
    CHECK(early.take_unanswered(7));
    CHECK_FALSE(early.take_unanswered(7));
}

TEST_CASE("early exits: a start asked for again can be answered again", "[engine]") {
    EarlyExits early;
    auto exited = ipc::make<ipc::Exited>();
    exited.token = 7;
    early.expect_answer(7);
    early.expect_answer(8);
    CHECK(early.give_up_all().empty());
    early.expect_answer(7);
    CHECK(early.hold(exited));
    CHECK_FALSE(early.take_unanswered(7));
    REQUIRE(early.give_up(7));
    CHECK(early.take_unanswered(7));
    CHECK_FALSE(early.give_up(9));
    CHECK(early.give_up_all().empty());  // two jailers later
    CHECK_FALSE(early.take_unanswered(8));
}

TEST_CASE("jobs: one reply when the last of several has settled", "[engine]") {
    struct Waiting final : Client {
        std::vector<control::Reply> replies;
        void reply(control::Reply reply, std::vector<Fd>) override { replies.push_back(reply); }
        bool tell(const control::Reply&) override { return false; }
        void on_hangup(std::function<void()>) override {}
    };
    const auto client = std::make_shared<Waiting>();
    Jobs jobs;
    jobs.wait_all({{"a", "queued", ""}, {"b", "refused", "no"}, {"c", "queued", ""}},
                  {{1, 0}, {2, 2}}, client);
    jobs.settled(2, {.outcome = service::JobOutcome::kTimeout, .text = "late"});
    CHECK(client->replies.empty());
    jobs.settled(1, {});
    jobs.settled(1, {});
    REQUIRE(client->replies.size() == 1);
    const auto& outcomes = client->replies[0].parameters["outcomes"];
    CHECK(outcomes[0]["result"] == "done");
    CHECK(outcomes[1]["result"] == "refused");
    CHECK(outcomes[2]["message"] == "late");
    CHECK(jobs.waiting() == 0);
}

TEST_CASE("messages: a wait status becomes code or signal", "[engine]") {
    auto exited = ipc::make<ipc::Exited>();
    exited.status = 3 << 8;
    CHECK(exit_info(exited).code == 3);
    exited.status = 9;
    CHECK(exit_info(exited).by_signal);
    CHECK(shutdown_kind("reboot") == ipc::ShutdownKind::kReboot);
    CHECK(shutdown_kind("rebot") == std::nullopt);
}
