// jailsvc-learn: what a unit with on_violation = "log" uses, recorded and told.
//
//   jailsvc-learn record UNIT PID NOTICE PROGRAM   by the jailer: descriptor 3 is the listener of
//        the unit's filter, 4 the directory of records; the process PID waits in its exec
//   jailsvc-learn propose DIRECTORY UNIT           prints TOML
//   jailsvc-learn forget DIRECTORY UNIT            begins anew
//
// Every call that was asked about is let go on (seccomp_unotify(2), CONTINUE): nothing is withheld
// from the service, and nothing is decided by what is read here.

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

#include "observer.hpp"
#include "proposal.hpp"
#include "record_file.hpp"

namespace {

using namespace pledge::learn;

constexpr int kListener = 3, kFolder = 4;
constexpr int kUsage = 2;
constexpr int kQuiet = 200;  ///< [ms] without a call, after which the record is written
constexpr unsigned kMostUnwritten = 20000;  ///< calls; also where there is never quiet
constexpr rlim_t kMemory = 256U << 20;      ///< [bytes]

/// Whom a user knows us as, who called `jailsvc pledge`.
const char* told_as = "jailsvc-learn";

int complain(const std::string& what) {
    std::fprintf(stderr, "%s: %s\n", told_as, what.c_str());
    return EXIT_FAILURE;
}

/// What is read is the service's: of root's rights only those stay that reading takes.
bool give_up_rights() {
    const rlimit memory{kMemory, kMemory};
    ::setrlimit(RLIMIT_AS, &memory);
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct sets[2]{};
    constexpr unsigned kKept = (1U << CAP_SYS_PTRACE) | (1U << CAP_DAC_READ_SEARCH);
    sets[0].permitted = sets[0].effective = kKept;
    return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           ::syscall(SYS_capset, &header, sets) == 0;
}

void let_go(std::uint64_t id) {
    seccomp_notif_resp response{};
    response.id = id;
    response.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
    // An error: it was killed, or a signal took the call back.
    (void)::ioctl(kListener, SECCOMP_IOCTL_NOTIF_SEND, &response);
}

bool still_waits(std::uint64_t id) {
    return ::ioctl(kListener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) == 0;
}

class Recorder {
public:
    explicit Recorder(std::string unit) : unit_(std::move(unit)) {}

    void begin(pid_t pid, std::uint64_t notice, const std::string& program) {
        Observer::observe_program(pid, program, unwritten_);
        write();
        let_go(notice);
    }

    /// Until no process is left that has the filter.
    int run() {
        for (;;) {
            pollfd waiting{kListener, POLLIN, 0};
            const int ready = ::poll(&waiting, 1, count_ > 0 ? kQuiet : -1);
            if (ready < 0 && errno != EINTR) return complain("poll failed");
            if (ready > 0 && (waiting.revents & POLLIN) != 0) {
                answer();
            } else if (ready > 0) {
                return write();
            }
            if (ready == 0 || count_ >= kMostUnwritten) write();
        }
    }

private:
    void answer() {
        seccomp_notif notice{};  // the kernel refuses one that is not all zero
        if (::ioctl(kListener, SECCOMP_IOCTL_NOTIF_RECV, &notice) == -1) return;  // taken back
        observer_.observe(notice, [&] { return still_waits(notice.id); }, unwritten_);
        ++count_;
        let_go(notice.id);
    }
    int write() {
        count_ = 0;
        if (unwritten_.empty()) return EXIT_SUCCESS;
        const int code = add_to_file(kFolder, unit_, unwritten_);
        if (code != 0) return complain(unit_ + ": the record: " + std::strerror(code));
        unwritten_ = {};
        return EXIT_SUCCESS;
    }

    std::string unit_;
    Observer observer_{};
    Record unwritten_{};
    unsigned count_ = 0;
};

template <typename Number>
bool parse(std::string_view text, Number& value) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc() && end == text.data() + text.size();
}

int record(char** arguments) {
    pid_t pid = 0;
    std::uint64_t notice = 0;
    if (!parse(arguments[1], pid) || !parse(arguments[2], notice)) return kUsage;
    Recorder recorder(arguments[0]);
    if (!give_up_rights()) return complain("cannot give up root's rights");
    recorder.begin(pid, notice, arguments[3]);
    return recorder.run();
}

int with_folder(const char* path, const std::string& unit, int (*act)(int, const std::string&)) {
    if (unit.empty() || unit.front() == '.' || unit.find('/') != std::string::npos) {
        return complain("\"" + unit + "\" is no unit's name");
    }
    const int folder = ::open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder >= 0) return act(folder, unit);
    if (errno != ENOENT) return complain(std::string(path) + ": " + std::strerror(errno));
    return act(-1, unit);
}

int propose_from(int folder, const std::string& unit) {
    const auto seen = read_file(folder, unit);
    if (!seen) {
        return complain("nothing has been learned of \"" + unit +
                        "\"; set jail.pledge.on_violation = \"log\" in it, restart it, and let it "
                        "do all that it has to");
    }
    std::fputs(propose(unit, *seen).c_str(), stdout);
    return std::fflush(stdout) == 0 ? EXIT_SUCCESS : complain("standard output failed");
}

int forget(int folder, const std::string& unit) {
    if (::unlinkat(folder, (unit + ".learned").c_str(), 0) == 0 || errno == ENOENT || folder < 0) {
        return EXIT_SUCCESS;
    }
    return complain(unit + ": " + std::strerror(errno));
}

}  // namespace

int main(int argc, char** argv) {
    const std::string_view what = argc > 1 ? argv[1] : "";
    if (what == "record" && argc == 6) return record(argv + 2);
    told_as = "jailsvc pledge";
    if (what == "propose" && argc == 4) return with_folder(argv[2], argv[3], propose_from);
    if (what == "forget" && argc == 4) return with_folder(argv[2], argv[3], forget);
    std::fputs("usage: jailsvc-learn propose|forget DIRECTORY UNIT\n", stderr);
    return kUsage;
}
