#include "selftest/stage.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <linux/keyctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <sstream>
#include <stdexcept>

#include "base/sys.hpp"

namespace jailsvc::selftest {
namespace {

namespace fs = std::filesystem;
using namespace std::string_literals;

const std::string kDone = "done\n";
const std::string kHost = "[jail]\nprofile = \"host\"\n";
const std::string kAdmin =
    "[jail]\nprofile = \"trusted\"\n[jail.identity]\nuser = \"root\"\n"
    "capabilities = [\"sys_admin\"]\n";
constexpr uid_t kNobody = 65534;
constexpr int kFarDescriptor = 40;  ///< above those that a program is given
constexpr std::size_t kMostSaid = 4096;

[[noreturn]] void give_up(const std::string& what, int code = errno) {
    throw std::runtime_error(fmt::format("{}: {}", what, ::strerrordesc_np(code)));
}

/// A copy, since a jail does not see our own directories.
void copy_program(const std::string& from, const std::string& to, mode_t mode) {
    fs::copy_file(from, to);
    if (::chmod(to.c_str(), mode) == -1) give_up(to);
}

Fd listen_abstract(const std::string& name) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path + 1, name.data(), name.size());
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
    Fd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), size) == -1 ||
        ::listen(listener.get(), 64) == -1) {
        give_up("abstract socket");
    }
    return listener;
}

/// Serial of a key in a session keyring of our own; -1 where the kernel has none.
long add_key() {
    if (::syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, nullptr) < 0) return -1;
    return ::syscall(SYS_add_key, "user", "jailsvc-selftest", "secret", 6,
                     KEY_SPEC_SESSION_KEYRING);
}

std::string without_newline(std::string text) {
    while (text.ends_with('\n')) text.pop_back();
    std::ranges::replace(text, '\n', ' ');
    return text;
}

}  // namespace

Stage::Stage(const std::string& attacker)
    : site_(Site::Limits::kSet),
      open_(site_.directory() + "/open"),
      program_(open_ + "/attacker"),
      marker_(fmt::format("/run/jailsvc-selftest-{}", ::getpid())),
      socket_name_(fmt::format("jailsvc-selftest-{}", ::getpid())) {
    copy_program(attacker, program_, 0755);
    copy_program(attacker, open_ + "/gainer", 04755);  // with another's uid it does nothing
    plant();
}

Stage::~Stage() {
    ::unlink(marker_.c_str());
}

void Stage::plant() {
    for (const char* name : {"/cage", "/cage/tmp", "/groups"}) {
        if (::mkdir((site_.directory() + name).c_str(), 0755) == -1) give_up(name);
    }
    if (!Fd(::open(marker_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600))) {
        give_up(marker_);
    }
    listener_ = listen_abstract(socket_name_);
    key_ = add_key();
    const Fd root(::open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    root_ = Fd(::fcntl(root.get(), F_DUPFD, kFarDescriptor));  // not O_CLOEXEC: it leaks
    if (!root_) give_up("descriptor");
}

std::string Stage::filled(std::string text) const {
    const std::pair<const char*, std::string> places[] = {
        {"@OPEN@", open_},
        {"@DIR@", site_.directory()},
        {"@MARKER@", marker_},
        {"@CAGE@", site_.directory() + "/cage"},
        {"@KEY@", std::to_string(key_)},
        {"@SOCKET@", socket_name_},
        {"@DESCRIPTOR@", std::to_string(root_.get())},
    };
    for (const auto& [name, value] : places) {
        for (auto at = text.find(name); at != std::string::npos; at = text.find(name)) {
            text.replace(at, std::strlen(name), value);
        }
    }
    return text;
}

std::vector<std::string> Stage::words(const std::string& trick) const {
    std::vector<std::string> argv{program_};
    std::istringstream in(filled(trick));
    for (std::string word; in >> word;) argv.push_back(word);
    return argv;
}

/// What the attacker said; of one that was killed for it, by which signal.
std::string Stage::say_in(const std::string& jail, const std::string& trick) {
    const Ran ran = site_.execute(filled(jail), words(trick));
    if (!ran.error.empty()) throw std::runtime_error(ran.error);
    if (WIFSIGNALED(ran.status)) return fmt::format("ended by signal {}\n", WTERMSIG(ran.status));
    return ran.output;
}

std::string Stage::say_beside(const std::string& trick) const {
    std::vector<std::string> argv = words(trick);
    std::vector<char*> pointers;
    for (auto& word : argv) pointers.push_back(word.data());
    pointers.push_back(nullptr);
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) == -1) give_up("pipe");
    const Fd reader(ends[0]);
    Fd writer(ends[1]);
    const pid_t child = ::fork();
    if (child == -1) give_up("fork");
    if (child == 0) {
        const bool other = ::setgroups(0, nullptr) == 0 &&
                           ::setresgid(kNobody, kNobody, kNobody) == 0 &&
                           ::setresuid(kNobody, kNobody, kNobody) == 0;
        if (!other || ::dup2(writer.get(), STDOUT_FILENO) == -1) ::_exit(127);
        ::execv(pointers[0], pointers.data());
        ::_exit(127);
    }
    writer = Fd();
    const auto said = sys::read_fd(reader.get(), kMostSaid);
    (void)::waitpid(child, nullptr, 0);
    return said.value_or("");
}

std::string Stage::control(const Case& what) {
    const std::string& trick = what.control_trick.empty() ? what.trick : what.control_trick;
    switch (what.control) {
        case Control::kHost:
            return say_in(kHost, trick);
        case Control::kBeside:
            return say_beside(trick);
        case Control::kAdmin:
            return say_in(kAdmin, trick);
    }
    return "";
}

Try Stage::attempt_in(const Case& what, const Profile& profile) {
    Try result{.what = &what, .profile = profile.name, .why = ""};
    const auto except = std::ranges::find(what.except, profile.name, &Except::profile);
    if (except != what.except.end()) {
        result.why = "the profile " + except->why;
        return result;
    }
    std::string said;
    try {
        said = say_in("[jail]\nprofile = \"" + profile.name + "\"\n" + profile.more + what.jail,
                      what.trick);
    } catch (const std::runtime_error& failed) {
        result.why = failed.what();
        return result;
    }
    result.why = without_newline(said);
    if (said.empty()) {
        result.why = "the attacker said nothing";
    } else {
        result.outcome = said == kDone ? Try::Outcome::kEscaped : Try::Outcome::kHeld;
    }
    return result;
}

std::vector<Try> Stage::attempt(const Case& what, const std::vector<Profile>& profiles) {
    std::string said;
    try {
        said = control(what);
    } catch (const std::runtime_error& failed) {
        said = failed.what();
    }
    std::vector<Try> tries;
    for (const Profile& profile : profiles) {
        if (said == kDone) {
            tries.push_back(attempt_in(what, profile));
        } else {
            tries.push_back(
                {.what = &what,
                 .profile = profile.name,
                 .why = "does not work here without a jail either: " + without_newline(said)});
        }
    }
    return tries;
}

}  // namespace jailsvc::selftest
