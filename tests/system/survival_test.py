"""Services outlive the death of the processes that look after them; nothing outlives a stop."""
import os
import pathlib
import platform
import signal
import threading
import unittest

from harness import (DEADLINE, Supervisor, SystemTest, alive, await_true, children,
                     command_line, main)
from tracer import Tracer

SLEEP = '[service]\nexec_start = ["/bin/sleep", "infinity"]\n'
RESTARTED = SLEEP + 'restart = "always"\nrestart_delay = 0\n'
TALKS = ('[service]\nexec_start = ["/bin/sh", "-c", "i=0; while :; do i=$((i+1)); echo line $i;'
         ' sleep 0.01; done"]\n')


class Survival(SystemTest):
    UNITS = {"kept": RESTARTED, "other": SLEEP, "talks": TALKS}

    def setUp(self):
        self.ok("start", "kept", "other")

    def kill_role(self, name):
        before = self.supervisor.role(name)
        os.kill(before, signal.SIGKILL)
        await_true(f"a new {name}", lambda: self.supervisor.role(name) != before)
        await_true("answers", self.supervisor.answers)

    def supervised_again(self):
        """A crash is noticed, restarted once, and a stop works."""
        before = self.supervisor.pid("kept")
        restarts = self.supervisor.status("kept")["restarts"]
        os.kill(before, signal.SIGKILL)
        after = await_true("the restart", lambda: (
            lambda pid: pid if pid not in (None, before) else None)(self.supervisor.pid("kept")))
        self.assertTrue(alive(after))
        self.assertEqual(self.supervisor.status("kept")["restarts"], restarts + 1)
        other = self.supervisor.pid("other")
        self.ok("stop", "other")
        self.assertFalse(alive(other))

    def check_death_of(self, role):
        pids = self.supervisor.pid("kept"), self.supervisor.pid("other")
        self.kill_role(role)
        self.assertEqual(pids, (self.supervisor.pid("kept"), self.supervisor.pid("other")))
        self.assertTrue(all(alive(pid) for pid in pids))
        self.supervised_again()

    def test_the_engine_dies(self):
        self.check_death_of("engine")

    def test_the_jailer_dies(self):
        self.check_death_of("jailer")

    def test_questions_wait_for_who_is_being_restarted(self):
        for role, commands in (("logger", [["logs", "other"]]),
                               ("jailer", [["plan", "other"],
                                           ["exec", "other", "--", "/bin/true"]])):
            before = self.supervisor.role(role)
            os.kill(before, signal.SIGKILL)
            await_true("its end", lambda: not alive(before))
            for command in commands:
                self.ok(*command)

    def test_a_service_that_ends_while_the_engine_is_dead_is_restarted(self):
        before = self.supervisor.pid("kept")
        engine = self.supervisor.role("engine")
        os.kill(engine, signal.SIGSTOP)  # so that it cannot see the end
        os.kill(before, signal.SIGKILL)
        os.kill(engine, signal.SIGKILL)
        after = await_true("the restart", lambda: (
            lambda pid: pid if pid not in (None, before) else None)(
                self.supervisor.answers() and self.supervisor.pid("kept")))
        self.assertTrue(alive(after))

    def test_the_logger_dies_and_no_line_is_lost(self):
        self.ok("start", "talks")
        pid = self.supervisor.pid("talks")
        log = self.supervisor.state / "log/talks.log"
        await_true("lines", lambda: log.exists() and log.read_text().count("\n") > 5)
        self.kill_role("logger")
        seen = log.read_text().count("\n")
        await_true("more lines", lambda: log.read_text().count("\n") > seen + 5)
        self.assertEqual(self.supervisor.pid("talks"), pid)
        self.ok("stop", "talks")
        numbers = [int(line.rsplit(" ", 1)[1]) for line in self.supervisor.lines("talks")]
        self.assertEqual(sorted(set(numbers)), list(range(1, max(numbers) + 1)))


class FilesAfterTheStart(SystemTest):
    """What runs keeps the policies of its start, also for an engine that never saw its file."""
    STUBBORN = ('[service]\nexec_start = ["/bin/sh", "-c", "trap \'\' TERM; echo deaf;'
                ' while :; do sleep 1; done"]\ntimeout_stop = "200ms"\n')
    UNITS = {"gone": STUBBORN, "edited": RESTARTED}

    def setUp(self):
        self.ok("start", "gone", "edited")
        log = self.supervisor.state / "log/gone.log"
        await_true("the trap", lambda: log.exists() and "deaf" in log.read_text())
        (self.supervisor.units / "gone.toml").unlink()
        self.supervisor.write("edited", SLEEP + 'restart = "no"\n')
        engine = self.supervisor.role("engine")
        os.kill(engine, signal.SIGKILL)
        await_true("a new engine", lambda: self.supervisor.role("engine") != engine)
        await_true("answers", self.supervisor.answers)

    def test_policies_of_the_start(self):
        with self.subTest("a removed unit is killed after its own stop timeout"):
            pid = self.supervisor.pid("gone")
            self.ok("stop", "gone", timeout=DEADLINE)  # the default timeout is longer
            self.assertFalse(alive(pid))
        with self.subTest("an edited one is restarted as it said at its start"):
            before = self.supervisor.pid("edited")
            os.kill(before, signal.SIGKILL)
            await_true("the restart",
                       lambda: self.supervisor.status("edited")["restarts"] == 1)


class KillsRoles(SystemTest):
    def kill_roles(self, *names):
        before = {name: self.supervisor.role(name) for name in names}
        for name, pid in before.items():
            os.kill(pid, signal.SIGKILL)
            await_true(f"a new {name}", lambda: self.supervisor.role(name) not in (None, pid))
            await_true("answers", self.supervisor.answers)


class FilesBrokenLater(KillsRoles):
    """A crash is survived however the unit's file reads by then."""
    OFTEN = "[unit]\nstart_limit_burst = 100\n"
    UNITS = {"edited": OFTEN + RESTARTED, "rests": SLEEP,
             "needs": SLEEP + '[unit]\nrequires = ["rests"]\n'}
    BROKEN = OFTEN + RESTARTED + 'retsart = "no"\n'
    LATER = OFTEN + 'description = "later"\n' + RESTARTED

    def setUp(self):
        for name, text in self.UNITS.items():
            self.supervisor.write(name, text)
        self.ok("daemon-reload")
        self.ok("start", "edited")

    def tearDown(self):
        self.supervisor.run("stop", "edited")

    def crash(self):
        before = self.supervisor.status("edited")
        os.kill(before["pid"], signal.SIGKILL)
        after = await_true("the restart", lambda: (
            lambda now: now if now["pid"] not in (None, before["pid"]) else None)(
                self.supervisor.status("edited")))
        self.assertEqual(after["state"], "running")
        self.assertEqual(after["restarts"], before["restarts"] + 1)
        return after

    def crash_twice(self):
        self.crash()
        return self.crash()

    def test_a_broken_file_and_a_reload(self):
        self.supervisor.write("edited", self.BROKEN)
        self.fails(1, "daemon-reload")
        for roles in ((), ("jailer",), ("engine",), ("engine", "jailer")):
            with self.subTest(roles):
                self.kill_roles(*roles)
                self.assertRegex(self.crash_twice()["errors"][0], "retsart")
        self.supervisor.write("edited", self.LATER)
        self.ok("daemon-reload")
        after = self.crash()
        self.assertEqual((after["description"], after["stale"], after["errors"]),
                         ("later", False, []))

    def test_a_broken_file_and_a_new_engine(self):
        self.supervisor.write("edited", self.BROKEN)
        pid = self.supervisor.pid("edited")
        self.kill_roles("engine")
        shown = self.supervisor.status("edited")
        self.assertEqual((shown["state"], shown["pid"]), ("running", pid))
        self.assertRegex(shown["errors"][0], "retsart")
        self.crash_twice()
        self.kill_roles("engine", "jailer")
        self.crash_twice()

    def test_an_edit_without_a_reload_and_a_new_jailer(self):
        self.supervisor.write("edited", self.LATER)
        self.kill_roles("jailer")
        self.assertEqual(self.crash_twice()["description"], "")
        self.ok("daemon-reload")
        self.assertEqual(self.crash()["description"], "later")

    def test_control_what_does_not_run_is_refused_with_the_errors_of_its_file(self):
        self.ok("start", "rests")  # so that the jailer has known it
        self.ok("stop", "rests", "edited")
        for name in ("rests", "edited"):
            self.supervisor.write(name, self.BROKEN)
        self.fails(1, "daemon-reload")
        for name in ("rests", "edited"):
            self.assertIn("retsart", self.fails(1, "start", name))
            self.assertIsNone(self.supervisor.pid(name))
        self.assertIn("the file of rests has errors", self.fails(1, "start", "needs"))
        self.assertIsNone(self.supervisor.pid("rests"))
        self.supervisor.write("rests", SLEEP)
        self.supervisor.write("edited", self.UNITS["edited"])
        self.ok("daemon-reload")
        self.ok("start", "needs", "edited")
        self.ok("stop", "rests")


class FilesBrokenMeanwhile(KillsRoles):
    """Nothing of the unit runs, and its restart is decided upon."""
    UNITS = {"waits": "[unit]\nstart_limit_burst = 100\n" + SLEEP + 'restart = "always"\n'
                      'restart_delay = "3s"\nrestart_delay_max = "3s"\n'}

    def test_a_file_that_breaks_while_the_restart_waits(self):
        for roles in (("jailer",), ("engine", "jailer")):
            with self.subTest(roles):
                self.supervisor.write("waits", self.UNITS["waits"])
                self.ok("daemon-reload")
                self.ok("start", "waits")
                for _ in range(5):  # on a busy machine the delay may be over before they are back
                    before = self.supervisor.status("waits")
                    os.kill(before["pid"], signal.SIGKILL)
                    self.supervisor.await_state("waits", "backoff")
                    self.supervisor.write("waits", self.UNITS["waits"] + 'retsart = "no"\n')
                    self.kill_roles(*roles)
                    still = self.supervisor.status("waits")["state"] == "backoff"
                    after = self.supervisor.await_state("waits", "running")
                    self.assertEqual(after["restarts"], before["restarts"] + 1)
                    if still:
                        break
                self.assertTrue(still)
                self.ok("stop", "waits")


SENDTO = {"x86_64": 44, "aarch64": 206}.get(platform.machine())
ONCE = '[unit]\nstart_limit_burst = 1\n[service]\nrestart = "always"\nrestart_delay = 0\n'


class AtTheGate(SystemTest):
    """The jailer dies when a program stands at its gate, as it is about to be let through."""
    UNITS = {
        "once": ONCE + 'exec_start = ["/bin/sleep", "infinity"]\n',
        "prepared": ONCE + 'exec_start = ["/bin/sh", "-c", "cat /tmp/pre; sleep infinity"]\n'
                           'exec_start_pre = [["/bin/sh", "-c", "echo prepared >> /tmp/pre"]]\n',
        "crashes": ONCE + 'exec_start = ["/bin/sh", "-c", "exit 127"]\n',
    }

    def setUp(self):
        if SENDTO is None:
            self.skipTest(f"skipped: no number of sendto on {platform.machine()} known")

    def start_and_kill_jailer(self, unit, gates, before_it_opens):
        """The jailer is ended at the `gates`-th opening of a gate: before it, or right after."""
        jailer = self.supervisor.role("jailer")
        try:
            tracer = Tracer(jailer)
        except PermissionError as error:
            self.skipTest(f"skipped: {error}")
        answers = []
        start = threading.Thread(target=lambda: answers.append(self.supervisor.run("start", unit)))
        start.start()
        opens = lambda number, args: number == SENDTO and args[2] == 1
        for _ in range(gates):
            tracer.run_until(opens)
        if not before_it_opens:
            tracer.run_until(lambda number, _args: True)
        os.kill(jailer, signal.SIGKILL)
        os.waitpid(jailer, 0x40000000)  # its tracer's share of the news
        start.join()
        self.assertNotEqual(self.supervisor.role("jailer"), jailer)
        return answers[0]

    def check_it_runs_uncounted(self, unit, result):
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr +
                         self.supervisor.said())
        status = self.supervisor.await_state(unit, "running")
        self.assertEqual(status["restarts"], 0)
        self.assertTrue(alive(status["pid"]))

    def test_the_start_is_made_again_and_counts_as_none(self):
        result = self.start_and_kill_jailer("once", 1, before_it_opens=True)
        self.check_it_runs_uncounted("once", result)
        self.ok("stop", "once")

    def test_what_was_let_through_is_not_started_twice(self):
        result = self.start_and_kill_jailer("once", 1, before_it_opens=False)
        self.check_it_runs_uncounted("once", result)
        sleeps = [pid for pid in children(self.supervisor.keeper.pid)
                  if command_line(pid)[:2] == [b"/bin/sleep", b"infinity"]]
        self.assertEqual(sleeps, [self.supervisor.pid("once")])
        self.ok("stop", "once")

    def test_a_new_jail_is_prepared_again(self):
        result = self.start_and_kill_jailer("prepared", 2, before_it_opens=True)
        self.check_it_runs_uncounted("prepared", result)
        lines = await_true("its output", lambda: self.supervisor.lines("prepared"))
        self.assertEqual([line.split()[-1] for line in lines], ["prepared"])
        self.ok("stop", "prepared")

    def test_control_a_program_that_ends_with_the_same_code_has_crashed(self):
        self.supervisor.run("start", "crashes")
        status = self.supervisor.await_state("crashes", "failed")
        self.assertIn("start limit", status["because"])


class KeeperDeath(unittest.TestCase):
    """Nothing runs on unsupervised, where a next supervisor would start it a second time."""

    def setUp(self):
        if os.geteuid() != 0:
            self.skipTest("skipped: needs root")

    def test_services_and_the_other_three_end_with_the_keeper(self):
        bare = SLEEP + '[jail]\nprofile = "host"\n'
        supervisor = Supervisor({"jailed": SLEEP, "bare": bare}).start()
        try:
            self.assertEqual(supervisor.run("start", "jailed", "bare").returncode, 0)
            pids = [supervisor.pid("jailed"), supervisor.pid("bare")]
            pids += [supervisor.role(role) for role in ("engine", "jailer", "logger")]
            supervisor.keeper.kill()
            supervisor.keeper.wait()
            await_true("the end of all", lambda: not any(alive(pid) for pid in pids))
        finally:
            if supervisor.keeper.poll() is None:
                supervisor.stop()
            supervisor.remove()

    def test_a_late_jailer_leaves_alone_what_is_its_successors(self):
        speaks = ('[service]\ntype = "notify"\nexec_start = ["/bin/sh", "-c", '
                  '"systemd-notify --ready; exec sleep 1000"]\n')
        supervisor = Supervisor({"speaks": speaks}).start()
        old = None
        try:
            self.assertEqual(supervisor.run("start", "speaks").returncode, 0)
            old = supervisor.role("jailer")
            os.kill(old, signal.SIGSTOP)
            supervisor.keeper.kill()
            supervisor.keeper.wait()
            supervisor.start()
            self.assertEqual(supervisor.run("start", "speaks").returncode, 0)
            os.kill(old, signal.SIGCONT)
            await_true("the old jailer's end", lambda: not alive(old))
            self.assertTrue((supervisor.state / "run/notify/speaks/socket").is_socket())
            # The control: in its own time the jailer removes them.
            self.assertEqual(supervisor.stop(), 0)
            self.assertFalse((supervisor.state / "run/notify").exists())
        finally:
            if old is not None and alive(old):
                os.kill(old, signal.SIGKILL)
            supervisor.stop()
            supervisor.remove()


class End(unittest.TestCase):
    """What is left after the supervisor's end: nothing."""

    def setUp(self):
        if os.geteuid() != 0:
            self.skipTest("skipped: needs root")

    def test_stop_is_in_reverse_order_and_leaves_nothing(self):  # [S0.5][S4.15]
        def unit(name, requires):
            return ('[unit]\n' + (f'requires = ["{requires}"]\n' if requires else "") +
                    '[service]\nexec_start = ["/bin/sleep", "infinity"]\n'
                    f'exec_stop_post = ["/bin/sh", "-c", "echo {name} >> /run/order/log"]\n'
                    '[jail.identity]\ndynamic_user = false\nuser = "root"\n'
                    '[jail.chroot]\nbinds = ["@HERE@/order:/run/order"]\n'
                    '[install]\nwanted_by = ["default"]\n')
        supervisor = Supervisor({"a": unit("a", ""), "b": unit("b", "a"), "c": unit("c", "b")},
                                {"order/log": ""})
        mounts = pathlib.Path("/proc/self/mountinfo").read_text()
        try:
            supervisor.start()
            supervisor.await_state("c", "running")
            pids = [supervisor.pid(unit) for unit in "abc"]
            pids += [supervisor.role(role) for role in ("engine", "jailer", "logger")]
            self.assertEqual(supervisor.stop(), 0, supervisor.said())
            self.assertEqual([pid for pid in pids if alive(pid)], [])
            self.assertEqual((supervisor.folder / "order/log").read_text().split(),
                             ["c", "b", "a"])
            self.assertEqual(pathlib.Path("/proc/self/mountinfo").read_text(), mounts)
            self.assertFalse(supervisor.control.exists())
        finally:
            supervisor.stop()
            supervisor.remove()


if __name__ == "__main__":
    main()
