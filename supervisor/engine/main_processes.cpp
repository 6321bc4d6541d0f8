#include "engine/main_processes.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#include <algorithm>
#include <utility>

#include "base/clock.hpp"
#include "base/sys.hpp"

namespace jailsvc::engine {
namespace {

// Between two looks for a daemon that is not there yet [s].
constexpr double kFirstPause = 0.02;
constexpr double kLongestPause = 1;

// Between the end of a process and its parent's wait for it nobody is told how it ended.
constexpr double kReapPause = 0.005;  ///< [s]
constexpr int kReapLooks = 200;

// struct pidfd_info (linux/pidfd.h), which distributions' headers may not have yet.
struct PidfdInfo {
    std::uint64_t mask;
    std::uint64_t cgroupid;
    std::uint32_t pid, tgid, ppid;
    std::uint32_t ruid, rgid, euid, egid, suid, sgid, fsuid, fsgid;
    std::int32_t exit_code;
};
constexpr std::uint64_t kInfoExit = 1U << 3;  // PIDFD_INFO_EXIT, since Linux 6.15
constexpr unsigned long kGetInfo = _IOWR(0xFF, 11, PidfdInfo);

}  // namespace

service::ExitInfo exit_of(int pidfd) {
    service::ExitInfo info;
    info.ended_ns = boottime_ns();
    PidfdInfo told{};
    told.mask = kInfoExit;
    info.known = ::ioctl(pidfd, kGetInfo, &told) == 0 && (told.mask & kInfoExit) != 0;
    if (!info.known) return info;
    info.by_signal = WIFSIGNALED(told.exit_code);
    info.code = info.by_signal ? WTERMSIG(told.exit_code) : WEXITSTATUS(told.exit_code);
    return info;
}

struct MainProcesses::Search {
    explicit Search(struct ev_loop* loop, std::function<void()> again)
        : pause(loop, std::move(again)) {}
    ipc::FindMain request = ipc::make<ipc::FindMain>();
    TimerWatch pause;
    double delay = kFirstPause;
    std::optional<ipc::Exited> held;
};

struct MainProcesses::Watched {
    Watched(struct ev_loop* loop, std::string of, Fd own, std::function<void(int)> readable,
            std::function<void()> again)
        : unit(std::move(of)),
          pidfd(std::move(own)),
          watch(loop, std::move(readable)),
          unreaped(loop, std::move(again)) {}
    std::string unit;
    Fd pidfd;
    IoWatch watch;
    TimerWatch unreaped;
    int looks = 0;
};

MainProcesses::MainProcesses(struct ev_loop* loop, Link& jailer, Handlers handlers)
    : loop_(loop), jailer_(jailer), handlers_(std::move(handlers)) {}
MainProcesses::~MainProcesses() = default;

void MainProcesses::find(const std::string& unit, service::Token main_token, std::int32_t pid) {
    if (const auto known = searches_.find(unit); known != searches_.end()) {
        // A service may say so again; who goes on saying other things waits for the answer.
        if (known->second->request.main_token == main_token) return;
        settle(unit);
    }
    auto search = std::make_unique<Search>(loop_, [this, unit] { look_again(unit); });
    search->request.token = handlers_.draw_token();
    search->request.main_token = main_token;
    search->request.pid = pid;
    ipc::set_text(search->request.unit, unit);
    ask(*searches_.insert_or_assign(unit, std::move(search)).first->second);
}

/// Where there is no jailer, the next one is asked.
void MainProcesses::ask(const Search& search) {
    if (jailer_.up()) jailer_.send(search.request);
}

void MainProcesses::jailer_back() {
    for (const auto& [unit, search] : searches_) {
        if (!search->pause.running()) ask(*search);
    }
}

void MainProcesses::look_again(const std::string& unit) {
    Search& search = *searches_.at(unit);
    if (handlers_.is_sought(unit, search.request.main_token)) return ask(search);
    settle(unit);
}

void MainProcesses::on_found(const ipc::FoundMain& found) {
    const std::string unit(ipc::get_text(found.unit));
    const auto known = searches_.find(unit);
    if (known == searches_.end() || known->second->request.token != found.token) return;
    Search& search = *known->second;
    if (found.pid > 0) {
        const bool taken = handlers_.adopted(found.main_token, found.token, found.pid);
        // What was watched before it had a name here may have ended since.
        if (taken) watch(found.token);
        return settle(unit);
    }
    const bool daemon = search.request.pid == 0;
    if (daemon && found.later != 0 && handlers_.is_sought(unit, found.main_token)) {
        search.pause.start(search.delay);
        search.delay = std::min(search.delay * 2, kLongestPause);
        return;
    }
    const std::string why(ipc::get_text(found.text));
    if (!daemon) spdlog::warn("{}: MAINPID={} refused: {}", unit, search.request.pid, why);
    const service::Token main_token = search.request.main_token;
    settle(unit);
    if (daemon) handlers_.not_found(unit, main_token, why);
}

/// The question is answered, or of no use any more.
void MainProcesses::settle(const std::string& unit) {
    const auto search = std::move(searches_.extract(unit).mapped());
    if (search->held) handlers_.told(*search->held);
}

bool MainProcesses::hold(const ipc::Exited& exited) {
    const auto known = searches_.find(std::string(ipc::get_text(exited.unit)));
    if (known == searches_.end() || known->second->request.main_token != exited.token) return false;
    if (known->second->request.pid == 0) return false;
    known->second->held = exited;
    return true;
}

void MainProcesses::add(const std::string& unit, service::Token token, Fd pidfd) {
    // One of the unit's at a time: a later one has taken its place.
    std::erase_if(watched_, [&](const auto& item) {
        return item.second->unit == unit && item.first < token;
    });
    watched_.insert_or_assign(
        token, std::make_unique<Watched>(
                   loop_, unit, std::move(pidfd), [this, token](int) { readable(token); },
                   [this, token] { readable(token); }));
    if (begun_) watch(token);
}

void MainProcesses::watch(service::Token token) {
    const auto known = watched_.find(token);
    if (known != watched_.end()) known->second->watch.watch(known->second->pidfd.get(), EV_READ);
}

void MainProcesses::begin(const service::Manager& manager) {
    begun_ = true;
    for (const auto& [token, process] : watched_) {
        const auto status = manager.status(process->unit);
        if (!status) continue;
        const service::Vitals& record = status->record;
        // Found for our predecessor, which did not live to hear it. Tokens grow: it is of this run.
        if (record.adopted_token < token && record.main_token < token && record.main_token != 0) {
            const pid_t pid = sys::pidfd_pid(process->pidfd.get());
            (void)handlers_.adopted(record.main_token, token, std::max(pid, 1));
        }
        watch(token);
    }
}

void MainProcesses::readable(service::Token token) {
    const auto known = watched_.find(token);
    if (known == watched_.end()) return;
    const auto search = searches_.find(known->second->unit);
    if (search != searches_.end() && search->second->request.token == token) {
        return known->second->watch.stop();  // until the jailer's answer says whose it is
    }
    Watched& dying = *known->second;
    if (sys::pidfd_pid(dying.pidfd.get()) > 0 && ++dying.looks < kReapLooks) {
        dying.watch.stop();
        return dying.unreaped.start(kReapPause);
    }
    const auto process = std::move(watched_.extract(known).mapped());
    handlers_.ended(token, exit_of(process->pidfd.get()));
}

}  // namespace jailsvc::engine
