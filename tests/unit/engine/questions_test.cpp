#include "engine/questions.hpp"

#include <ev.h>

#include <catch2/catch.hpp>
#include <memory>
#include <optional>

using namespace jailsvc;
using namespace jailsvc::engine;

namespace {

struct Asker final : Client {
    void reply(control::Reply reply, std::vector<Fd>) override { replies.push_back(reply); }
    bool tell(const control::Reply&) override { return false; }
    void on_hangup(std::function<void()>) override {}
    std::vector<control::Reply> replies;
};

}  // namespace

TEST_CASE("questions: who waits for a peer that does not come back is told in time", "[engine]") {
    const std::unique_ptr<struct ev_loop, decltype(&ev_loop_destroy)> loop(ev_loop_new(EVFLAG_AUTO),
                                                                           ev_loop_destroy);
    Link link(loop.get(), "jailer", {.packet = [](ipc::Packet&) {}, .lost = [] {}});
    Questions questions(loop.get(), link, "jailer", Questions::OnLoss::kRepeat, 0.05);
    const auto asker = std::make_shared<Asker>();
    questions.ask(ipc::make<ipc::PlanRequest>(), asker);
    CHECK(asker->replies.empty());
    ev_run(loop.get(), 0);  // returns when nothing is waited for any more
    REQUIRE(asker->replies.size() == 1);
    const std::string message = asker->replies[0].parameters["message"];
    CHECK(message.starts_with("the jailer has not come back within 0 s"));
    CHECK(questions.answered(1).client.expired());
}

TEST_CASE("questions: no more than a few dozen wait", "[engine]") {
    const std::unique_ptr<struct ev_loop, decltype(&ev_loop_destroy)> loop(ev_loop_new(EVFLAG_AUTO),
                                                                           ev_loop_destroy);
    Link link(loop.get(), "logger", {.packet = [](ipc::Packet&) {}, .lost = [] {}});
    Questions questions(loop.get(), link, "logger", Questions::OnLoss::kRepeat);
    const auto asker = std::make_shared<Asker>();
    for (int i = 0; i < 32; ++i) questions.ask(ipc::make<ipc::LogOpen>(), asker);
    CHECK(asker->replies.empty());
    questions.ask(ipc::make<ipc::LogOpen>(), asker);
    REQUIRE(asker->replies.size() == 1);
    CHECK(asker->replies[0].error.ends_with("LimitReached"));
}
