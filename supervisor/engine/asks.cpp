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

/// Questions under way at once; a plan costs the jailer a process.
constexpr std::size_t kMaxPending = 32;
constexpr std::size_t kMaxExecs = 256;
constexpr std::size_t kMaxPlan = 8U << 20;  ///< [bytes]

void fail_all(std::map<std::uint64_t, ClientRef>& pending, const char* who) {
    for (auto& [serial, client] : std::exchange(pending, {})) {
        answer(client, control::failed(fmt::format("the {} has been restarted; try again", who)));
    }
}

ClientRef take(std::map<std::uint64_t, ClientRef>& pending, std::uint64_t serial) {
    const auto at = pending.find(serial);
    if (at == pending.end()) return {};
    ClientRef client = std::move(at->second);
    pending.erase(at);
    return client;
}

control::Reply plan_reply(bool ok, const std::string& text) {
    if (!ok) return control::failed(text);
    auto plan = control::parse_object(text);
    if (!plan) return control::failed("the jailer's plan: " + plan.error().message);
    return {.parameters = {{"plan", std::move(*plan)}}};
}

}  // namespace

bool Asks::may_ask(const Link& link, const Pending& pending, const char* who,
                   const ClientRef& client) const {
    if (!link.up()) {
        answer(client, control::failed(fmt::format("the {} is being restarted; try again", who)));
        return false;
    }
    if (pending.size() >= kMaxPending) {
        answer(client,
               control::error_reply(
                   "LimitReached",
                   {{"what", fmt::format("too many questions to the {}; try again", who)}}));
        return false;
    }
    return true;
}

void Asks::plan(const std::string& unit, ClientRef client) {
    if (!may_ask(jailer_, plans_, "jailer", client)) return;
    auto request = ipc::make<ipc::PlanRequest>();
    request.serial = ++last_serial_;
    ipc::set_text(request.unit, unit);
    plans_.emplace(request.serial, std::move(client));
    jailer_.send(request);
}

void Asks::set_property(const std::string& unit, const std::string& overlay, ClientRef client) {
    if (!may_ask(jailer_, properties_, "jailer", client)) return;
    auto memfd = sys::sealed_memfd("property", overlay);
    if (!memfd) return answer(client, control::failed(memfd.error().message));
    auto request = ipc::make<ipc::SetProperty>();
    request.serial = ++last_serial_;
    ipc::set_text(request.unit, unit);
    properties_.emplace(request.serial, std::move(client));
    std::vector<Fd> fds;
    fds.push_back(std::move(*memfd));
    jailer_.send(request, std::move(fds));
}

void Asks::on_property_set(const ipc::SetPropertyReply& reply, const std::string& text) {
    const ClientRef client = take(properties_, reply.serial);
    answer(client, reply.ok != 0 ? control::Reply{} : control::failed(text));
}

void Asks::end_log_line(std::string_view unit) {
    if (!logger_.up()) return;
    auto message = ipc::make<ipc::LogRunEnded>();
    ipc::set_text(message.unit, unit);
    logger_.send(message);
}

void Asks::logs(const std::string& unit, bool follow, std::uint64_t file, ClientRef client) {
    if (!may_ask(logger_, logs_, "logger", client)) return;
    auto request = ipc::make<ipc::LogOpen>();
    request.serial = ++last_serial_;
    request.follow = follow ? 1 : 0;
    request.file = file;
    ipc::set_text(request.unit, unit);
    logs_.emplace(request.serial, std::move(client));
    logger_.send(request);
}

void Asks::exec(const std::string& unit, service::Token token, service::Token main_token, Fd socket,
                ClientRef client) {
    if (!jailer_.up()) {
        return answer(client, control::failed("the jailer is being restarted; try again"));
    }
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
    std::vector<Fd> fds;
    fds.push_back(std::move(socket));
    jailer_.send(request, std::move(fds));
    if (const auto alive = client.lock()) {
        alive->on_hangup([this, unit, token] { hang_up(unit, token); });
    }
    execs_.emplace(token, Exec{unit, std::move(client)});
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
    const ClientRef client = take(plans_, message->serial);
    const auto text = sys::read_memfd(memfd.get(), kMaxPlan);
    answer(client, text ? plan_reply(message->ok != 0, *text)
                        : control::failed("the jailer's plan: " + text.error().message));
}

void Asks::on_log_opened(ipc::Packet& packet) {
    const auto* message = packet.as<ipc::LogOpened>();
    if (message == nullptr) return;
    std::vector<Fd> fds;
    for (std::size_t i = 0; i < packet.fd_count(); ++i) fds.emplace_back(packet.take_fd(i));
    const ClientRef client = take(logs_, message->serial);
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

void Asks::jailer_lost() {
    fail_all(plans_, "jailer");
    fail_all(properties_, "jailer");
    // A command that runs goes on without it. Whether one that was only asked for runs by now
    // nobody can tell: it is ended. Taken out first, since sending may find the next loss.
    std::map<service::Token, Exec> unanswered;
    for (auto at = execs_.begin(); at != execs_.end();) {
        const auto next = std::next(at);
        if (!at->second.started) unanswered.insert(execs_.extract(at));
        at = next;
    }
    for (const auto& [token, exec] : unanswered) {
        hang_up(exec.unit, token);
        answer(exec.client, control::failed("the jailer has been restarted; try again"));
    }
}

void Asks::logger_lost() {
    fail_all(logs_, "logger");
}

}  // namespace jailsvc::engine
