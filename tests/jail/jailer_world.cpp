#include "jailer_world.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <cstdlib>
#include <filesystem>

#include "base/sys.hpp"
#include "config/load.hpp"
#include "jailer/loop/processes.hpp"
#include "jailer/plugin/plugin_host.hpp"
#include "jailer/run.hpp"
#include "own_groups.hpp"

namespace jailsvc::test {
namespace {

constexpr int kPatience = 30'000;  ///< [ms]; a virtual machine is slow

std::pair<Fd, Fd> socket_pair() {
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0);
    return {Fd(ends[0]), Fd(ends[1])};
}

}  // namespace

JailerWorld::JailerWorld() {
    // Below /var/tmp: a jail has a /tmp of its own.
    char path[] = "/var/tmp/jailsvc-loop-XXXXXX";
    REQUIRE(::mkdtemp(path) != nullptr);
    root = path;
    REQUIRE(::chmod(path, 0755) == 0);
    auto found = Places::from_arguments({"--config", root + "/etc", "--state", root + "/state"});
    REQUIRE(found);
    places = *found;
    places.quiet = true;
    for (const auto& folder : {root + "/etc/units", places.run, places.lib}) {
        REQUIRE(sys::make_directories(folder));
    }
}

JailerWorld::~JailerWorld() {
    if (jailer_ > 0) kill_jailer();
    for (auto& [token, process] : processes) {
        if (process.status) continue;
        (void)sys::pidfd_signal(process.pidfd.get(), SIGKILL);
        // Not reaped, so the number is its own; without a jail it leads a group of its children.
        if (process.purpose == ipc::Purpose::kMain) ::kill(-process.pid, SIGKILL);
    }
    for (const auto& stray : strays_) (void)sys::pidfd_signal(stray.pidfd.get(), SIGKILL);
    reap_strays(true);
    for (auto& [token, process] : processes) {
        if (!process.status) reap(process);  // the jail's inits end last, whatever the order
    }
    remove_groups();
    std::error_code ignored;
    std::filesystem::remove_all(root, ignored);
}

jailer::cgroup::Tree JailerWorld::groups() {
    return jailer::test::own_groups();
}

void JailerWorld::remove_groups() {
    jailer::cgroup::Tree left = groups();
    left.sweep({});
    left.end();
}

void JailerWorld::start_jailer() {
    auto [ours, theirs] = socket_pair();
    auto [engine, jailers_engine] = socket_pair();
    jailer_ = ::fork();
    REQUIRE(jailer_ >= 0);
    if (jailer_ == 0) become_jailer(theirs.get());
    jailer_pidfd_ = std::move(*sys::pidfd_open(jailer_));
    keeper_ = std::move(ours);
    engine_ = std::move(engine);
    auto peer = ipc::make<ipc::Peer>();
    peer.peer = ipc::Role::kEngine;
    const int fd = jailers_engine.get();
    REQUIRE(ipc::send(keeper_.get(), peer, &fd, 1) == 0);
    snapshot();
}

void JailerWorld::become_jailer(int keeper) const {
    ::dup2(keeper, ipc::kKeeperFd);
    ::close_range(ipc::kKeeperFd + 1, ~0U, 0);
    if (program.empty()) ::_exit(jailer::run(places));
    const int said = ::open((root + "/said").c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    ::dup2(said, STDERR_FILENO);
    ::close(said);
    ::execl(program.c_str(), "jailsvcd", "jailer", "--config", (root + "/etc").c_str(), "--state",
            (root + "/state").c_str(), "--quiet", nullptr);
    ::_exit(127);
}

void JailerWorld::catch_up() {
    read_keeper();
    find_strays();
    reap_strays(false);
}

void JailerWorld::snapshot() {
    for (const auto& item : kept) {
        auto stored = ipc::make<ipc::Stored>();
        stored.kind = item.kind;
        stored.index = item.index;
        stored.token = item.token;
        ipc::set_text(stored.unit, item.unit);
        const int fd = item.fd.get();
        REQUIRE(ipc::send(keeper_.get(), stored, &fd, 1) == 0);
    }
    for (auto& [token, process] : processes) {
        pollfd ended{process.pidfd.get(), POLLIN, 0};
        if (!process.status && ::poll(&ended, 1, 0) == 1) reap(process);
        if (process.status) {
            send_exited(token, process);
            continue;
        }
        auto alive = ipc::make<ipc::Alive>();
        alive.token = process.token;
        alive.pid = process.pid;
        alive.purpose = process.purpose;
        ipc::set_text(alive.unit, process.unit);
        const int fd = process.pidfd.get();
        REQUIRE(ipc::send(keeper_.get(), alive, &fd, 1) == 0);
    }
    REQUIRE(ipc::send(keeper_.get(), ipc::make<ipc::SnapshotEnd>()) == 0);
}

void JailerWorld::send_exited(ipc::Token token, const Registered& process) {
    if ((token & ipc::kStubBit) != 0) return;  // of those no end is kept
    auto exited = ipc::make<ipc::Exited>();
    exited.token = token;
    exited.pid = process.pid;
    exited.status = *process.status;
    exited.purpose = process.purpose;
    ipc::set_text(exited.unit, process.unit);
    REQUIRE(ipc::send(keeper_.get(), exited) == 0);
}

void JailerWorld::kill_jailer() {
    (void)sys::pidfd_signal(jailer_pidfd_.get(), SIGKILL);
    REQUIRE(::waitpid(jailer_, nullptr, 0) == jailer_);
    jailer_ = -1;
    if (keeper_) read_keeper();  // what it had still said
    keeper_ = Fd();
    engine_ = Fd();
    find_strays();
}

void JailerWorld::pause_jailer() {
    REQUIRE(sys::pidfd_signal(jailer_pidfd_.get(), SIGSTOP));
    int status = 0;
    REQUIRE(::waitpid(jailer_, &status, WUNTRACED) == jailer_);
    REQUIRE(WIFSTOPPED(status));
    read_keeper();
}

void JailerWorld::resume_jailer() {
    REQUIRE(sys::pidfd_signal(jailer_pidfd_.get(), SIGCONT));
}

pid_t JailerWorld::registered_stub(ipc::Token token) const {
    const auto known = processes.find(token | ipc::kStubBit);
    return known == processes.end() ? 0 : known->second.pid;
}

void JailerWorld::find_strays() {
    for (const pid_t pid : jailer::children_of(::getpid())) {
        const bool known =
            pid == jailer_ || not_ours.contains(pid) ||
            std::ranges::any_of(processes,
                                [pid](const auto& item) { return item.second.pid == pid; }) ||
            std::ranges::find(strays_, pid, &Stray::pid) != strays_.end();
        if (known) continue;
        // Not reaped by anybody else, so the number is still its own.
        strays_.push_back(Stray{pid, std::move(*sys::pidfd_open(pid))});
    }
}

void JailerWorld::reap_strays(bool wait) {
    std::erase_if(strays_, [wait](const Stray& stray) {
        return ::waitpid(stray.pid, nullptr, __WALL | (wait ? 0 : WNOHANG)) == stray.pid;
    });
}

void JailerWorld::write_unit(const std::string& name, const std::string& toml) {
    REQUIRE(sys::replace_file(root + "/etc/units/" + name + ".toml", toml));
}

Digest JailerWorld::digest_of_unit(const std::string& name) {
    const auto plugins = jailer::PluginHost::load(places);
    const config::Sources sources{.unit_dirs = places.unit_dirs,
                                  .profile_dirs = places.profile_dirs,
                                  .state_root = places.state_root,
                                  .runtime_root = places.runtime_root};
    const auto unit = config::load_unit(sources, plugins.schema(), name);
    if (!unit) FAIL(config::to_string(unit.error().front()));
    return unit->digest;
}

void JailerWorld::start(ipc::Token token, const std::string& unit, ipc::Purpose purpose) {
    auto message = ipc::make<ipc::Start>();
    message.token = token;
    message.purpose = purpose;
    const Digest digest = digest_of_unit(unit);
    std::ranges::copy(digest, message.digest);
    ipc::set_text(message.unit, unit);
    send(message);
}

void JailerWorld::teardown(ipc::Token token, const std::string& unit) {
    auto message = ipc::make<ipc::Teardown>();
    message.token = token;
    ipc::set_text(message.unit, unit);
    send(message);
}

void JailerWorld::check_sent(int code) {
    REQUIRE(code == 0);
}

void JailerWorld::wait_until(const std::function<bool()>& holds, const char* what) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(kPatience);
    while (!holds()) {
        if (std::chrono::steady_clock::now() > deadline) FAIL("waited in vain until " << what);
        pump(what);
    }
}

void JailerWorld::pump(const char* what) {
    std::vector<pollfd> waited{{keeper_.get(), POLLIN, 0}, {engine_.get(), POLLIN, 0}};
    std::vector<Registered*> waiting;
    for (auto& [token, process] : processes) {
        if (process.status) continue;
        waited.push_back({process.pidfd.get(), POLLIN, 0});
        waiting.push_back(&process);
    }
    for (const auto& stray : strays_) waited.push_back({stray.pidfd.get(), POLLIN, 0});
    if (::poll(waited.data(), waited.size(), kPatience) == 0)
        FAIL("waited in vain until " << what << ": nothing happened");
    for (std::size_t i = 0; i < waiting.size(); ++i) {
        if (waited[i + 2].revents != 0) reap(*waiting[i]);
    }
    reap_strays(false);
    if (waited[0].revents != 0) read_keeper();
    if (waited[1].revents != 0) read_engine();
}

void JailerWorld::reap(Registered& process) {
    // Exit signal 0: __WALL, or wait(2) would not look at it.
    int status = 0;
    if (::waitpid(process.pid, &status, __WALL) == process.pid) process.status = status;
    if (!process.status) process.status = -1;
}

void JailerWorld::read_keeper() {
    ipc::Packet packet;
    int code = 0;
    while ((code = ipc::receive(keeper_.get(), packet)) == 0) {
        if (const auto* intent = packet.as<ipc::Intent>()) {
            intents.push_back(intent->token);
        } else if (const auto* said = packet.as<ipc::Register>()) {
            CHECK(std::ranges::find(intents, said->token) != intents.end());
            CHECK(registered.insert(said->token).second);
            const bool is_stub = (said->token & ipc::kStubBit) != 0;
            const ipc::Token key = said->token & (ipc::kStubBit | ipc::kMaxToken);
            const auto known = processes.find(key);
            if (is_stub && known != processes.end()) {
                if (!known->second.status) reap(known->second);
                processes.erase(known);
            }
            CHECK_FALSE(processes.contains(key));
            processes.emplace(
                key, Registered{said->token, said->pid, Fd(packet.take_fd(0)), said->purpose,
                                std::string(ipc::get_text(said->unit)), std::nullopt});
        } else if (const auto* item = packet.as<ipc::Store>()) {
            store(*item, Fd(packet.take_fd(0)));
        } else if (const auto* gone = packet.as<ipc::Unstore>()) {
            std::erase_if(kept, [&](const KeptFd& k) {
                return k.kind == gone->kind && k.index == gone->index && k.token == gone->token &&
                       k.unit == ipc::get_text(gone->unit);
            });
        }
    }
    if (code != EPIPE || jailer_ <= 0) return;
    if (may_end) throw JailerEnded();
    FAIL("the jailer is gone");
}

void JailerWorld::store(const ipc::Store& message, Fd fd) {
    std::erase_if(kept, [&](const KeptFd& k) {  // the same key replaces
        return k.kind == message.kind && k.index == message.index && k.token == message.token &&
               k.unit == ipc::get_text(message.unit);
    });
    kept.push_back(KeptFd{message.kind, message.index, message.token,
                          std::string(ipc::get_text(message.unit)), std::move(fd)});
}

void JailerWorld::read_engine() {
    ipc::Packet packet;
    while (ipc::receive(engine_.get(), packet) == 0) {
        if (const auto* message = packet.as<ipc::Started>()) started.push_back(*message);
        if (const auto* message = packet.as<ipc::StartFailed>()) failed.push_back(*message);
        if (const auto* message = packet.as<ipc::TornDown>()) torn_down.push_back(*message);
        if (const auto* message = packet.as<ipc::StatsReply>()) stats = *message;
        if (const auto* message = packet.as<ipc::Pressure>()) pressures.push_back(*message);
        if (const auto* message = packet.as<ipc::PlanReply>()) {
            const Fd text(packet.take_fd(0));
            plans.emplace_back(*message, sys::read_memfd(text.get()).value());
        }
    }
}

ipc::Started JailerWorld::wait_started(ipc::Token token) {
    const auto is_it = [token](const auto& m) { return m.token == token; };
    const auto here = [&] { return std::ranges::find_if(started, is_it); };
    const auto not_here = [&] { return std::ranges::find_if(failed, is_it); };
    wait_until([&] { return here() != started.end() || not_here() != failed.end(); }, "it started");
    if (here() == started.end()) FAIL("start failed: " << ipc::get_text(not_here()->text));
    return *here();
}

bool JailerWorld::wait_answered(ipc::Token token) {
    const auto is_it = [token](const auto& m) { return m.token == token; };
    wait_until(
        [&] { return std::ranges::any_of(failed, is_it) || std::ranges::any_of(started, is_it); },
        "the start was answered");
    return std::ranges::any_of(started, is_it);
}

ipc::StartFailed JailerWorld::wait_failed(ipc::Token token) {
    REQUIRE_FALSE(wait_answered(token));
    return *std::ranges::find_if(failed, [token](const auto& m) { return m.token == token; });
}

void JailerWorld::wait_torn_down(ipc::Token token) {
    wait_until(
        [&] {
            return std::ranges::any_of(torn_down,
                                       [token](const auto& m) { return m.token == token; });
        },
        "it was torn down");
}

int JailerWorld::wait_exit(ipc::Token token) {
    wait_until([&] { return processes.contains(token) && processes.at(token).status.has_value(); },
               "the process ended");
    return *processes.at(token).status;
}

std::uint64_t JailerWorld::count_processes(const std::string& unit) {
    stats.reset();
    auto request = ipc::make<ipc::StatsRequest>();
    ipc::set_text(request.unit, unit);
    send(request);
    wait_until([&] { return stats.has_value(); }, "statistics came");
    return stats->processes;
}

void JailerWorld::wait_children(std::size_t count) {
    const auto alive = [] {
        return std::ranges::count_if(jailer::children_of(::getpid()),
                                     [](pid_t pid) { return !jailer::is_exiting(pid); });
    };
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(kPatience);
    while (alive() != static_cast<std::ptrdiff_t>(count)) {
        if (std::chrono::steady_clock::now() > deadline)
            FAIL(alive() << " children, not " << count);
    }
}

std::ptrdiff_t JailerWorld::kept_units() {
    (void)count_processes("web");
    read_keeper();
    return std::ranges::count(kept, ipc::Kept::kUnit, &KeptFd::kind);
}

}  // namespace jailsvc::test
