#include "engine/monitors.hpp"

#include <catch2/catch.hpp>
#include <cstring>
#include <memory>

using namespace jailsvc;
using namespace jailsvc::engine;
using service::State;

namespace {

struct Reader final : Client {
    void reply(control::Reply reply, std::vector<Fd>) override { last.push_back(reply); }
    bool tell(const control::Reply& reply) override {
        if (told.size() >= room) return false;
        told.push_back(reply.parameters["event"]);
        return reply.continues;
    }
    void on_hangup(std::function<void()> hook) override { hang_up = std::move(hook); }

    std::size_t room = 100;
    std::vector<control::Json> told;
    std::vector<control::Reply> last;
    std::function<void()> hang_up;
};

service::Record record(const char* unit, State state) {
    service::Record made{};
    std::strcpy(made.unit, unit);
    std::strcpy(made.because, "exit code 1");
    made.state = state;
    return made;
}

}  // namespace

TEST_CASE("monitors: a client hears of its units' changes, from the first one on", "[engine]") {
    Monitors monitors;
    const auto all = std::make_shared<Reader>(), one = std::make_shared<Reader>();
    monitors.add({}, all);
    monitors.add({"web"}, one);
    CHECK(all->told[0]["kind"] == "begin");
    CHECK(all->hang_up != nullptr);  // its end of file ends it
    monitors.changed(record("web", State::kFailed), State::kRunning);
    monitors.changed(record("db", State::kRunning), State::kStarting);
    monitors.changed(record("db", State::kRunning), State::kRunning);  // no change of state
    monitors.noted("web", "look here");
    REQUIRE(all->told.size() == 4);
    REQUIRE(one->told.size() == 3);
    CHECK(one->told[1]["state"] == "failed");
    CHECK(one->told[1]["before"] == "running");
    CHECK(one->told[1]["because"] == "exit code 1");
    CHECK(one->told[1]["pid"].is_null());
    CHECK(one->told[2]["kind"] == "note");
    CHECK(all->told[2]["unit"] == "db");
}

TEST_CASE("monitors: who reads too slowly is told so, once, and not within a change", "[engine]") {
    Monitors monitors;
    const auto slow = std::make_shared<Reader>(), quick = std::make_shared<Reader>();
    slow->room = 2;
    monitors.add({}, slow);
    monitors.add({}, quick);
    for (int i = 0; i < 5; ++i) monitors.changed(record("web", State::kRunning), State::kStarting);
    CHECK(slow->last.empty());
    REQUIRE(monitors.has_lost());
    monitors.end_lost();
    REQUIRE(slow->last.size() == 1);
    CHECK(slow->last[0].error.ends_with("EventsLost"));
    CHECK_FALSE(monitors.has_lost());
    CHECK(quick->told.size() == 6);
    CHECK(monitors.size() == 1);
}

TEST_CASE("monitors: one that is gone is forgotten", "[engine]") {
    Monitors monitors;
    const auto stays = std::make_shared<Reader>();
    monitors.add({}, stays);
    auto gone = std::make_shared<Reader>();
    monitors.add({"quiet"}, gone);
    gone->hang_up();
    gone.reset();
    REQUIRE(monitors.has_lost());  // though nothing happens to its unit
    monitors.end_lost();
    CHECK(monitors.size() == 1);
    CHECK(stays->last.empty());
}
