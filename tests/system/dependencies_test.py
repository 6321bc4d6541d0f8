"""What units are to each other, with real processes: essential, on_failure, binds_to."""
import os
import signal
import subprocess
import unittest

from harness import CLIENT, Supervisor, SystemTest, await_true, main

SLEEP = '[service]\nexec_start = ["/bin/sleep", "infinity"]\n'


def script(text, table="", unit=""):
    return f'[unit]\n{unit}\n[service]\n{table}\nexec_start = ["/bin/sh", "-c", "{text}"]\n'


@unittest.skipUnless(os.geteuid() == 0, "skipped: needs root")
class Essential(unittest.TestCase):
    """Each test has a supervisor of its own, since it ends."""

    def supervisor(self, units):
        made = Supervisor(units).start()
        self.addCleanup(self.end, made)
        return made

    @staticmethod
    def end(supervisor):
        supervisor.stop()
        supervisor.remove()

    def test_its_exit_code_is_the_supervisors(self):
        sup = self.supervisor({"app": script("read line; exit 7", unit="essential = true"),
                               "other": SLEEP})
        sup.run("start", "other")
        other = sup.pid("other")
        self.assertTrue(other)
        sup.run("start", "app")  # nothing to read: it ends at once
        self.assertEqual(sup.keeper.wait(30), 7)
        self.assertFalse(os.path.exists(f"/proc/{other}"))

    def test_a_signal_that_ends_it_is_told_as_a_shell_does(self):
        sup = self.supervisor({"app": '[unit]\nessential = true\n' + SLEEP})
        sup.run("start", "app")
        os.kill(sup.pid("app"), signal.SIGKILL)
        self.assertEqual(sup.keeper.wait(30), 128 + signal.SIGKILL)

    def test_a_stop_that_was_asked_for_is_no_end(self):
        sup = self.supervisor({"app": '[unit]\nessential = true\n' + SLEEP})
        sup.run("start", "app")
        self.assertEqual(sup.run("stop", "app").returncode, 0)
        self.assertEqual(sup.run("start", "app").returncode, 0)
        self.assertIsNone(sup.keeper.poll())

    def test_the_end_outlives_the_engine(self):
        """The essential unit has ended, something stops slowly, the engine dies meanwhile."""
        sup = self.supervisor({
            "app": script("read line; exit 9", unit="essential = true"),
            "slow": script("trap : TERM; echo up; while :; do sleep 100 & wait; done",
                           'timeout_stop = "2s"')})
        sup.run("start", "slow")
        log = sup.state / "log/slow.log"
        await_true("its handler", lambda: log.exists() and "up" in log.read_text())
        start = subprocess.Popen([CLIENT, "--state", sup.state, "start", "app"],
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        await_true("the stop", lambda: "stopping everything" in sup.said())
        os.kill(sup.role("engine"), signal.SIGKILL)
        self.assertEqual(sup.keeper.wait(60), 9)
        start.wait(30)


class Dependencies(SystemTest):
    UNITS = {
        "db": SLEEP + 'restart = "always"\nrestart_delay = 0\n',
        "api": '[unit]\nbinds_to = ["db"]\n' + SLEEP,
        "fails": script("exit 4", 'type = "oneshot"', 'on_failure = ["alarm@fails"]'),
        "alarm@": script("echo %i has failed", 'type = "oneshot"'),
    }

    def test_what_binds_to_a_unit_restarts_with_it(self):
        self.ok("start", "api")
        before = self.supervisor.pid("api")
        os.kill(self.supervisor.pid("db"), signal.SIGKILL)
        await_true("api with another pid",
                   lambda: self.supervisor.pid("api") not in (None, before))

    def test_a_failure_starts_another_unit(self):
        self.supervisor.run("start", "fails")
        log = self.supervisor.state / "log/alarm@fails.log"
        await_true("the alarm",
                   lambda: log.exists() and "fails has failed" in log.read_text())


if __name__ == "__main__":
    main()
