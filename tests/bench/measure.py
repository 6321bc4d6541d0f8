"""What the benchmarks measure with: a supervisor of their own, candidates in turn, medians."""
import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import statistics
import subprocess
import tempfile
import time

DEADLINE = 60.0
# What one candidate leaves to the kernel must not count for the next [s].
PAUSE = 0.01


class Control:
    """One varlink connection to a supervisor."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(path))
        self.rest = b""

    def call(self, method, **parameters):
        request = {"method": f"io.jailsvc.Control.{method}", "parameters": parameters}
        self.socket.sendall(json.dumps(request).encode() + b"\0")
        while b"\0" not in self.rest:
            block = self.socket.recv(1 << 16)
            if not block:
                raise SystemExit("bench: the supervisor closed the connection")
            self.rest += block
        frame, self.rest = self.rest.split(b"\0", 1)
        reply = json.loads(frame)
        if "error" in reply:
            raise SystemExit(f"bench: {method}: {reply}")
        return reply["parameters"]


def await_true(what, condition):
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.002)
    raise SystemExit(f"bench: gave up waiting for {what}")


@contextlib.contextmanager
def supervisor(build, units):
    """A supervisor on `units` (name -> TOML) in a directory of its own; yields (dir, control, pid)."""
    work = pathlib.Path(tempfile.mkdtemp(prefix="jailsvc-bench.", dir="/run"))
    work.chmod(0o755)
    (work / "config/units").mkdir(parents=True)
    for name, text in units.items():
        (work / f"config/units/{name}.toml").write_text(text)
    keeper = subprocess.Popen([build / "bin/jailsvc-init", "--config", work / "config", "--state",
                               work / "state", "--quiet"])
    try:
        path = work / "state/run/control"
        await_true("the control socket", path.exists)
        control = Control(path)
        control.call("Version")
        yield work, control, keeper.pid
    finally:
        keeper.send_signal(signal.SIGTERM)
        keeper.wait(DEADLINE)
        shutil.rmtree(work, ignore_errors=True)


def timed(action):
    begin = time.perf_counter_ns()
    action()
    return (time.perf_counter_ns() - begin) / 1000


def spawn(argv, **options):
    pid = os.posix_spawn(argv[0], argv, {}, **options)
    _, status = os.waitpid(pid, 0)
    if status != 0:
        raise SystemExit(f"bench: {argv[0]} ended with {status}")


def show(title, samples):
    """Medians with their spread, and each one's ratio to the first."""
    print(f"\n{title}")
    base = statistics.median(next(iter(samples.values())))
    for name, values in samples.items():
        values.sort()
        median = statistics.median(values)
        p90 = values[int(len(values) * 0.9)]
        print(f"  {name:44} {median:10.0f} us   p90 {p90:10.0f}   x{median / base:.2f}")


def in_turn(rounds, candidates):
    samples = {name: [] for name in candidates}
    for _ in range(rounds):
        for name, action in candidates.items():
            time.sleep(PAUSE)
            samples[name].append(timed(action))
            getattr(action, "after", lambda: None)()
    return samples
