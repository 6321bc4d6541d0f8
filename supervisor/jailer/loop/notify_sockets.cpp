#include "jailer/loop/notify_sockets.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <utility>

#include "base/sys.hpp"
#include "jailer/loop/tell.hpp"
#include "jailer/plan/notify_access.hpp"

namespace jailsvc::jailer {
namespace {

constexpr mode_t kPrivateRoot = 0700;
constexpr mode_t kOpenRoot = 0711;
constexpr mode_t kDirectory = 0755;
constexpr mode_t kSocket = 0666;  ///< who reaches it may write: its directory says who
constexpr int kFirstPassed = 3;

/// A directory of ours, whatever the umask; `name` has no other owner in a directory of root's.
Result<Fd> make_directory(int parent, const std::string& name, mode_t mode) {
    if (::mkdirat(parent, name.c_str(), mode) == -1 && errno != EEXIST) {
        return fail_errno("mkdir " + name);
    }
    Fd dir(::openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!dir) return fail_errno("open " + name);
    if (::fchmod(dir.get(), mode) == -1) return fail_errno("chmod " + name);
    return dir;
}

/// By way of the directory's descriptor: sun_path has room for 108 bytes (unix(7)), a state
/// directory may have a longer name.
Result<Fd> bind_socket(int dir) {
    Fd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!socket) return fail_errno("socket");
    const int on = 1;
    // Before anybody can send: the kernel notes the sender as the message is sent.
    if (::setsockopt(socket.get(), SOL_SOCKET, SO_PASSCRED, &on, sizeof on) == -1) {
        return fail_errno("SO_PASSCRED");
    }
    if (::unlinkat(dir, kNotifyName, 0) == -1 && errno != ENOENT) return fail_errno("unlink");
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    fmt::format_to_n(address.sun_path, sizeof address.sun_path - 1, "/proc/self/fd/{}/{}", dir,
                     kNotifyName);
    if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == -1) {
        return fail_errno("bind");
    }
    if (::fchmodat(dir, kNotifyName, kSocket, 0) == -1) return fail_errno("chmod");
    return socket;
}

/// Nobody else may enter the directory, a jail with a user namespace neither: it gets the mount
/// from us. Where we may not make it, the jail's init tries.
void add_tree(const CompiledPlan& plan, int dir, ParentWork& work) {
    plan.for_each(JSV_OP_BIND, [&](std::uint32_t index, const Op& op) {
        if (op.text[1] != kNotifyDirectory || op.plugin != "core") return;
        Fd tree(static_cast<int>(::syscall(SYS_open_tree, dir, "",
                                           OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH)));
        if (tree) work.trees.push_back({index, std::move(tree)});
    });
}

constexpr ipc::NotifyKind kSockets[] = {ipc::NotifyKind::kPrivate, ipc::NotifyKind::kOpen};

}  // namespace

Result<void> give_notify_socket(Core& core, const LoadedUnit& loaded, ParentWork& work) {
    const auto access = config::notify_access_of(loaded.unit.type, *loaded.unit.readiness);
    if (access == config::NotifyAccess::kNone) return {};
    const std::string& unit = loaded.plan.unit();
    const bool own_tree = loaded.plan.find(JSV_OP_ROOT) != nullptr;
    const std::string root = own_tree ? core.places.notify_root() : core.places.open_notify_root();
    TRY(const Fd all, make_directory(AT_FDCWD, root, own_tree ? kPrivateRoot : kOpenRoot));
    TRY(const Fd dir, make_directory(all.get(), unit, kDirectory));
    auto socket = bind_socket(dir.get());
    if (!socket) return fail_in(root + "/" + unit, std::move(socket).error());
    if (own_tree) add_tree(loaded.plan, dir.get(), work);
    for (const ipc::NotifyKind kind : kSockets) {
        const auto index = std::to_underlying(kind);
        if ((kind == ipc::NotifyKind::kPrivate) == own_tree) {
            tell::store(core.keeper, ipc::Kept::kNotify, 0, unit, socket->get(), index);
        } else {
            tell::unstore(core.keeper, ipc::Kept::kNotify, 0, unit, index);
        }
    }
    return {};
}

Result<std::vector<Fd>> give_notify_pipe(Core& core, const LoadedUnit& loaded, Program& program) {
    std::vector<Fd> held;
    if (loaded.unit.type != config::ServiceType::kNotifyFd) return held;
    const int number = loaded.unit.readiness->notify_fd.value_or(kFirstPassed);
    const auto place = static_cast<std::size_t>(number - kFirstPassed);
    if (place < program.passed.size()) {
        return fail(fmt::format("{} is one of the descriptors that are passed; use {} or more",
                                number, program.passed.size() + kFirstPassed),
                    EINVAL);
    }
    if (place > program.passed.size()) {
        TRY(Fd null, sys::open("/dev/null", O_RDWR));
        program.passed.resize(place, null.get());
        held.push_back(std::move(null));
    }
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) == -1) return fail_errno("pipe");
    const Fd read_end(ends[0]);
    held.emplace_back(ends[1]);
    if (::fcntl(read_end.get(), F_SETFL, O_NONBLOCK) == -1) return fail_errno("fcntl");
    tell::store(core.keeper, ipc::Kept::kNotify, 0, loaded.plan.unit(), read_end.get(),
                std::to_underlying(ipc::NotifyKind::kNewline));
    program.passed.push_back(held.back().get());
    return held;
}

void forget_notify_socket(Core& core, const std::string& unit) {
    for (std::uint16_t index = 0; index < ipc::kNotifyKinds; ++index) {
        tell::unstore(core.keeper, ipc::Kept::kNotify, 0, unit, index);
    }
    for (const bool own_tree : {true, false}) {
        const std::string dir = notify_directory(core.places, unit, own_tree);
        (void)::unlink((dir + "/" + kNotifyName).c_str());
        (void)::rmdir(dir.c_str());
    }
}

}  // namespace jailsvc::jailer
