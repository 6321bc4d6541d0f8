"""What a unit's control group tells: use, limits that were hit, why it ended."""
import os

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
        "forks": FORKS + '[jail.cgroups]\ntasks_max = 5\n',
        "free-forks": FORKS,
    }

    def setUp(self):
        if not (has_controller("memory") and has_controller("pids")):
            self.skipTest("skipped: no memory and pids controllers here")

    def test_out_of_memory_is_why_it_failed(self):
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

    def test_refused_forks_are_told(self):
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
