"""Hostile services and users, together with well-behaved ones: the supervisor stays responsive, and
says no. What a jail holds back is tried in tests/escape."""
import os
import pathlib
import signal
import subprocess
import sys
import time

import harness

PATIENCE = 5.0  # seconds that an answer may take on a machine that is busy with the siege


def as_nobody():
    os.setgroups([])
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)


class Siege(harness.SystemTest):
    UNITS = {
        "calm": '[service]\nexec_start = ["/bin/sleep", "1000"]\n',
        "storm": '[unit]\nstart_limit_burst = 100000\n[service]\nexec_start = ["/bin/false"]\n'
                 'restart = "always"\nrestart_delay = 0\n',
        "flood": '[service]\nexec_start = ["/usr/bin/timeout", "2", "/usr/bin/yes", "flooding"]\n',
        "thief": '[service]\nexec_start = ["/bin/sh", "-c", '
                 '"cat </dev/stdout >/dev/null & for i in $(seq 2000); do echo line; done; '
                 'kill $!; wait; i=0; while [ $i -lt 20000 ]; do echo after; i=$((i+1)); done"]\n',
        "say": '[service]\ntype = "oneshot"\nexec_start = ["/bin/sh", "-c", "echo said"]\n',
    }

    def answers_in_time(self):
        begun = time.monotonic()
        self.ok("status", "calm", timeout=PATIENCE)
        return time.monotonic() - begun

    def test_a_storm_of_exits_leaves_room_for_others(self):  # [E30]
        self.ok("start", "calm")
        self.supervisor.run("start", "--no-block", "storm")
        storm = harness.await_true(
            "a few restarts", lambda: self.supervisor.status("storm").get("restarts", 0) > 5)
        self.assertTrue(storm)
        for _ in range(20):
            self.assertLess(self.answers_in_time(), PATIENCE)
        self.ok("stop", "storm")
        self.assertEqual(self.supervisor.status("calm")["state"], "running")
        self.ok("stop", "calm")

    def test_a_flood_of_output_leaves_room_for_others(self):  # [E30]
        self.ok("start", "calm", "flood")
        for _ in range(20):
            self.assertLess(self.answers_in_time(), PATIENCE)
        self.ok("start", "say")
        harness.await_true("the other's line", lambda: "said" in self.ok("logs", "say"))
        self.ok("stop", "flood", "calm")

    def test_a_service_that_reads_its_own_output_keeps_its_log(self):
        # What it steals while a block is being logged may cost it as much of what comes next, at
        # most a block: what it writes afterwards is longer.
        self.supervisor.run("start", "thief")
        harness.await_true("its last line", lambda: "after" in self.ok("logs", "thief"))

    def test_an_idle_unit_keeps_its_log_when_the_jailer_dies(self):
        self.ok("start", "say")
        harness.await_true("the line", lambda: "said" in self.ok("logs", "say"))
        before = self.ok("logs", "say").count("said")
        jailer = self.supervisor.role("jailer")
        os.kill(jailer, signal.SIGKILL)
        harness.await_true("another jailer", lambda: self.supervisor.role("jailer") != jailer)
        harness.await_true("a start", lambda: self.supervisor.run("start", "say").returncode == 0)
        harness.await_true("the line again",
                           lambda: self.ok("logs", "say").count("said") > before)

    def test_an_ordinary_user_may_look_and_nothing_else(self):
        self.ok("start", "calm")
        told = self.supervisor.run("status", "calm", preexec_fn=as_nobody)
        self.assertEqual(told.returncode, 0, told.stderr)
        for refused in (("stop", "calm"), ("restart", "calm"), ("kill", "calm"), ("logs", "calm"),
                        ("exec", "calm", "--", "/bin/true"), ("daemon-reload",), ("start", "say")):
            result = self.supervisor.run(*refused, preexec_fn=as_nobody)
            self.assertEqual(result.returncode, 4, refused)
        self.assertEqual(self.supervisor.status("calm")["state"], "running")
        self.ok("stop", "calm")  # the control: root may

    def test_what_the_supervisor_keeps_is_closed_to_others(self):
        self.ok("start", "say")
        state = self.supervisor.state
        for path in (state / "lib/uids", state / "log/say.log"):
            self.assertTrue(path.exists(), path)
            read = subprocess.run(["cat", path], preexec_fn=as_nobody, capture_output=True,
                                  check=False)
            self.assertNotEqual(read.returncode, 0, path)
        for folder in (state, state / "run", state / "lib", state / "log", state / "run/stage"):
            self.assertEqual(folder.stat().st_mode & 0o022, 0, folder)
            made = subprocess.run(["mkdir", pathlib.Path(folder) / "planted"],
                                  preexec_fn=as_nobody, capture_output=True, check=False)
            self.assertNotEqual(made.returncode, 0, folder)


if __name__ == "__main__":
    sys.exit(harness.main())
