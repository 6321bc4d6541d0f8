"""What a unit's control group tells: use, limits that were hit, why it ended."""
import os
import time

from harness import SystemTest, await_true, main

HOG = '[service]\nexec_start = ["/usr/bin/python3", "-c", "x = bytearray(200000000)"]\n'
# A shell gives up at the first fork that is refused.
FORKS = '''[service]
exec_start = ["/usr/bin/python3", "-c", """
import os, time
for i in range(8):
    try:
        if os.fork() == 0:
            break
    except OSError:
        pass
time.sleep(1000)
"""]
'''

SPIN = '[service]\nexec_start = ["/bin/sh", "-c", "while :; do :; done"]\n'

# More processes than processors; says when it got the signal, which does nothing before it listens.
BUSY = '''[service]
exec_start = ["/bin/sh", "-c", """
trap 'echo told; kill $(jobs -p); exit 0' WINCH
for i in 1 2 3 4 5 6 7 8; do while :; do :; done & done
wait"""]
'''


def has_pressure():
    return any(os.path.exists(f"/sys/fs/cgroup/{below}cpu.pressure") for below in ("", "unified/"))


def has_controller(name):
    with open("/proc/self/mountinfo") as mounts:
        on_v1 = any(" - cgroup " in line and name in line.split(" - ")[1].split()[2].split(",")
                    for line in mounts)
    path = "/sys/fs/cgroup/cgroup.controllers"
    return on_v1 or (os.path.exists(path) and name in open(path).read().split())


class Limits(SystemTest):
    UNITS = {
        "hog": HOG + '[jail.cgroups]\nmemory_max = "32M"\nmemory_swap_max = 0\n',
        "free-hog": HOG,
        "half": SPIN + '[jail.cgroups]\ncpu_quota = "50%"\n',
        "whole": SPIN,
        "forks": FORKS + '[jail.cgroups]\ntasks_max = 5\n',
        "free-forks": FORKS,
        "told": HOG + 'exec_stop_post = ["/bin/sh", "-c", "echo ended: $SERVICE_RESULT"]\n'
                '[jail.cgroups]\nmemory_max = "32M"\nmemory_swap_max = 0\n',
        **{f"busy-{name}": BUSY + f'[jail.cgroups]\ncpu_pressure = "some 50ms 2s"\n'
                                  f'on_cpu_pressure = "{action}"\n'
           for name, action in (("log", "log"), ("stop", "stop"), ("restart", "restart"),
                                ("signal", "signal:WINCH"))},
    }

    def setUp(self):
        if not (has_controller("memory") and has_controller("pids")):
            self.skipTest("skipped: no memory and pids controllers here")

    def test_out_of_memory_is_why_it_failed(self):  # [S4.6][E30]
        self.supervisor.run("start", "hog")
        self.supervisor.await_state("hog", "failed")
        status = self.supervisor.status("hog")
        self.assertEqual(status["last_exit"], {"kind": "oom-kill", "code": 9})
        self.assertIn("out of memory", status["because"])
        # Control: with memory enough it ends by itself.
        self.supervisor.run("start", "free-hog")
        await_true("the end of free-hog",
                   lambda: self.supervisor.status("free-hog")["last_exit"] is not None)
        self.assertEqual(self.supervisor.status("free-hog")["last_exit"],
                         {"kind": "exited", "code": 0})

    def test_what_it_was_given_and_what_it_hit_is_logged(self):  # [S4.19]
        self.supervisor.run("start", "hog")
        self.supervisor.await_state("hog", "failed")
        self.assertRegex(self.supervisor.said(), r"hog: uid \d+ is its own from now on")
        self.assertRegex(self.supervisor.said(), r"hog: .*out of memory")
        self.assertNotIn("never-started: uid", self.supervisor.said())  # control

    def test_exec_stop_post_hears_of_it(self):
        self.supervisor.run("start", "told")
        self.supervisor.await_state("told", "failed")
        await_true("what it was told", lambda: "ended: oom-kill" in self.ok("logs", "told"))

    def test_pressure_has_its_action(self):
        if not has_pressure():
            self.skipTest("skipped: groups tell no pressure here")
        units = [f"busy-{name}" for name in ("log", "stop", "restart", "signal")]
        self.ok("start", *units)
        pids = {unit: self.supervisor.pid(unit) for unit in units}
        self.supervisor.await_state("busy-stop", "inactive")
        await_true("busy-log to be counted",
                   lambda: self.supervisor.status("busy-log")["pressure"] > 0)
        await_true("another run", lambda: self.supervisor.pid("busy-restart") not in (
            None, pids["busy-restart"]))
        await_true("the signal", lambda: "told" in self.ok("logs", "busy-signal"))
        self.assertEqual(self.supervisor.pid("busy-log"), pids["busy-log"])  # control: only told
        self.assertIn("over its pressure triggers", self.ok("status", "busy-log"))
        self.ok("stop", *units)

    def test_half_a_processor_is_half_a_processor(self):  # [S4.7]
        if not has_controller("cpu"):
            self.skipTest("skipped: no cpu controller here")

        def share(unit):
            """Of one processor, over two seconds."""
            before, begin = self.supervisor.status(unit)["cpu"], time.monotonic()
            await_true("two seconds to pass", lambda: time.monotonic() - begin > 2)
            after, end = self.supervisor.status(unit)["cpu"], time.monotonic()
            return (after - before) / 1e6 / (end - begin)

        self.ok("start", "half")
        half = share("half")
        self.ok("stop", "half")
        self.assertLessEqual(half, 0.55)
        self.ok("start", "whole")
        whole = share("whole")
        self.ok("stop", "whole")
        if whole < 0.9:  # control
            self.skipTest(f"skipped: the machine is too busy: {whole:.2f} of a processor unlimited")
        self.assertGreaterEqual(half, 0.45)

    def test_refused_forks_are_told(self):  # [S4.8][E30]
        self.ok("start", "forks")
        await_true("refused tasks", lambda: self.supervisor.status("forks")["refused_tasks"] > 0)
        self.assertLessEqual(self.supervisor.status("forks")["tasks"], 5)
        self.ok("start", "free-forks")
        await_true("nine tasks", lambda: self.supervisor.status("free-forks")["tasks"] >= 10)
        self.assertEqual(self.supervisor.status("free-forks")["refused_tasks"], 0)


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("skipped: needs root")
    else:
        main()
