"""Stops a process at a system call of its own: ptrace(2), by hand."""
import ctypes
import os
import signal

SYSCALL_ENTRY = 1
PTRACE_DETACH, PTRACE_SYSCALL, PTRACE_SEIZE, PTRACE_INTERRUPT = 17, 24, 0x4206, 0x4207
PTRACE_GET_SYSCALL_INFO = 0x420E
PTRACE_O_TRACESYSGOOD = 1
WALL = 0x40000000
SYSCALL_STOP = signal.SIGTRAP | 0x80


class SyscallInfo(ctypes.Structure):
    """struct ptrace_syscall_info, at an entry."""
    _fields_ = [("op", ctypes.c_uint8), ("pad", ctypes.c_uint8 * 3), ("arch", ctypes.c_uint32),
                ("instruction", ctypes.c_uint64), ("stack", ctypes.c_uint64),
                ("number", ctypes.c_uint64), ("args", ctypes.c_uint64 * 6),
                ("rest", ctypes.c_uint64 * 4)]


LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
LIBC.ptrace.restype = ctypes.c_long


def ptrace(request, pid, address=None, data=None):
    if LIBC.ptrace(request, pid, address, data) == -1:
        code = ctypes.get_errno()
        raise OSError(code, f"ptrace: {os.strerror(code)}")


class Tracer:
    """A process that is let go from one system call to the next. Its end is the tracer's to see,
    and its parent's too."""

    def __init__(self, pid):
        self.pid = pid
        ptrace(PTRACE_SEIZE, pid, None, PTRACE_O_TRACESYSGOOD)
        ptrace(PTRACE_INTERRUPT, pid)
        self._wait()

    def _wait(self):
        _, status = os.waitpid(self.pid, WALL)
        if not os.WIFSTOPPED(status):
            raise AssertionError(f"the traced process ended with {status}")
        return status

    def run_until(self, wanted):
        """Stops at the entry of the first system call for which wanted(number, arguments)."""
        pending = 0
        while True:
            ptrace(PTRACE_SYSCALL, self.pid, None, pending)
            status = self._wait()
            stop = os.WSTOPSIG(status)
            pending = 0
            if stop != SYSCALL_STOP:
                # A signal on its way is handed on; a group stop or an interrupt is none.
                pending = stop if status >> 16 == 0 else 0
                continue
            info = SyscallInfo()
            ptrace(PTRACE_GET_SYSCALL_INFO, self.pid, ctypes.sizeof(info), ctypes.addressof(info))
            if info.op == SYSCALL_ENTRY and wanted(info.number, list(info.args)):
                return

    def let_go(self):
        ptrace(PTRACE_DETACH, self.pid)
