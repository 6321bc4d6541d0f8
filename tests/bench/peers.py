"""Other programs that put a process in a jail, asked for the walls of profile untrusted."""
import json
import os
import pathlib
import re
import shutil
import struct
import subprocess

MEMORY, TASKS, FILES = 512 << 20, 256, 1024

# What the filter lets pass: as ours, a list; as many calls as a server's promises have.
CALLS = """
    read write close fstat lseek mmap mprotect munmap brk rt_sigaction rt_sigprocmask rt_sigreturn
    ioctl pread64 pwrite64 readv writev access pipe select sched_yield mremap msync mincore madvise
    dup dup2 pause nanosleep getitimer alarm setitimer getpid sendfile socket connect accept sendto
    recvfrom sendmsg recvmsg shutdown bind listen getsockname getpeername socketpair setsockopt
    getsockopt clone fork vfork execve exit wait4 kill uname fcntl flock fsync fdatasync truncate
    ftruncate getdents getdents64 getcwd chdir fchdir rename mkdir rmdir creat link unlink symlink readlink
    chmod fchmod umask gettimeofday getrlimit getrusage sysinfo times getuid getgid geteuid getegid
    getppid getpgrp setsid getgroups sigaltstack statfs fstatfs prctl arch_prctl gettid futex
    set_tid_address clock_gettime clock_nanosleep exit_group epoll_wait epoll_ctl tgkill openat
    mkdirat newfstatat unlinkat renameat readlinkat faccessat pselect6 ppoll set_robust_list
    utimensat epoll_pwait fallocate accept4 eventfd2 epoll_create1 dup3 pipe2 prlimit64 getrandom
    execveat statx rseq clone3 close_range faccessat2 setuid setgid setgroups capset capget openat2
    poll stat lstat open
""".split()


def numbers():
    for header in ("/usr/include/x86_64-linux-gnu/asm/unistd_64.h", "/usr/include/asm/unistd.h"):
        if os.path.exists(header):
            text = pathlib.Path(header).read_text()
            return {name: int(n) for name, n in re.findall(r"#define __NR_(\w+)\s+(\d+)", text)}
    return {}


def write_filter(path):
    """As bwrap --seccomp takes it (seccomp(2)): errno EPERM but for the calls of the list."""
    load, equal, give = 0x20, 0x15, 0x06
    known = numbers()
    allowed = sorted({known[name] for name in CALLS if name in known})
    program = [(load, 0, 0, 0)]
    program += [(equal, len(allowed) - i, 0, number) for i, number in enumerate(allowed)]
    program += [(give, 0, 0, 0x00050001), (give, 0, 0, 0x7FFF0000)]
    path.write_bytes(b"".join(struct.pack("<HBBI", *line) for line in program))


def bundle(work):
    """A directory for crun and runc (OCI runtime specification)."""
    root = work / "oci/rootfs"
    root.mkdir(parents=True)
    binds = []
    for name in ("usr", "bin", "lib", "lib64"):
        source = pathlib.Path("/") / name
        if source.is_symlink():
            (root / name).symlink_to(os.readlink(source))
        elif source.is_dir():
            (root / name).mkdir()
            binds.append({"destination": str(source), "type": "bind", "source": str(source),
                          "options": ["rbind", "ro"]})
    for name in ("proc", "dev", "tmp"):
        (root / name).mkdir()
    own = [("/proc", "proc", []), ("/dev", "tmpfs", ["nosuid", "mode=755"]),
           ("/tmp", "tmpfs", ["nosuid", "nodev"])]
    namespaces = ("pid", "network", "ipc", "uts", "mount", "cgroup")
    none = {kind: [] for kind in ("bounding", "effective", "permitted", "inheritable", "ambient")}
    config = {
        "ociVersion": "1.0.2", "hostname": "jail", "root": {"path": "rootfs", "readonly": True},
        "process": {"args": ["/bin/true"], "cwd": "/", "env": ["PATH=/bin"], "terminal": False,
                    "user": {"uid": 61184, "gid": 61184}, "noNewPrivileges": True,
                    "capabilities": none,
                    "rlimits": [{"type": "RLIMIT_NOFILE", "soft": FILES, "hard": FILES}]},
        "mounts": [{"destination": to, "type": kind, "source": kind, "options": options}
                   for to, kind, options in own] + binds,
        "linux": {
            "cgroupsPath": f"/jailsvc-bench-{os.getpid()}",
            "namespaces": [{"type": kind} for kind in namespaces],
            "resources": {"memory": {"limit": MEMORY}, "pids": {"limit": TASKS},
                          "cpu": {"quota": 100000, "period": 100000}},
            "seccomp": {"defaultAction": "SCMP_ACT_ERRNO",
                        "syscalls": [{"names": CALLS, "action": "SCMP_ACT_ALLOW"}]}}}
    (root.parent / "config.json").write_text(json.dumps(config))
    return root.parent


MAKES_GROUPS = {"crun", "runc"}  # and know their program from a file


class Group:
    """A control group with limits, which a peer that makes none is started in."""

    LIMITS = {"memory": ("memory.limit_in_bytes", MEMORY), "pids": ("pids.max", TASKS),
              "cpu": ("cpu.cfs_quota_us", 100000)}

    def __init__(self):
        self.directories, self.inside, self.outside = [], [], []
        name = f"jailsvc-bench-peer-{os.getpid()}"
        for controller, (file, value) in self.LIMITS.items():
            home = pathlib.Path("/sys/fs/cgroup") / controller
            if not (home / "tasks").exists():
                continue
            own = home / self.place(controller).lstrip("/")
            directory = own / name
            directory.mkdir()
            self.directories.append(directory)
            (directory / file).write_text(str(value))
            self.inside.append(os.open(directory / "tasks", os.O_WRONLY | os.O_CLOEXEC))
            self.outside.append(os.open(own / "tasks", os.O_WRONLY | os.O_CLOEXEC))

    @staticmethod
    def place(controller):
        for line in pathlib.Path("/proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controller in controllers.split(","):
                return path
        return "/"

    def enter(self):
        for file in self.inside:
            os.write(file, b"0")

    def leave(self):
        for file in self.outside:
            os.write(file, b"0")

    def remove(self):
        self.leave()
        for directory in self.directories:
            directory.rmdir()


def end_of(argv, files=()):
    """Runs it: None, or why it does not run here."""
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          pass_fds=files, timeout=60, check=False)
    if done.returncode == 0:
        return None
    said = (done.stderr or done.stdout).strip().splitlines()
    return said[-1][:160] if said else f"ended with {done.returncode}"


def commands(work, filter_fd, shown):
    """Name -> argv before the program's; `shown` is a folder that is to be there as /run/bench."""
    walls = ["--unshare-all", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "--tmpfs",
             "/tmp", "--tmpfs", "/run", "--tmpfs", "/home", "--tmpfs", "/root", "--cap-drop", "ALL",
             "--new-session", "--seccomp", str(filter_fd)]
    walls += ["--ro-bind", str(shown), "/run/bench"] if shown else []
    limits = [f"--nofile={FILES}", "--fsize=1073741824", "--core=0"]
    oci = bundle(work)
    return {
        "bwrap, filter, limits": ["prlimit", *limits, "bwrap", *walls],
        "bwrap, filter": ["bwrap", *walls],
        "firejail, filter": [
            "firejail", "--quiet", "--noprofile", "--net=none", "--ipc-namespace", "--hostname=jail",
            "--read-only=/", "--private-tmp", "--private-dev", "--caps.drop=all", "--nonewprivs",
            "--seccomp", f"--rlimit-nofile={FILES}", "--"],
        "crun": ["crun", "--cgroup-manager=cgroupfs", "run", "-b", str(oci), f"b{os.getpid()}c"],
        "runc": ["runc", "run", "-b", str(oci), f"b{os.getpid()}r"],
    }


def usable(work, filter_fd, shown=None):
    """As commands, of those that run here; tells why the others do not."""
    found = {}
    for name, argv in commands(work, filter_fd, shown).items():
        path = shutil.which(argv[0])
        program = next(word for word in argv if not word.startswith("-") and word != "prlimit")
        if path is None or shutil.which(program) is None:
            print(f"  {name}: skipped: {program} is not installed")
            continue
        argv = [path, *argv[1:]]
        program = [] if name in MAKES_GROUPS else ["/bin/true"]
        os.lseek(filter_fd, 0, os.SEEK_SET)
        why = end_of(argv + program, (filter_fd,))
        if why is None:
            found[name] = argv
        else:
            print(f"  {name}: skipped: {why}")
    return found
