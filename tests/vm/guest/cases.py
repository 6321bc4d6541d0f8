"""What is tried while jailsvc-init is PID 1 of the machine, its cgroups all of version 2."""
import os
import pathlib
import signal
import subprocess
import time
import types
import unittest

import report
from harness import Supervisor, alive, await_true, children

CGROUPS = pathlib.Path("/sys/fs/cgroup")


class Machine(Supervisor):
    """The one supervisor there is; it is asked where an installed one is found."""

    def __init__(self):  # pylint: disable=super-init-not-called
        self.keeper = types.SimpleNamespace(pid=1, poll=lambda: None)

    def run(self, *arguments, timeout=60, **more):
        return subprocess.run(["/usr/bin/jailsvc", *map(str, arguments)], capture_output=True,
                              text=True, timeout=timeout, check=False, stdin=subprocess.DEVNULL,
                              **more)

    def answers(self):
        return self.run("version", "--json", timeout=10).returncode == 0

    def kill_role(self, name):
        before = self.role(name)
        os.kill(before, signal.SIGKILL)
        await_true(f"a new {name}", lambda: self.role(name) != before)


machine = Machine()


def text_of(path):
    return pathlib.Path(path).read_text()


def status_line(pid, name):
    """The words after NAME: in /proc/PID/status."""
    for line in text_of(f"/proc/{pid}/status").splitlines():
        if line.startswith(name + ":"):
            return line.split()[1:]
    raise AssertionError(f"no {name} of {pid}")


def group_of(pid):
    """The directory of its control group; version 2 has one line."""
    return CGROUPS / text_of(f"/proc/{pid}/cgroup").strip().removeprefix("0::/")


def zombies():
    return [pid for pid in children(1) if pathlib.Path(f"/proc/{pid}").exists() and not alive(pid)]


class Case(unittest.TestCase):
    AREA = "machine"

    def ok(self, *arguments):
        result = machine.run(*arguments)
        self.assertEqual(result.returncode, 0, f"jailsvc {arguments}: {result.stdout}"
                                               f"{result.stderr}")
        return result.stdout


class Boot(Case):
    def test_1(self):
        """PID 1 is the keeper, and what is wanted at boot runs"""
        self.assertEqual(text_of("/proc/1/comm").strip(), "jailsvc-init")
        for unit in ("web", "first", "second", "third", "deaf", "cases"):
            machine.await_state(unit, "running")

    def test_2(self):
        """a service that the boot started is jailed"""
        status = machine.await_state("web", "running")
        pid = status["pid"]
        self.assertEqual(status["profile"], "default")
        self.assertEqual(status_line(pid, "CapBnd"), ["0" * 16])
        self.assertEqual(status_line(pid, "NoNewPrivs"), ["1"])
        self.assertGreater(int(status_line(pid, "Uid")[0]), 0)
        for space in ("mnt", "pid", "ipc", "uts", "cgroup"):
            ours, its = (os.readlink(f"/proc/{each}/ns/{space}") for each in (1, pid))
            self.assertNotEqual(ours, its)
        # Control: one that its file calls a host's has none of this.
        bare = machine.pid("first")
        self.assertEqual(os.readlink("/proc/1/ns/mnt"), os.readlink(f"/proc/{bare}/ns/mnt"))
        self.assertNotEqual(status_line(bare, "CapBnd"), ["0" * 16])


class Groups(Case):
    def test_1(self):
        """every unit has a group of version 2 with its limits in it"""
        group = group_of(machine.await_state("web", "running")["pid"])
        self.assertEqual(group.name, "web.unit")
        self.assertEqual((group / "memory.max").read_text().strip(), str(64 << 20))
        self.assertEqual((group / "pids.max").read_text().strip(), "20")
        self.assertNotEqual(group_of(machine.pid("first")), group)

    def test_2(self):
        """a limit is changed while the unit runs, and holds over a restart"""
        before = machine.await_state("web", "running")
        self.ok("set-property", "web", "memory_max=48M", "cpu_weight=50")
        group = group_of(before["pid"])
        self.assertEqual((group / "memory.max").read_text().strip(), str(48 << 20))
        self.assertEqual((group / "cpu.weight").read_text().strip(), "50")
        self.assertEqual(machine.pid("web"), before["pid"])
        self.ok("restart", "web")
        self.assertEqual((group_of(machine.pid("web")) / "memory.max").read_text().strip(),
                         str(48 << 20))

    def test_3(self):
        """out of memory is why a unit failed, in its state and in the log"""
        machine.run("start", "hog")
        status = machine.await_state("hog", "failed")
        self.assertEqual(status["last_exit"], {"kind": "oom-kill", "code": 9})
        self.assertIn("out of memory", status["because"])

    def test_4(self):
        """a fork bomb is bounded, counted, and stopped"""
        self.ok("start", "bomb")
        group = group_of(machine.await_state("bomb", "running")["pid"])
        await_true("refused tasks", lambda: machine.status("bomb")["refused_tasks"] > 0)
        self.assertLessEqual(int((group / "pids.current").read_text()), 40)
        self.ok("stop", "bomb")
        self.assertEqual((group / "cgroup.procs").read_text() if group.exists() else "", "")


    def test_5(self):
        """every key has its file, and what it says is in force there"""
        self.ok("start", "limited")
        group = group_of(machine.await_state("limited", "running")["pid"])
        disk = os.stat("/dev/nvme0n1").st_rdev
        wanted = {
            "memory.max": str(256 << 20), "memory.high": str(128 << 20),
            "memory.swap.max": str(16 << 20), "memory.oom.group": "1", "cpu.max": "50000 100000",
            "cpu.weight": "200", "cpuset.cpus": "1", "pids.max": "100",
            "io.max": f"{os.major(disk)}:{os.minor(disk)} rbps=10485760 wbps=max riops=max wiops=max",
        }
        self.assertEqual({file: (group / file).read_text().strip() for file in wanted}, wanted)
        self.assertIn("default 50", (group / "io.weight").read_text())
        self.assertEqual(os.sched_getaffinity(machine.pid("limited")), {1})
        self.ok("set-property", "limited", "memory_high=0", "tasks_max=0")
        lifted = {"memory.high": "max", "pids.max": "max", "cpu.weight": "200"}
        self.assertEqual({file: (group / file).read_text().strip() for file in lifted}, lifted)
        self.ok("stop", "limited")

    def test_6(self):
        """with oom_group all of a unit end when one is out of memory, else one alone"""
        self.ok("start", "together", "apart")
        self.assertEqual(machine.await_state("together", "failed")["last_exit"]["kind"], "oom-kill")
        group = group_of(machine.await_state("apart", "running")["pid"])
        await_true("its end", lambda: "oom_kill 1" in (group / "memory.events").read_text())
        self.assertEqual(machine.status("apart")["state"], "running")
        self.ok("stop", "apart")

    def test_7(self):
        """a stop ends what a service put into groups of its own making, and removes them"""
        self.ok("start", "nests")
        group = group_of(machine.await_state("nests", "running")["pid"])
        inner = group / "a/b/c"
        await_true("its groups", lambda: inner.exists() and
                   len((inner / "cgroup.procs").read_text().split()) == 3)
        pids = [int(pid) for pid in (inner / "cgroup.procs").read_text().split()]
        self.ok("stop", "nests")
        self.assertFalse([pid for pid in pids if alive(pid)])
        self.ok("start", "nests")
        await_true("its groups again", inner.exists)
        self.ok("stop", "nests")


class Powers(Case):
    def test_1(self):
        """limits are raised and oom_score_adj is lowered, which takes CAP_SYS_RESOURCE"""
        self.ok("start", "raised")
        pid = machine.await_state("raised", "running")["pid"]
        limits = {line[:25].strip(): line[25:].split()[:2]
                  for line in text_of(f"/proc/{pid}/limits").splitlines()}
        self.assertEqual(limits["Max open files"], ["600000"] * 2)
        self.assertEqual(limits["Max locked memory"], [str(1 << 30)] * 2)
        self.assertEqual(limits["Max processes"], ["100000"] * 2)
        self.assertEqual(text_of(f"/proc/{pid}/oom_score_adj").strip(), "-500")
        # Control: without these keys it has what PID 1 was started with.
        other = machine.pid("web")
        self.assertNotIn("600000", text_of(f"/proc/{other}/limits"))
        self.assertEqual(text_of(f"/proc/{other}/oom_score_adj").strip(), "0")
        self.ok("stop", "raised")


class Survival(Case):
    UNITS = ("web", "first", "second", "third", "deaf")

    def what_runs(self):
        return {unit: (machine.pid(unit), machine.status(unit)["restarts"])
                for unit in self.UNITS}

    def test_1(self):
        """2,000 orphans, 500 at once, are all reaped, and none is taken for a service"""
        before = self.what_runs()
        self.ok("start", "storm")
        await_true("the end of all orphans", lambda: not any(
            b"orphans" in text for text in map(command_of, children(1))))
        await_true("no zombie to be left", lambda: not zombies())
        self.assertEqual(self.what_runs(), before)

    def test_2(self):
        """the engine is killed 50 times: no service is restarted or lost"""
        before = self.what_runs()
        for kill in range(50):
            if kill % 4 == 0:  # the keeper waits longer each time for one that never lived long
                await_true("an engine that has lived", lambda: age_of(machine.role("engine")) > 1)
            machine.kill_role("engine")
        await_true("answers", machine.answers)
        self.assertEqual(self.what_runs(), before)
        self.assertTrue(all(alive(pid) for pid, _ in before.values()))

    def test_3(self):
        """jailer and logger are killed: no service is restarted or lost, starts go on"""
        before = self.what_runs()
        for role in ("jailer", "logger", "jailer"):
            machine.kill_role(role)
        await_true("answers", machine.answers)
        self.assertEqual(self.what_runs(), before)
        self.ok("start", "raised")
        self.ok("stop", "raised")

    def test_4(self):
        """a service that crashed is there again, and counted once"""
        before = machine.status("web")
        os.kill(before["pid"], signal.SIGKILL)
        after = await_true("the restart", lambda: (
            lambda now: now if now["pid"] not in (None, before["pid"]) else None)(
                machine.status("web")))
        self.assertEqual(after["restarts"], before["restarts"] + 1)


class Delegated(Case):
    """Other supervisors, below this one's unit: not at the root of the hierarchy."""
    AREA = "delegated"

    @classmethod
    def setUpClass(cls):
        """Controllers are handed on only from a group without processes (cgroups(7))."""
        cls.group = group_of(os.getpid())
        (cls.group / "cases").mkdir()
        (cls.group / "cases/cgroup.procs").write_text("0")
        (cls.group / "cgroup.subtree_control").write_text("+memory +pids +cpu +io")

    def run_suite(self, name, *arguments):
        """The program alone in a group of its own, which is empty and nothing more afterwards."""
        group = self.group / name
        group.mkdir()
        result = subprocess.run(
            [f"{os.environ['JAILSVC_BUILD']}/tests/{name}", "--use-colour", "no", *arguments],
            capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
            preexec_fn=lambda: (group / "cgroup.procs").write_text("0"))
        self.assertEqual(result.returncode, 0, result.stdout[-20000:] + result.stderr[-5000:])
        self.assertEqual([entry.name for entry in group.iterdir() if entry.is_dir()], [])
        group.rmdir()

    def test_1(self):
        """groups of units lie in the group that was handed over, and nothing is left in it"""
        # Not where a supervisor is the child of another process, which is a stranger in the group.
        self.run_suite("test-jail", "[cgroup]~[alone]~delegated:*")

    def test_2(self):
        """ways out of jails are closed"""
        self.run_suite("test-escape")


def age_of(pid):
    """How long it has lived [s] (proc_pid_stat(5), field 22)."""
    ticks = int(text_of(f"/proc/{pid}/stat").rsplit(")", 1)[1].split()[19])
    return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")


def command_of(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def main():
    try:
        report.run("cases")
    finally:
        report.tell("end")
        os.kill(1, signal.SIGTERM)


if __name__ == "__main__":
    main()
