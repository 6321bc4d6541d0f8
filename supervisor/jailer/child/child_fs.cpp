// [child] May call: raw:: system calls. No heap, no lock, no library.
#include "jailer/child/child_fs.hpp"

#include <fcntl.h>
#include <linux/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cerrno>
#include <climits>

#include "jailer/child/child_walk.hpp"
#include "jailer/child/raw_calls.hpp"

namespace jailsvc::jailer {
namespace {

using About = GateReport::About;

/// Digits of a number in the given base, ending in NUL; the text starts where it returns.
const char* digits(char (&buffer)[24], std::uint64_t value, unsigned base) noexcept {
    char* at = buffer + sizeof buffer - 1;
    *at = '\0';
    do {
        *--at = static_cast<char>('0' + value % base);
        value /= base;
    } while (value != 0);
    return at;
}

struct Node {
    const char* name;
    const char* host;
    unsigned major, minor;
};
/// Numbers from Documentation/admin-guide/devices.txt.
constexpr Node kNodes[] = {{"null", "/dev/null", 1, 3},       {"zero", "/dev/zero", 1, 5},
                           {"full", "/dev/full", 1, 7},       {"random", "/dev/random", 1, 8},
                           {"urandom", "/dev/urandom", 1, 9}, {"tty", "/dev/tty", 5, 0}};

struct Link {
    const char* name;
    const char* target;
};
constexpr Link kLinks[] = {{"fd", "/proc/self/fd"},
                           {"stdin", "/proc/self/fd/0"},
                           {"stdout", "/proc/self/fd/1"},
                           {"stderr", "/proc/self/fd/2"},
                           {"ptmx", "pts/ptmx"}};

constexpr std::uint64_t kDevSize = 1U << 20;   // no data, only names
constexpr std::uint64_t kShmSize = 64U << 20;  // as container runtimes have it

int bind_host_node(int dev, const Node& node) noexcept {
    const raw::Handle source(
        raw::openat2(AT_FDCWD, node.host, O_PATH | O_CLOEXEC, RESOLVE_NO_MAGICLINKS));
    if (!source.ok()) return source.get();
    const int type = file_type(source.get());
    if (type != S_IFCHR) return type < 0 ? type : -ENODEV;
    const raw::Handle tree(raw::call_int(SYS_open_tree, source.get(), "",
                                         OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH));
    if (!tree.ok()) return tree.get();
    const int code = set_attributes(tree.get(), kDeviceAttributes, 0, 0);
    if (code < 0) return code;
    const int made = raw::call_int(SYS_mknodat, dev, node.name, S_IFREG | 0644, 0);
    if (made < 0 && made != -EEXIST) return made;
    return raw::call_int(SYS_move_mount, tree.get(), "", dev, node.name, MOVE_MOUNT_F_EMPTY_PATH);
}

int make_names(int dev) noexcept {
    for (const Link& link : kLinks) {
        const int made = raw::call_int(SYS_symlinkat, link.target, dev, link.name);
        if (made < 0) return made;
    }
    if (const int made = raw::call_int(SYS_mkdirat, dev, "shm", 01777); made < 0) return made;
    return raw::call_int(SYS_mkdirat, dev, "pts", 0755);
}

int attach_at(int mount, int dir, const char* name) noexcept {
    if (mount < 0) return mount;
    const raw::Handle owned(mount);
    return raw::call_int(SYS_move_mount, mount, "", dir, name, MOVE_MOUNT_F_EMPTY_PATH);
}

int add_pts_and_shm(int dev) noexcept {
    constexpr FsOption kPts[] = {{"newinstance", nullptr}, {"ptmxmode", "0666"}, {"mode", "620"}};
    const int pts = new_file_system("devpts", kPts, 3, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
    if (const int code = attach_at(pts, dev, "pts"); code < 0) return code;
    const int shm =
        new_tmpfs(kShmSize, 01777, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
    return attach_at(shm, dev, "shm");
}

/// "kernel.shmmax" and "kernel/shmmax" are the same.
bool sysctl_path(char (&path)[256], const char* name) noexcept {
    const char prefix[] = "sys/";
    unsigned length = 0;
    bool slashes = false;
    for (const char* c = name; *c != '\0'; ++c) slashes = slashes || *c == '/';
    for (; prefix[length] != '\0'; ++length) path[length] = prefix[length];
    for (const char* c = name; *c != '\0'; ++c) {
        if (length + 1 >= sizeof path) return false;
        path[length++] = (*c == '.' && !slashes) ? '/' : *c;
    }
    path[length] = '\0';
    return true;
}

unsigned text_length(const char* text) noexcept {
    unsigned length = 0;
    while (text[length] != '\0') ++length;
    return length;
}

}  // namespace

int new_file_system(const char* type, const FsOption* options, unsigned count,
                    unsigned attributes) noexcept {
    const raw::Handle fs(raw::call_int(SYS_fsopen, type, FSOPEN_CLOEXEC));
    if (!fs.ok()) return fs.get();
    for (const FsOption* option = options; option != options + count; ++option) {
        const unsigned how = option->value == nullptr ? FSCONFIG_SET_FLAG : FSCONFIG_SET_STRING;
        const int set = raw::call_int(SYS_fsconfig, fs.get(), how, option->name, option->value, 0);
        if (set < 0) return set;
    }
    const int made =
        raw::call_int(SYS_fsconfig, fs.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0);
    if (made < 0) return made;
    return raw::call_int(SYS_fsmount, fs.get(), FSMOUNT_CLOEXEC, attributes);
}

int new_tmpfs(std::uint64_t size, unsigned mode, unsigned attributes) noexcept {
    // Inodes take kernel memory that `size` does not bound (tmpfs(5), nr_inodes).
    constexpr std::uint64_t kBytesPerInode = 1024, kFewestInodes = 1024;
    const std::uint64_t inodes = size / kBytesPerInode;
    char mode_text[24], size_text[24], inode_text[24];
    const FsOption options[] = {
        {"source", "jailsvc"},
        {"mode", digits(mode_text, mode & 07777U, 8)},
        {"size", digits(size_text, size, 10)},
        {"nr_inodes", digits(inode_text, inodes < kFewestInodes ? kFewestInodes : inodes, 10)}};
    return new_file_system("tmpfs", options, size == 0 ? 2 : 4, attributes);
}

int make_nodes(int dev, bool or_bind) noexcept {
    for (const Node& node : kNodes) {
        int made = raw::call_int(SYS_mknodat, dev, node.name, S_IFCHR | 0666,
                                 static_cast<unsigned>(makedev(node.major, node.minor)));
        if (made == -EPERM && or_bind) made = bind_host_node(dev, node);
        if (made < 0) return made;
    }
    return 0;
}

int attach(int mount, int target) noexcept {
    return raw::call_int(SYS_move_mount, mount, "", target, "",
                         MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
}

int set_attributes(int mount, unsigned set, unsigned flags, std::uint64_t propagation) noexcept {
    mount_attr attr{};
    attr.attr_set = set;
    attr.propagation = propagation;
    return raw::call_int(SYS_mount_setattr, mount, "", AT_EMPTY_PATH | flags, &attr, sizeof attr);
}

/// Names go in while it is writable; finish_mounts seals it, after JSV_OP_DEVICE had its turn.
Outcome apply_dev(MountState& state, const ChildOp& op, std::uint32_t /*index*/) noexcept {
    const raw::Handle target(open_in_root(state.root, op.text[0]));
    if (!target.ok()) return outcome(target.get(), About::kTarget);
    const int dev = new_tmpfs(kDevSize, 0755, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
    if (dev < 0) return outcome(dev, About::kMount);
    state.dev = dev;
    // Binding nodes, and the submounts, need the mount to be attached: before Linux 6.15 nothing
    // can be mounted on a detached tree.
    if (const int code = attach(dev, target.get()); code < 0) return outcome(code, About::kTarget);
    const bool sees_host = state.job->ground < 0;
    if (const int code = make_nodes(dev, sees_host); code < 0) return outcome(code, About::kMount);
    if (const int code = make_names(dev); code < 0) return outcome(code, About::kMount);
    return outcome(add_pts_and_shm(dev), About::kMount);
}

/// Through a proc nobody else can have touched: a jail's own /proc may be a fake that leads the
/// write elsewhere.
Outcome apply_sysctl(MountState& /*state*/, const ChildOp& op, std::uint32_t /*index*/) noexcept {
    char path[256];
    if (!sysctl_path(path, op.text[0])) return {ENAMETOOLONG, About::kTarget};
    const raw::Handle proc(new_file_system("proc", nullptr, 0, MOUNT_ATTR_NOSUID));
    if (!proc.ok()) return outcome(proc.get(), About::kMount);
    const raw::Handle file(
        raw::openat2(proc.get(), path, O_RDWR | O_CLOEXEC, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS));
    if (!file.ok()) return outcome(file.get(), About::kTarget);
    const unsigned length = text_length(op.text[1]);
    if (const long code = raw::call(SYS_write, file.get(), op.text[1], length); code < 0) {
        return outcome(code, About::kWhole);
    }
    char back[256];
    const long count = raw::call(SYS_pread64, file.get(), back, sizeof back, 0);
    if (count < 0) return outcome(count, About::kReadBack);
    // The kernel ends a value with a newline and may show the tabs of a list: compare the words.
    const char* wanted = op.text[1];
    for (long i = 0; i < count; ++i) {
        if (back[i] == *wanted || (back[i] == '\t' && *wanted == ' ')) {
            ++wanted;
        } else if (back[i] != '\n') {
            return {kNotHeld, About::kReadBack};
        }
    }
    return {*wanted == '\0' ? 0 : kNotHeld, About::kReadBack};
}

}  // namespace jailsvc::jailer
