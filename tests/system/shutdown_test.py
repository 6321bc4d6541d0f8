"""`jailsvc shutdown`: what its exit code promises."""
import json
import os
import signal
import unittest

from harness import DEADLINE, Supervisor, alive, await_true, main

SLOW = ('[service]\nexec_start = ["/bin/sh", "-c", "trap \'\' TERM; echo up; while :; do sleep 1;'
        ' done"]\ntimeout_stop = "1min"\n')


@unittest.skipIf(os.geteuid() != 0, "skipped: needs root")
class Shutdown(unittest.TestCase):
    def supervisor(self, **units):
        supervisor = Supervisor(units).start()
        self.addCleanup(supervisor.remove)
        self.addCleanup(supervisor.stop)
        return supervisor

    def test_it_returns_when_the_supervisor_has_ended(self):
        supervisor = self.supervisor(sleep='[service]\nexec_start = ["/bin/sleep", "infinity"]\n')
        self.assertEqual(supervisor.run("start", "sleep").returncode, 0)
        pid = supervisor.pid("sleep")
        result = supervisor.run("shutdown", "--json")
        self.assertEqual((result.returncode, json.loads(result.stdout)), (0, {"ended": True}))
        self.assertFalse(alive(supervisor.keeper.pid))
        self.assertFalse(alive(pid))
        self.assertEqual(supervisor.stop(), 0)
        result = supervisor.run("shutdown")
        self.assertEqual(result.returncode, 1)
        self.assertIn("no supervisor answers at", result.stderr)

    def test_no_notify_socket_is_left(self):
        notify = ('[service]\ntype = "notify"\nexec_start = ["/bin/sleep", "infinity"]\n'
                  'timeout_start = "infinity"\n')
        supervisor = self.supervisor(private=notify, open=notify + '[jail]\nprofile = "host"\n')
        for unit, root in (("private", "notify"), ("open", "notify-open")):
            self.assertEqual(supervisor.run("start", "--no-block", unit).returncode, 0)
            path = supervisor.state / "run" / root / unit / "socket"
            await_true("its socket", path.exists)  # that a shutdown finds one is the control
        self.assertEqual(supervisor.run("shutdown").returncode, 0)
        for root in ("notify", "notify-open"):
            self.assertFalse((supervisor.state / "run" / root).exists(), root)

    def test_what_does_not_wait_says_so(self):
        supervisor = self.supervisor(slow=SLOW)
        self.assertEqual(supervisor.run("start", "slow").returncode, 0)
        await_true("its trap", lambda: supervisor.lines("slow"))
        self.assertEqual(supervisor.run("shutdown", "--timeout", "soon").returncode, 2)
        self.assertEqual(supervisor.run("status", "slow").returncode, 0)
        result = supervisor.run("shutdown", "--no-block", "--json")
        self.assertEqual((result.returncode, json.loads(result.stdout)), (0, {"ended": False}))
        result = supervisor.run("shutdown", "--timeout", "0")
        self.assertEqual(result.returncode, 1)
        self.assertIn("has not ended in time", result.stderr)
        status = supervisor.status("slow")
        self.assertEqual(status["state"], "stopping")
        # The engine's own end is no signal's: the first one leaves the unit its time, only the
        # second hurries.
        os.kill(supervisor.keeper.pid, signal.SIGTERM)
        self.assertEqual(supervisor.run("shutdown", "--timeout", "0s").returncode, 1)
        os.kill(status["pid"], signal.SIGKILL)
        self.assertEqual(supervisor.keeper.wait(DEADLINE), 0)


if __name__ == "__main__":
    main()
