#include "jailer/loop/tell.hpp"

#include <spdlog/spdlog.h>

#include "base/sys.hpp"

namespace jailsvc::jailer::tell {

void hello(Link& keeper) {
    auto message = ipc::make<ipc::Hello>();
    message.role = ipc::Role::kJailer;
    keeper.send(message);
}

void intent(Link& keeper, ipc::Token token) {
    auto message = ipc::make<ipc::Intent>();
    message.token = token;
    keeper.send(message);
}

void registered(Link& keeper, ipc::Token token, pid_t pid, ipc::Purpose purpose,
                std::string_view unit, int pidfd) {
    auto message = ipc::make<ipc::Register>();
    message.token = token;
    message.pid = pid;
    message.purpose = purpose;
    ipc::set_text(message.unit, unit);
    keeper.send(message, {pidfd});
}

void abandon(Link& keeper, ipc::Token token) {
    auto message = ipc::make<ipc::Abandon>();
    message.token = token;
    keeper.send(message);
}

void store(Link& keeper, ipc::Kept kind, ipc::Token token, std::string_view unit, int fd,
           std::uint16_t index) {
    auto message = ipc::make<ipc::Store>();
    message.kind = kind;
    message.index = index;
    message.token = token;
    ipc::set_text(message.unit, unit);
    keeper.send(message, {fd});
}

void unstore(Link& keeper, ipc::Kept kind, ipc::Token token, std::string_view unit,
             std::uint16_t index) {
    auto message = ipc::make<ipc::Unstore>();
    message.kind = kind;
    message.index = index;
    message.token = token;
    ipc::set_text(message.unit, unit);
    keeper.send(message);
}

ipc::Started make_started(ipc::Token token, std::string_view unit, pid_t pid,
                          std::uint32_t weakened, std::uint64_t exec_ns) {
    auto message = ipc::make<ipc::Started>();
    message.token = token;
    message.pid = pid;
    message.weakened = weakened;
    message.exec_ns = exec_ns;
    ipc::set_text(message.unit, unit);
    return message;
}

ipc::StartFailed make_failed(ipc::Token token, std::string_view unit, const StartFailure& failure) {
    auto message = ipc::make<ipc::StartFailed>();
    message.token = token;
    message.code = failure.code;
    ipc::set_text(message.unit, unit);
    ipc::set_text(message.plugin, failure.plugin);
    ipc::set_text(message.operation, failure.operation);
    ipc::set_text(message.text, failure.text);
    return message;
}

void torn_down(Link& engine, ipc::Token token, std::string_view unit) {
    auto message = ipc::make<ipc::TornDown>();
    message.token = token;
    ipc::set_text(message.unit, unit);
    engine.send(message);
}

void plan_reply(Link& engine, std::uint64_t serial, bool ok, std::string_view text) {
    auto message = ipc::make<ipc::PlanReply>();
    message.serial = serial;
    message.ok = ok ? 1 : 0;
    const auto memfd = sys::sealed_memfd("plan", text);
    if (!memfd) return spdlog::error("plan: {}", memfd.error().message);
    engine.send(message, {memfd->get()});
}

void property_set(Link& engine, std::uint64_t serial, std::string_view unit, bool ok,
                  std::string_view text) {
    auto message = ipc::make<ipc::SetPropertyReply>();
    message.serial = serial;
    message.ok = ok ? 1 : 0;
    ipc::set_text(message.unit, unit);
    const auto memfd = sys::sealed_memfd("unit", text);
    if (!memfd) return spdlog::error("{}: set-property: {}", unit, memfd.error().message);
    engine.send(message, {memfd->get()});
}

void pressure(Link& engine, const cgroup::PressureEvent& event) {
    auto message = ipc::make<ipc::Pressure>();
    message.resource = event.trigger.resource;
    message.action = event.trigger.action;
    message.signo = event.trigger.signo;
    ipc::set_text(message.unit, event.unit);
    engine.send(message);
}

void stats_reply(Link& engine, std::uint64_t serial, std::uint64_t pss_kib,
                 std::uint64_t processes) {
    auto message = ipc::make<ipc::StatsReply>();
    message.serial = serial;
    message.pss_kib = pss_kib;
    message.processes = processes;
    engine.send(message);
}

void groups(Link& engine, cgroup::Tree& tree) {
    auto message = ipc::make<ipc::Groups>();
    const auto fill = [&](ipc::Groups::Place& place, std::string_view controller) {
        const cgroup::Tree::Place found = tree.place_of(controller);
        if (found.directory.size() >= sizeof place.directory) return;
        ipc::set_text(place.directory, found.directory);
        place.v2 = found.version == cgroup::Version::kV2 ? 1 : 0;
    };
    fill(message.tracker, "");
    fill(message.memory, "memory");
    fill(message.pids, "pids");
    // Version 2 counts time in every group, whoever has the controller.
    fill(message.cpu, message.tracker.v2 != 0 ? "" : "cpuacct");
    engine.send(message);
}

void schema(Link& engine, std::string_view json) {
    const auto memfd = sys::sealed_memfd("schema", json);
    if (!memfd) return spdlog::error("schema: {}", memfd.error().message);
    engine.send(ipc::make<ipc::Schema>(), {memfd->get()});
}

}  // namespace jailsvc::jailer::tell
