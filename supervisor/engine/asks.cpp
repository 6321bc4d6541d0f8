#include "engine/asks.hpp"

#include <fmt/format.h>
#include <sys/wait.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

#include "base/sys.hpp"
#include "control/varlink.hpp"

namespace jailsvc::engine {
namespace {

using control::Json;

constexpr std::size_t kMaxExecs = 256;
constexpr std::size_t kMaxPlan = 8U << 20;  ///< [bytes]

control::Reply plan_reply(bool ok, const std::string& text) {
    if (!ok) return control::failed(text);
    auto plan = control::parse_object(text);
    if (!plan) return control::failed("the jailer's plan: " + plan.error().message);
    return {.parameters = {{"plan", std::move(*plan)}}};
}

}  // namespace

Asks::Asks(struct ev_loop* loop, Link& jailer, Link& logger,
           std::function<void(service::Token)> on_exec)
    : jailer_(jailer),
      logger_(logger),
      on_exec_(std::move(on_exec)),
      plans_(loop, jailer, "jailer", Questions::OnLoss::kRepeat),
      properties_(loop, jailer, "jailer", Questions::OnLoss::kFail),
      logs_(loop, logger, "logger", Questions::OnLoss::kRepeat),
      exec_patience_(loop, [this] { give_up_execs(); }) {}

void Asks::plan(const std::string& unit, ClientRef client) {
    auto request = ipc::make<ipc::PlanRequest>();
    ipc::set_text(request.unit, unit);
    plans_.ask(request, std::move(client));
}

void Asks::set_property(const std::string& unit, const std::string& overlay, ClientRef client) {
    auto memfd = sys::sealed_memfd("property", overlay);
    if (!memfd) return answer(client, control::failed(memfd.error().message));
    auto request = ipc::make<ipc::SetProperty>();
    ipc::set_text(request.unit, unit);
    std::vector<Fd> fds;
    fds.push_back(std::move(*memfd));
    properties_.ask(request, std::move(client), std::move(fds));
}

void Asks::on_property_set(const ipc::SetPropertyReply& reply, const std::string& text) {
    const ClientRef client = properties_.answered(reply.serial).client;
    answer(client, reply.ok != 0 ? control::Reply{} : control::failed(text));
}

void Asks::end_log_line(std::string_view unit) {
    if (!logger_.up()) return;
    auto message = ipc::make<ipc::LogRunEnded>();
    ipc::set_text(message.unit, unit);
    logger_.send(message);
}

bool Asks::end_output(std::string_view unit) {
    if (!logger_.up()) return false;
    auto message = ipc::make<ipc::LogRunEnded>();
    message.over = 1;
    ipc::set_text(message.unit, unit);
    logger_.send(message);
    return true;
}

void Asks::logs(const LogQuestion& question, ClientRef client) {
    auto request = ipc::make<ipc::LogOpen>();
    request.follow = question.follow ? 1 : 0;
    request.kept = question.if_none ? 1 : 0;
    request.file = question.file;
    ipc::set_text(request.unit, question.unit);
    logs_.ask(request, std::move(client), {}, question.if_none);
}

void Asks::exec(const std::string& unit, service::Token token, service::Token main_token, Fd socket,
                ClientRef client) {
    if (execs_.size() >= kMaxExecs) {
        return answer(client,
                      control::error_reply(
                          "LimitReached",
                          {{"what", "too many commands of clients run already; end some first"}}));
    }
    auto request = ipc::make<ipc::Exec>();
    request.token = token;
    request.main_token = main_token;
    ipc::set_text(request.unit, unit);
    const auto* begin = reinterpret_cast<const std::byte*>(&request);
    Link::Message message{{begin, begin + sizeof request}, {}};
    message.fds.push_back(std::move(socket));
    if (const auto alive = client.lock()) {
        alive->on_hangup([this, token] { on_client_gone(token); });
    }
    Exec& exec =
        execs_.emplace(token, Exec{.unit = unit, .client = std::move(client)}).first->second;
    if (jailer_.up()) return send_exec(token, exec, std::move(message));
    exec.unsent = std::move(message);
    if (!exec_patience_.running()) exec_patience_.start(kPeerPatience);
}

void Asks::send_exec(service::Token token, Exec& exec, Link::Message message) {
    exec.unsent.reset();
    on_exec_(token);
    jailer_.send(std::move(message));
}

void Asks::on_client_gone(service::Token token) {
    const auto at = execs_.find(token);
    if (at == execs_.end()) return;
    if (!at->second.unsent) return hang_up(at->second.unit, token);
    execs_.erase(at);
}

void Asks::hang_up(const std::string& unit, service::Token token) {
    for (const int signo : {SIGHUP, SIGKILL}) {
        auto signal = ipc::make<ipc::Signal>();
        signal.token = token;
        signal.signo = signo;
        signal.whom = ipc::Whom::kProcess;
        ipc::set_text(signal.unit, unit);
        jailer_.send(signal);
    }
}

void Asks::on_plan_reply(ipc::Packet& packet) {
    const auto* message = packet.as<ipc::PlanReply>();
    if (message == nullptr) return;
    const Fd memfd(packet.take_fd(0));
    const ClientRef client = plans_.answered(message->serial).client;
    const auto text = sys::read_memfd(memfd.get(), kMaxPlan);
    answer(client, text ? plan_reply(message->ok != 0, *text)
                        : control::failed("the jailer's plan: " + text.error().message));
}

void Asks::on_log_opened(ipc::Packet& packet) {
    const auto* message = packet.as<ipc::LogOpened>();
    if (message == nullptr) return;
    std::vector<Fd> fds;
    for (std::size_t i = 0; i < packet.fd_count(); ++i) fds.emplace_back(packet.take_fd(i));
    const auto [client, if_none] = logs_.answered(message->serial);
    if (message->code == ENOENT && if_none) return answer(client, *if_none);
    if (message->code != 0) {
        return answer(client, control::failed(fmt::format("its log cannot be opened: {}",
                                                          std::strerror(message->code))));
    }
    answer(client,
           {.parameters = {{"size", message->size},
                           {"file", message->file},
                           {"oldest", message->oldest}}},
           std::move(fds));
}

bool Asks::on_started(const ipc::Started& started) {
    const auto at = execs_.find(started.token);
    if (at == execs_.end()) return false;
    at->second.started = true;
    return true;
}

bool Asks::on_start_failed(const ipc::StartFailed& failed) {
    const auto at = execs_.find(failed.token);
    if (at == execs_.end()) return false;
    const ClientRef client = std::move(at->second.client);
    execs_.erase(at);
    const std::string_view step = ipc::get_text(failed.operation);
    const bool of_program = step == "exec" || step == "program";
    answer(client, of_program ? control::error_reply("NotExecuted",
                                                     {{"message", ipc::get_text(failed.text)},
                                                      {"not_found", failed.code == ENOENT}})
                              : control::failed(ipc::get_text(failed.text)));
    return true;
}

bool Asks::on_exited(const ipc::Exited& exited) {
    const auto at = execs_.find(exited.token);
    if (at == execs_.end()) return exited.purpose == ipc::Purpose::kClient;
    const ClientRef client = std::move(at->second.client);
    execs_.erase(at);
    const bool killed = WIFSIGNALED(exited.status);
    const Json exit = {{"kind", killed ? "killed" : "exited"},
                       {"code", killed ? WTERMSIG(exited.status) : WEXITSTATUS(exited.status)}};
    answer(client, {.parameters = {{"exit", exit}}});
    return true;
}

Asks::Execs Asks::take_execs(const std::function<bool(const Exec&)>& what) {
    Execs taken;
    for (auto at = execs_.begin(); at != execs_.end();) {
        const auto next = std::next(at);
        if (what(at->second)) taken.insert(execs_.extract(at));
        at = next;
    }
    return taken;
}

void Asks::jailer_lost() {
    plans_.lost();
    properties_.lost();
    take_back_execs();
    // A command that runs goes on without it. Whether one that was only asked for runs by now
    // nobody can tell: it is ended. Taken out first, since sending may find the next loss.
    const auto unanswered =
        take_execs([](const Exec& exec) { return !exec.started && !exec.unsent; });
    for (const auto& [token, exec] : unanswered) {
        hang_up(exec.unit, token);
        answer(exec.client, control::failed("the jailer has been restarted; try again"));
    }
}

/// What never left is as good as not asked.
void Asks::take_back_execs() {
    for (Link::Message& message : jailer_.take_back(ipc::Type::kExec)) {
        ipc::Exec request{};
        std::memcpy(&request, message.bytes.data(), sizeof request);
        const auto at = execs_.find(request.token);
        if (at == execs_.end()) continue;
        at->second.unsent = std::move(message);
        if (!exec_patience_.running()) exec_patience_.start(kPeerPatience);
    }
}

void Asks::logger_lost() {
    logs_.lost();
}

void Asks::jailer_back() {
    exec_patience_.stop();
    plans_.back();
    properties_.back();
    std::vector<service::Token> waiting;
    for (const auto& [token, exec] : execs_) {
        if (exec.unsent) waiting.push_back(token);
    }
    for (const service::Token token : waiting) {
        const auto at = execs_.find(token);
        if (at == execs_.end() || !jailer_.up()) continue;  // lost again meanwhile
        send_exec(token, at->second, std::move(*at->second.unsent));
    }
}

void Asks::logger_back() {
    logs_.back();
}

void Asks::give_up_execs() {
    const auto waiting = take_execs([](const Exec& exec) { return exec.unsent.has_value(); });
    for (const auto& [token, exec] : waiting) answer(exec.client, peer_is_away("jailer"));
}

}  // namespace jailsvc::engine
