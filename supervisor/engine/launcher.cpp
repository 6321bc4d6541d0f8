#include "engine/launcher.hpp"

#include <cstring>
#include <utility>

namespace jailsvc::engine {

// service/ may not include ipc/, so the two enumerations are kept equal here.
static_assert(static_cast<int>(service::Purpose::kMain) == static_cast<int>(ipc::Purpose::kMain));
static_assert(static_cast<int>(service::Purpose::kClient) ==
              static_cast<int>(ipc::Purpose::kClient));
static_assert(static_cast<int>(service::Purpose::kStub) == static_cast<int>(ipc::Purpose::kStub));
static_assert(static_cast<int>(service::Purpose::kListen) ==
              static_cast<int>(ipc::Purpose::kListen));
static_assert(static_cast<int>(service::Purpose::kCondition) ==
              static_cast<int>(ipc::Purpose::kCondition));
static_assert(static_cast<int>(service::Whom::kAll) == static_cast<int>(ipc::Whom::kAll));

JailerLauncher::JailerLauncher(Link& jailer, DigestOf digest_of, Reserve reserve,
                               FindDaemon find_daemon, Await await)
    : jailer_(jailer),
      digest_of_(std::move(digest_of)),
      reserve_(std::move(reserve)),
      find_daemon_(std::move(find_daemon)),
      await_(std::move(await)) {}

template <ipc::Message T>
void JailerLauncher::collect(const T& message) {
    const auto* begin = reinterpret_cast<const std::byte*>(&message);
    collected_.push_back({{begin, begin + sizeof message}, {}});
}

void JailerLauncher::launch(const service::LaunchRequest& request) {
    reserve_(request.token);
    auto start = ipc::make<ipc::Start>();
    start.token = request.token;
    start.main_token = request.main_token;
    start.purpose = static_cast<ipc::Purpose>(request.purpose);
    start.command = request.command;
    start.main_status = request.main_status;
    start.main_out_of_memory = request.main_out_of_memory ? 1 : 0;
    start.main_watchdog = request.main_watchdog ? 1 : 0;
    const Digest digest = digest_of_(request.unit);
    std::memcpy(start.digest, digest.data(), digest.size());
    ipc::set_text(start.unit, request.unit);
    collect(start);
}

void JailerLauncher::signal(std::string_view unit, service::Token token, int signo,
                            service::Whom whom) {
    auto signal = ipc::make<ipc::Signal>();
    signal.token = token;
    signal.signo = signo;
    signal.whom = static_cast<ipc::Whom>(whom);
    ipc::set_text(signal.unit, unit);
    collect(signal);
}

void JailerLauncher::release(std::string_view unit, service::Token token) {
    teardown(unit, token, false);  // the answer to that comes for a unit that waits for none
}

void JailerLauncher::teardown(std::string_view unit, service::Token token, bool restarts) {
    auto teardown = ipc::make<ipc::Teardown>();
    teardown.token = token;
    teardown.restarts = restarts ? 1 : 0;
    ipc::set_text(teardown.unit, unit);
    collect(teardown);
}

void JailerLauncher::await_connection(std::string_view unit) {
    if (!await_(unit)) return;
    auto await = ipc::make<ipc::AwaitConnection>();
    ipc::set_text(await.unit, unit);
    collect(await);
}

void JailerLauncher::close_sockets(std::string_view unit) {
    auto close = ipc::make<ipc::CloseSockets>();
    ipc::set_text(close.unit, unit);
    collect(close);
}

void JailerLauncher::flush() {
    for (Link::Message& message : std::exchange(collected_, {})) jailer_.send(std::move(message));
}

std::deque<Link::Message> JailerLauncher::start_over(std::deque<Link::Message> unsent) {
    append(std::exchange(unsent, std::exchange(collected_, {})));
    append(std::move(unsent));
    std::erase_if(collected_, [](const Link::Message& message) {
        return message.type() == ipc::Type::kStart || message.type() == ipc::Type::kTeardown ||
               message.type() == ipc::Type::kExec || message.type() == ipc::Type::kPlanRequest ||
               message.type() == ipc::Type::kSetProperty;
    });
    return std::exchange(collected_, {});
}

void JailerLauncher::append(std::deque<Link::Message> messages) {
    for (Link::Message& message : messages) collected_.push_back(std::move(message));
}

}  // namespace jailsvc::engine
