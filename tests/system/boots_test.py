"""What a supervisor remembers of the one before it: restart = "unless-stopped"."""
import json
import os
import unittest

from harness import Supervisor, SystemTest, await_true, main

SERVICE = '[service]\nexec_start = ["/bin/sleep", "1000"]\nrestart = "{}"\n'
WANTED = '[install]\nwanted_by = ["default"]\n'


class Boots(unittest.TestCase):
    def setUp(self):
        if os.geteuid() != 0:
            self.skipTest("skipped: needs root")
        self.supervisor = Supervisor({
            "wanted": SERVICE.format("unless-stopped") + WANTED,
            "always": SERVICE.format("always") + WANTED,
            "free": SERVICE.format("unless-stopped"),
            "off": SERVICE.format("unless-stopped") + "[install]\nenabled = false\n",
            "needed": SERVICE.format("unless-stopped"),
            "needs": '[unit]\nrequires = ["needed"]\n' + SERVICE.format("always"),
        })
        self.addCleanup(self.supervisor.remove)
        self.addCleanup(self.supervisor.stop)
        self.supervisor.start()

    def boot(self):
        self.assertEqual(self.supervisor.stop(), 0)
        self.supervisor.start()
        self.supervisor.await_state("always", "running")

    def state(self, unit):
        return self.supervisor.status(unit)["state"]

    def test_a_stop_by_hand_is_remembered_and_so_is_a_start(self):  # [S1.10]
        self.supervisor.await_state("wanted", "running")
        self.supervisor.run("stop", "wanted", "always")
        self.assertIn("stopped by hand", self.supervisor.run("status", "wanted").stdout)
        self.supervisor.run("start", "free", "off")
        self.boot()
        self.supervisor.await_state("free", "running")
        self.assertEqual(self.state("wanted"), "inactive")
        self.assertEqual(self.state("off"), "inactive")
        for path in (self.supervisor.state / "lib/asked").iterdir():
            self.assertEqual((path.stat().st_uid, path.stat().st_mode & 0o777), (0, 0o644))
        # Until it is started again.
        self.supervisor.run("start", "wanted")
        self.supervisor.run("stop", "free")
        self.boot()
        self.supervisor.await_state("wanted", "running")
        self.assertEqual(self.state("free"), "inactive")

    def test_a_crash_is_no_stop_and_neither_is_the_end_of_everything(self):  # [S1.10]
        pid = self.supervisor.await_state("wanted", "running")["pid"]
        self.supervisor.run("kill", "--signal", "KILL", "wanted")
        await_true("it to come back", lambda: self.supervisor.pid("wanted") not in (None, pid))
        self.boot()
        self.supervisor.await_state("wanted", "running")

    def test_what_another_unit_requires_starts_all_the_same(self):
        self.supervisor.run("start", "needed")
        self.supervisor.run("stop", "needed")
        self.supervisor.run("start", "needs")
        self.assertEqual(self.state("needed"), "running")

    def test_only_the_policy_that_the_file_has_now_counts(self):
        self.supervisor.await_state("wanted", "running")
        self.supervisor.run("stop", "wanted")
        self.supervisor.write("wanted", SERVICE.format("always") + WANTED)
        self.boot()
        self.supervisor.await_state("wanted", "running")


class Delays(SystemTest):
    UNITS = {"crashes": '[unit]\nstart_limit_burst = 100\n[service]\nexec_start = ["/bin/false"]\n'
                        'restart = "on-failure"\nrestart_delay = "5s"\nrestart_delay_max = "30s"\n'}

    def test_the_next_restart_and_the_delays_to_come_are_shown(self):
        self.supervisor.run("start", "--no-block", "crashes")
        self.addCleanup(self.supervisor.run, "stop", "crashes")
        status = self.supervisor.await_state("crashes", "backoff")
        self.assertLessEqual(status["next_restart"], 5_000_000)
        self.assertGreater(status["next_restart"], 0)
        self.assertEqual(status["next_delays"], [10_000_000, 20_000_000, 30_000_000, 30_000_000])
        self.assertRegex(self.supervisor.run("status", "crashes").stdout,
                         r"next start: in .*, then after 10s, 20s, 30s, 30s, \.\.\.")
        self.ok("reset-failed", "crashes")
        self.assertEqual(self.supervisor.status("crashes")["restarts"], 0)
        self.ok("stop", "crashes")
        self.assertEqual(self.supervisor.status("crashes")["next_delays"], [])


if __name__ == "__main__":
    main()
