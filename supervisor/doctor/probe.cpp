#include "doctor/probe.hpp"

#include <fmt/format.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace jailsvc::doctor {
namespace {

/// What the child leaves behind.
struct Report {
    jsv_probe probe;
    int result;
};

[[noreturn]] void attempt_and_end(Report& report, const Attempt& attempt) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::alarm(kProbeSeconds);  // its default action ends us
    report.result = attempt(report.probe);
    ::_exit(0);
}

template <std::size_t kSize>
std::string text_of(const char (&bytes)[kSize]) {
    return {bytes, ::strnlen(bytes, kSize)};
}

Finding failed(std::string hint) {
    return {.name = "probe", .outcome = Finding::Outcome::kFails, .hint = std::move(hint)};
}

Finding found(const Report& report, int status) {
    if (WIFSIGNALED(status)) {
        return failed(
            WTERMSIG(status) == SIGALRM
                ? fmt::format("no answer within {} s", kProbeSeconds)
                : fmt::format("the probe was killed by SIG{}", ::sigabbrev_np(WTERMSIG(status))));
    }
    using enum Finding::Outcome;
    Finding out{.name = text_of(report.probe.name), .hint = text_of(report.probe.hint)};
    out.outcome = report.probe.outcome > 0 ? kWorks : report.probe.outcome == 0 ? kFails : kAbsent;
    return out;
}

}  // namespace

int try_apart(std::string_view owner, const Attempt& attempt, Finding& finding) {
    void* page =
        ::mmap(nullptr, sizeof(Report), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) {
        finding = failed("no memory");
        finding.owner = owner;
        return 0;
    }
    auto& report = *static_cast<Report*>(page);
    report.probe.size = sizeof(jsv_probe);
    const pid_t pid = ::fork();
    if (pid == 0) attempt_and_end(report, attempt);
    int status = 0;
    if (pid < 0 || ::waitpid(pid, &status, 0) != pid) {
        finding = failed(fmt::format("no process for it: {}", std::strerror(errno)));
    } else {
        finding = found(report, status);
    }
    finding.owner = owner;
    const int result = report.result == -ENOENT ? -ENOENT : 0;
    ::munmap(page, sizeof(Report));
    return result;
}

}  // namespace jailsvc::doctor
