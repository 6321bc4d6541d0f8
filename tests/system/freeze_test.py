"""`jailsvc freeze` and `thaw`: processes held where they are, and whatever ends them all the same."""
import os
import pathlib

from harness import SystemTest, await_true, main

# Counts as fast as it can; says so when it is told to end.
COUNTER = '''[service]
exec_start = ["/usr/bin/python3", "-c", """
import os, signal, sys
def end(*_):
    print("ended by itself", flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
print("counts", flush=True)
while True:
    pass
"""]
timeout_stop = "20s"
'''


def ticks(pid):
    """Of processor time that it has had."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


class Freeze(SystemTest):
    UNITS = {"counter": COUNTER, "other": COUNTER, "idle": COUNTER,
             "stopper": COUNTER + 'exec_stop = ["/bin/echo", "stop ran"]\n'}

    def up(self, unit):
        self.ok("start", unit)
        await_true("its first word", lambda: "counts" in self.ok("logs", unit))
        return self.supervisor.pid(unit)

    def frozen(self, unit):
        return self.supervisor.status(unit)["frozen"]

    def test_it_stands_still_and_goes_on(self):  # [S4.10]
        pid, other = self.up("counter"), self.up("other")
        self.assertFalse(self.frozen("counter"))
        self.ok("freeze", "counter")
        self.assertTrue(self.frozen("counter"))
        self.assertIn("running (frozen)", self.ok("status", "counter"))
        before, before_other = ticks(pid), ticks(other)
        await_true("the other one to count", lambda: ticks(other) > before_other + 5)  # control
        self.assertEqual(ticks(pid), before)
        self.assertEqual(self.supervisor.pid("counter"), pid)
        self.ok("thaw", "counter")
        self.assertFalse(self.frozen("counter"))
        await_true("it to count on", lambda: ticks(pid) > before + 1)
        self.ok("stop", "counter", "other")

    def test_a_stop_thaws_it_and_it_ends_by_itself(self):
        for unit in ("counter", "stopper"):
            self.up(unit)
            self.ok("freeze", unit)
            self.ok("stop", unit)
            self.supervisor.await_state(unit, "inactive")
            self.assertIn("ended by itself", self.ok("logs", unit))
        self.assertIn("stop ran", self.ok("logs", "stopper"))
        self.up("counter")  # the next run is in the same group
        self.assertFalse(self.frozen("counter"))
        self.ok("stop", "counter")

    def test_a_new_jailer_knows_that_it_is_frozen(self):
        pid = self.up("counter")
        self.ok("freeze", "counter")
        old = self.supervisor.role("jailer")
        os.kill(old, 9)
        await_true("another jailer", lambda: self.supervisor.role("jailer") != old)
        self.assertTrue(self.frozen("counter"))
        refused = self.supervisor.run("exec", "counter", "--", "/bin/true")
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("thaw", refused.stderr)
        self.ok("stop", "counter")
        self.assertFalse(os.path.exists(f"/proc/{pid}"))

    def test_what_does_not_run_cannot_be_frozen(self):
        refused = self.supervisor.run("freeze", "idle")
        self.assertEqual(refused.returncode, 1)
        self.assertIn("no main process runs", refused.stderr)
        self.assertEqual(self.supervisor.run("freeze", "nosuch").returncode, 5)


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("skipped: needs root")
    else:
        main()
