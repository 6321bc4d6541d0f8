#include "jailer/loop/jails.hpp"

#include <signal.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <bit>

#include "base/sys.hpp"
#include "jailer/loop/invocation.hpp"
#include "jailer/loop/jails_work.hpp"
#include "jailer/loop/tell.hpp"

namespace jailsvc::jailer {
namespace {

/// Sessions of one jail that are remembered before the ended ones are looked for.
constexpr std::size_t kManySessions = 32;

constexpr int kTokenBits = std::bit_width(ipc::kMaxToken);

ipc::Token number_of_stub(ipc::Token stub) {
    return (stub & ~ipc::kStubBit) >> kTokenBits;
}

void drop_ended_sessions(std::vector<Session>& sessions) {
    std::erase_if(sessions, [](const Session& session) {
        return find_session_members(std::span(&session, 1)).empty();
    });
}

}  // namespace

std::string Jail::mark() const {
    return std::string(kInvocation) + '=' + invocation_id(unit, token);
}

bool Jail::runs_as(const Digest& wanted) const {
    if (std::ranges::find(*former, wanted) != former->end()) return true;
    if (loaded) return loaded->plan.digest() == wanted;
    return !text->empty() && config::digest_of_unit(*text) == wanted;
}

Jails::Jails(Core& core, LimitEvents& limits) : core_(core), limits_(limits) {
    core_.units.when_idle([this] { number_and_build(); });
}
Jails::~Jails() = default;

Jail* Jails::find(const std::string& unit) {
    const auto it = jails_.find(unit);
    return it == jails_.end() ? nullptr : it->second.get();
}

void Jails::for_each_member(const std::function<void(const std::string& unit, Member&)>& look) {
    for (const auto& [unit, jail] : jails_) {
        for (const auto& [token, member] : jail->members) look(unit, *member);
    }
}

Jail& Jails::create(const std::string& unit, ipc::Token token) {
    auto jail = std::make_unique<Jail>(core_.loop, unit, token);
    return *jails_.insert_or_assign(unit, std::move(jail))->second;
}

Member& Jails::add_member(Jail& jail, ipc::Token token, pid_t pid, Fd pidfd, ipc::Purpose purpose) {
    auto owned = std::make_unique<Member>(core_.loop, jail, token, pid, std::move(pidfd), purpose);
    Member& member = *owned;
    jail.members.insert_or_assign(token, std::move(owned));
    if (!jail.pid_namespace) {
        if (jail.sessions.size() >= kManySessions) drop_ended_sessions(jail.sessions);
        jail.sessions.push_back(Session{pid, start_time_of(pid)});
    }
    member.ended.start(member.pidfd.get(), EV_READ, [this, &member] { gone(member); });
    return member;
}

void Jails::gone(const Member& member) {
    Jail& jail = member.jail;
    const ipc::Token token = member.token;
    jail.members.erase(token);  // `member` is gone from here on
    if (jail.state == Jail::State::kEnding) check_ended(jail.unit);
}

Result<void> Jails::begin_main(Jail& jail, ipc::Token token) {
    const bool told = jail.main_token != 0;
    jail.main_token = token;
    if (told) return {};
    TRY(const Fd text, sys::sealed_memfd("unit", jail.loaded->unit.text.str()));
    tell::store(core_.keeper, ipc::Kept::kUnit, jail.token, jail.unit, text.get(), ipc::kMainBegun);
    tell::unstore(core_.keeper, ipc::Kept::kUnit, jail.token, jail.unit);
    return {};
}

void Jails::keep_main(Jail& jail, ipc::Token token, pid_t pid, Fd pidfd) {
    if (jail.kept_main != 0) {
        tell::unstore(core_.keeper, ipc::Kept::kMainProcess, jail.kept_main, jail.unit);
    }
    jail.kept_main = token;
    tell::store(core_.keeper, ipc::Kept::kMainProcess, token, jail.unit, pidfd.get());
    add_member(jail, token, pid, std::move(pidfd), ipc::Purpose::kMain).executed = true;
}

/// One that has ended since is the engine's to hear of; it stays kept until its jail goes.
void Jails::adopt_main(const std::string& unit, ipc::Token token, Fd pidfd) {
    Jail* jail = find(unit);
    if (jail == nullptr) jail = &create(unit, 0);  // its token comes with the rest
    jail->adopted = true;
    jail->kept_main = token;
    const pid_t pid = sys::pidfd_pid(pidfd.get());
    if (pid <= 0) return;
    jail->pid_namespace = jail->pid_namespace || in_other_pid_namespace(pid);
    add_member(*jail, token, pid, std::move(pidfd), ipc::Purpose::kMain).executed = true;
}

ipc::Token Jails::new_stub_token(const Jail& jail) {
    return ipc::kStubBit | (next_stub_++ << kTokenBits & ~ipc::kStubBit) | jail.token;
}

std::optional<std::vector<Found>> Jails::group_members(const Jail& jail) {
    if (!core_.groups.has(jail.unit)) return std::nullopt;
    std::vector<Found> found;
    for (const pid_t pid : core_.groups.processes(jail.unit)) {
        if (pid == jail.stub_pid) continue;
        auto pidfd = sys::pidfd_open(pid);
        // A pid from a list may be another process's by now: it is one of ours if it still is one.
        if (!pidfd || !core_.groups.contains(jail.unit, pid)) continue;
        found.push_back({pid, std::move(*pidfd)});
    }
    return found;
}

void Jails::watch_stub(Jail& jail) {
    jail.stub_ended.start(jail.stub_pidfd.get(), EV_READ, [this, &jail] { stub_gone(jail); });
}

void Jails::stub_gone(Jail& jail) {
    jail.stub_ended.stop();
    jail.stub_pidfd = Fd();
    jail.stub_pid = -1;
    jail.lost_stub = true;
    if (jail.state == Jail::State::kEnding) check_ended(jail.unit);
}

/// The unit's jail with this token, or nullptr if a later one of the unit is known: then this one
/// is what an interrupted teardown left.
Jail* Jails::adopt(const std::string& unit, ipc::Token token) {
    Jail* jail = find(unit);
    if (jail == nullptr) jail = &create(unit, token);
    jail->adopted = true;
    if (jail->token > token) return nullptr;
    if (jail->token != 0 && jail->token < token) {
        forget_text(unit, jail->token);
        if (jail->has_stub()) (void)sys::pidfd_signal(jail->stub_pidfd.get(), SIGKILL);
        jail->text = {};
        jail->main_token = 0;
        jail->stub_pid = -1;
    }
    jail->token = token;
    return jail;
}

void Jails::adopt_text(const std::string& unit, ipc::Token token, bool main_begun,
                       std::string text) {
    Jail* jail = adopt(unit, token);
    if (jail == nullptr) return forget_text(unit, token);
    jail->text = std::move(text);
    jail->told = true;
    if (main_begun && jail->main_token == 0) jail->main_token = token;
}

void Jails::adopt_process(const ipc::Alive& alive, Fd pidfd) {
    const std::string unit(ipc::get_text(alive.unit));
    if (!pidfd) return spdlog::error("{}: the keeper sent pid {} without pidfd", unit, alive.pid);
    if ((alive.token & ipc::kStubBit) != 0) {
        next_stub_ = std::max(next_stub_, number_of_stub(alive.token) + 1);
        Jail* jail = adopt(unit, alive.token & ipc::kMaxToken);
        if (jail == nullptr) return (void)sys::pidfd_signal(pidfd.get(), SIGKILL);
        jail->stub_pid = alive.pid;
        jail->stub_pidfd = std::move(pidfd);
        jail->pid_namespace = in_other_pid_namespace(alive.pid);
        // One that the dead jailer saw no end of its mounts; its gate is closed.
        if (!runs_program(alive.pid, core_.spawn.stub_program)) {
            jail->doomed = true;
            (void)sys::pidfd_signal(jail->stub_pidfd.get(), SIGKILL);
        }
        watch_stub(*jail);
        return;
    }
    Jail* jail = find(unit);
    if (jail == nullptr) jail = &create(unit, 0);  // its token comes with the rest
    jail->adopted = true;
    const bool in_jail = in_other_pid_namespace(alive.pid);
    jail->pid_namespace = jail->pid_namespace || in_jail;
    Member& member = add_member(*jail, alive.token, alive.pid, std::move(pidfd), alive.purpose);
    member.executed = !is_exiting(alive.pid) && !runs_our_program(alive.pid);
    if (alive.purpose == ipc::Purpose::kMain) jail->main_token = alive.token;
}

/// What a unit's limits tell us goes on being told after a jailer's death.
void Jails::watch_adopted() {
    for (const auto& [unit, jail] : jails_) {
        if (!jail->adopted || jail->text->find("_pressure") == std::string::npos) continue;
        core_.units.get_from_text(unit, *jail->text, [this, name = unit](const auto& loaded) {
            if (!loaded || find(name) == nullptr) return;
            core_.groups.watch_pressure(name, (*loaded)->plan);
            limits_.listen();
        });
    }
}

void Jails::sweep() {
    std::vector<std::string> living;
    for (const auto& [unit, jail] : jails_) living.push_back(unit);
    core_.groups.sweep(living);
    watch_adopted();
    std::vector<pid_t> known;
    for (const auto& [unit, jail] : jails_) {
        if (jail->has_stub()) {
            known.push_back(jail->stub_pid);
        } else if (jail->members.empty() || jail->pid_namespace) {
            jail->lost_stub = true;
        }
        if (jail->token == 0 && !jail->members.empty()) jail->token = jail->members.begin()->first;
        if (jail->token == 0) jail->token = jail->kept_main;
    }
    sweep_networks();
    for (const pid_t pid : children_of(::getppid())) {
        if (std::ranges::find(known, pid) != known.end()) continue;
        const auto pidfd = sys::pidfd_open(pid);
        if (!pidfd || !runs_program(pid, core_.spawn.stub_program)) continue;
        spdlog::warn("ended the init (pid {}) of a jail that nothing owns", pid);
        (void)sys::pidfd_signal(pidfd->get(), SIGKILL);
    }
}

}  // namespace jailsvc::jailer
