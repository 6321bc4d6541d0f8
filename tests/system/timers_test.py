"""Units that run by the clock."""
import json
import os
import pathlib
import signal
import time
import unittest

from harness import Supervisor, SystemTest, await_true, main

RUN = '[service]\ntype = "oneshot"\nexec_start = ["/bin/echo", "ran"]\n'


class Timers(SystemTest):
    UNITS = {
        "soon": RUN + '[timer]\non_active = "200ms"\n',
        "often": RUN + '[timer]\nevery = "1s"\n',
        "second": RUN + '[timer]\non_calendar = ["*:*:*"]\n',
        "yearly": RUN + '[timer]\non_calendar = ["yearly UTC"]\n',
        "past": RUN + '[timer]\non_boot = "1ms"\n',
        "fails": '[service]\ntype = "oneshot"\nexec_start = ["/bin/false"]\n'
                 '[timer]\non_active = "10ms"\n',
        "long": '[service]\nexec_start = ["/bin/sleep", "1000"]\n[timer]\non_active = "10ms"\n',
        "plain": RUN,
        "first": '[unit]\nrequires = ["yearly"]\nafter = ["yearly"]\n' + RUN,
        "never": RUN + '[timer]\non_calendar = ["2020-01-01"]\n',
    }

    def start(self, unit):
        self.ok("start", unit)
        self.addCleanup(self.supervisor.run, "reset-failed", unit)
        self.addCleanup(self.supervisor.run, "stop", unit)

    def await_runs(self, unit, count):
        return await_true(f"{count} runs of {unit}",
                          lambda: len(self.supervisor.lines(unit)) >= count)

    def timer(self, unit):
        timers = json.loads(self.ok("list-timers", "--json"))["timers"]
        return next(one for one in timers if one["unit"] == unit)

    def test_a_start_lets_it_wait_and_a_time_runs_it_once(self):
        self.start("soon")
        self.await_runs("soon", 1)
        status = self.supervisor.await_state("soon", "scheduled")
        self.assertIsNone(status["next_run"])
        self.assertEqual(self.supervisor.run("status", "soon").returncode, 0)
        self.ok("stop", "soon")
        self.assertEqual(self.supervisor.status("soon")["state"], "inactive")

    def test_intervals_and_the_calendar_run_it_again_and_again(self):
        for unit in ("often", "second"):
            self.start(unit)
        for unit in ("often", "second"):
            self.await_runs(unit, 2)
            self.ok("stop", unit)

    def test_a_boot_that_is_over_runs_it_at_once_and_once(self):
        self.start("past")
        self.await_runs("past", 1)
        self.supervisor.await_state("past", "scheduled")
        self.assertIsNone(self.timer("past")["next"])

    def test_what_waits_for_long_says_until_when(self):
        self.start("yearly")
        status = self.supervisor.status("yearly")
        self.assertEqual(status["state"], "scheduled")
        year = time.gmtime(status["next_run"] / 1e6)
        self.assertEqual((year.tm_mon, year.tm_mday, year.tm_hour), (1, 1, 0))
        self.assertIn("next run", self.ok("status", "yearly"))
        self.assertRegex(self.ok("list-timers"), r"yearly +scheduled +\d{4}-01-01 00:00:00Z, in ")
        # Who needs it need not wait for its run.
        self.ok("start", "first")
        self.start("never")
        self.assertIsNone(self.timer("never")["next"])

    def test_trigger_runs_it_now_and_nothing_that_does_not_wait(self):
        self.start("yearly")
        before = len(self.supervisor.lines("yearly"))
        self.ok("trigger", "yearly")
        self.await_runs("yearly", before + 1)
        self.supervisor.await_state("yearly", "scheduled")
        self.assertIn("waits neither", self.fails(1, "trigger", "plain"))

    def test_a_run_that_fails_is_shown_and_the_next_one_comes(self):
        self.start("fails")
        status = await_true("a failed run", lambda: (
            lambda s: s if s["last_exit"] and s["state"] == "scheduled" else None)(
                self.supervisor.status("fails")))
        self.assertEqual(status["last_exit"]["code"], 1)
        self.assertIn("exit code 1", status["because"])

    def test_a_service_that_stays_runs_until_it_is_stopped(self):
        self.start("long")
        self.supervisor.await_state("long", "running")
        self.ok("stop", "long")
        self.assertEqual(self.supervisor.status("long")["state"], "inactive")

    def test_the_engine_s_death_does_not_lose_a_time(self):
        self.start("often")
        self.start("yearly")
        next_run = self.supervisor.status("yearly")["next_run"]
        self.await_runs("often", 1)
        os.kill(self.supervisor.role("engine"), signal.SIGKILL)
        await_true("the next engine", self.supervisor.answers)
        self.await_runs("often", len(self.supervisor.lines("often")) + 1)
        self.assertEqual(self.supervisor.status("yearly")["next_run"], next_run)
        self.assertEqual(self.supervisor.status("yearly")["state"], "scheduled")

    def test_new_times_hold_after_a_reload(self):
        self.supervisor.write("changes", RUN + '[timer]\non_calendar = ["yearly UTC"]\n')
        self.ok("daemon-reload")
        self.start("changes")
        self.supervisor.write("changes", RUN + '[timer]\non_active = "10ms"\n')
        self.ok("daemon-reload")
        self.await_runs("changes", 1)

    def test_what_is_wrong_with_times_is_told_in_place(self):
        folder = pathlib.Path(self.supervisor.folder)
        for text, error in ((RUN + '[timer]\non_calendar = ["daily", "25:00"]\n',
                             r"5:25: .*hour 25 is not within 0 to 23"),
                            (RUN + "[timer]\n", "says no time"),
                            (RUN + "remain_after_exit = true\n[timer]\nevery = 5\n",
                             "would run once and never again"),
                            ('[timer]\nevery = 5\n', r"no \[service\]")):
            path = folder / "wrong.toml"
            path.write_text(text)
            result = self.supervisor.run("verify", path)
            self.assertEqual(result.returncode, 1)
            self.assertRegex(result.stdout + result.stderr, error)


class Persistent(unittest.TestCase):
    def test_a_time_missed_while_nothing_ran_is_made_up(self):
        if os.geteuid() != 0:
            self.skipTest("skipped: needs root")
        unit = RUN + '[timer]\non_calendar = ["*-*-* 00:00:00 UTC"]\npersistent = {}\n'
        supervisor = Supervisor({"kept": unit.format("true"), "not": unit.format("false")}).start()
        self.addCleanup(supervisor.remove)
        try:
            supervisor.run("start", "kept", "not")
            self.assertEqual(supervisor.status("kept")["state"], "scheduled")
            self.assertEqual(supervisor.lines("kept"), [], "the first start made something up")
            supervisor.run("stop", "kept", "not")
            stamp = supervisor.state / "lib/timers/kept"
            two_days_ago = time.time() - 2 * 86400
            os.utime(stamp, (two_days_ago, two_days_ago))
            supervisor.run("start", "kept", "not")
            await_true("the missed run", lambda: supervisor.lines("kept") == ["ran"]
                       or len(supervisor.lines("kept")) == 1)
            self.assertEqual(supervisor.lines("not"), [], "nothing asked for that")
            self.assertGreater(stamp.stat().st_mtime, two_days_ago + 86400)
            supervisor.await_state("kept", "scheduled")  # its run may not be over yet
        finally:
            supervisor.stop()


if __name__ == "__main__":
    main()
