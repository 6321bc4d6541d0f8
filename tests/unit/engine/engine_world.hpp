#pragma once

#include <catch2/catch.hpp>
#include <chrono>
#include <string>

#include "fake_rest.hpp"

/// What tests of the whole engine have in common.
namespace jailsvc {

inline constexpr const char* kWeb =
    "[service]\nexec_start = [\"/bin/web\"]\n[install]\n"
    "wanted_by = [\"default\"]\n";
inline constexpr const char* kOther = "[service]\nexec_start = [\"/bin/other\"]\n";

inline control::Json status_of(FakeRest& rest, const std::string& unit) {
    auto answer = rest.connect().call("Status", {{"units", {unit}}});
    REQUIRE(answer);
    REQUIRE(answer->reply.error == "");
    return answer->reply.parameters["units"][0];
}

inline ipc::Alive alive(const ipc::Start& start, pid_t pid) {
    auto message = ipc::make<ipc::Alive>();
    message.token = start.token;
    message.pid = pid;
    message.purpose = start.purpose;
    ipc::set_text(message.unit, ipc::get_text(start.unit));
    return message;
}

/// The state follows from messages on another socket than the question: ask until it is there.
inline void wait_for_state(FakeRest& rest, const std::string& unit, const std::string& state) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    std::string last;
    while (std::chrono::steady_clock::now() < deadline) {
        last = status_of(rest, unit)["state"];
        if (last == state) return;
    }
    FAIL(unit << " is " << last << " and not " << state);
}

}  // namespace jailsvc
