"""Jobs: units that `jailsvc run` makes, and that go when they are over."""
import json
import os
import pty
import select
import signal
import subprocess
import time
import unittest

from harness import CLIENT, Supervisor, SystemTest, alive, await_true, main


class Jobs(SystemTest):
    UNITS = {"plain": '[service]\nexec_start = ["/bin/sleep", "1000"]\n'}

    def job(self, name):
        jobs = json.loads(self.ok("job", "list", "--json"))["jobs"]
        return next((one for one in jobs if one["unit"] == name), None)

    def await_over(self, name):
        return await_true(f"{name} to be over",
                          lambda: (lambda j: j if j and j["over"] else None)(self.job(name)))

    def file_of(self, name):
        return self.supervisor.state / f"run/units/{name}.toml"

    def test_waiting_shows_the_output_and_ends_as_the_command_does(self):  # [S2.17]
        result = self.supervisor.run("run", "--wait", "--", "sh", "-c",
                                     "echo one; echo two >&2; exit 7")
        self.assertEqual((result.stdout, result.stderr, result.returncode), ("one\n", "two\n", 7))
        killed = self.supervisor.run("run", "--wait", "--", "sh", "-c", "kill -9 $$")
        self.assertEqual(killed.returncode, 128 + 9)
        self.assertEqual(self.supervisor.run("run", "--wait", "true").returncode, 0)

    def test_a_job_is_in_a_jail_and_its_file_is_root_s(self):
        name = self.ok("run", "--name", "jailed", "--profile", "untrusted", "--", "sleep",
                       "1000").strip()
        self.addCleanup(self.supervisor.run, "stop", name)
        status = self.supervisor.await_state(name, "running")
        self.assertEqual(status["profile"], "untrusted")
        self.assertIn("pledge", status["jail"])
        info = self.file_of(name).stat()
        self.assertEqual((info.st_uid, info.st_mode & 0o777), (0, 0o644))
        self.assertEqual(self.job(name)["state"], "running")

    def test_what_is_over_is_told_until_it_is_removed(self):
        name = self.ok("run", "--name", "ends", "--", "sh", "-c", "echo said; exit 3").strip()
        job = self.await_over(name)
        self.assertEqual((job["state"], job["exit"]), ("failed", {"kind": "exited", "code": 3}))
        self.assertGreater(job["duration"], 0)
        self.assertGreaterEqual(job["since"], job["started"])
        self.assertIn("said", self.ok("job", "log", name))
        self.assertRegex(self.ok("job", "list"), r"ends +failed \(exit code 3\)")
        self.fails(2, "run", "--name", "ends", "true")
        self.assertTrue(self.file_of(name).exists())
        self.ok("job", "remove", name)
        await_true("its file to go", lambda: not self.file_of(name).exists())
        await_true("its log to go",
                   lambda: not (self.supervisor.state / f"log/{name}.log").exists())
        self.assertIsNone(self.job(name))
        self.fails(4, "status", name)
        # The name is free again, and nothing of the first is left.
        self.assertEqual(self.ok("run", "--name", "ends", "--wait", "--", "echo", "other"),
                         "other\n")

    def test_what_is_over_goes_after_its_time(self):
        self.ok("run", "--name", "brief", "--keep", "100ms", "--wait", "--", "true")
        await_true("it to go", lambda: self.job("brief") is None)
        await_true("its file to go", lambda: not self.file_of("brief").exists())

    def test_a_job_that_runs_is_not_removed_but_stopped(self):
        self.ok("run", "--name", "long", "--", "sleep", "1000")
        pid = self.supervisor.await_state("long", "running")["pid"]
        self.assertIn("not over", self.fails(1, "job", "remove", "long"))
        self.assertTrue(alive(pid))
        self.ok("job", "stop", "long")
        self.assertEqual(self.await_over("long")["state"], "stopped")
        # Of a unit that is no job neither.
        self.assertIn("no job", self.fails(1, "job", "remove", "plain"))

    def test_output_beyond_the_cap_is_dropped_and_that_is_told_everywhere(self):  # [S3.15]
        result = self.supervisor.run("run", "--name", "loud", "--wait", "--", "sh", "-c",
                                     "head -c 3000000 /dev/zero | tr '\\0' x; echo end")
        self.assertEqual(result.returncode, 0)
        shown = result.stdout.replace("\n", "")
        self.assertEqual(len(shown), 2_000_000)
        self.assertNotIn("end", shown)
        self.assertIn("its output was truncated: 1000004 bytes were dropped", result.stderr)
        self.assertEqual(self.job("loud")["output_dropped"], 1_000_004)
        self.assertEqual(self.supervisor.status("loud")["output_dropped"], 1_000_004)
        self.assertIn("dropped", self.ok("job", "log", "loud"))
        self.assertIn("output truncated", self.ok("job", "list"))
        self.assertIn("truncated: 1000004 bytes", self.supervisor.run("status", "loud").stdout)
        # And without one all of it is there.
        result = self.supervisor.run("run", "--output-cap", "0", "--wait", "--", "sh", "-c",
                                     "head -c 3000000 /dev/zero | tr '\\0' x")
        self.assertEqual(len(result.stdout.replace("\n", "")), 3_000_000)
        self.assertEqual(result.stderr, "")

    def test_standard_input_is_handed_over_only_where_asked_for(self):  # [S1.17]
        def cat(*options):
            return subprocess.run(
                [CLIENT, "--state", self.supervisor.state, "run", "--wait", *options, "--", "cat"],
                input="typed\n", capture_output=True, text=True, timeout=30, check=False)
        self.assertEqual(cat().stdout, "")
        result = cat("--stdin")
        self.assertEqual((result.stdout, result.returncode), ("typed\n", 0), result.stderr)

    def terminal(self, *command):
        """Runs the client on a terminal of its own; (pid, descriptor)."""
        pid, descriptor = pty.fork()
        if pid == 0:
            os.execv(CLIENT, [str(CLIENT), "--state", str(self.supervisor.state), "run", "-t",
                              *command])
        return pid, descriptor

    @staticmethod
    def read_all(descriptor, deadline=30):
        text, end = b"", time.monotonic() + deadline
        while time.monotonic() < end:
            if not select.select([descriptor], [], [], 1)[0]:
                continue
            try:
                block = os.read(descriptor, 65536)
            except OSError:
                return text.decode()
            if not block:
                return text.decode()
            text += block
        raise AssertionError(f"the terminal did not close: {text}")

    def test_a_terminal_is_the_job_s_own(self):  # [E7]
        pid, descriptor = self.terminal(
            "--name", "shown", "--", "sh", "-c",
            "tty -s && stty size && read line && echo got $line; "
            "ps -o tty= -p $$ 2>/dev/null; exit 5")
        os.write(descriptor, b"hello\n")
        text = self.read_all(descriptor)
        os.close(descriptor)
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 5, text)
        self.assertIn("got hello", text)
        # It went to the terminal, not to the log.
        self.assertEqual(self.supervisor.lines("shown"), [])
        # Without one of ours there is none to relay to.
        self.assertIn("no terminal", self.fails(2, "run", "-t", "true"))

    def test_what_is_lent_to_one_job_serves_no_other_start(self):
        self.ok("run", "--name", "lent", "--stdin", "--", "cat")
        self.await_over("lent")
        self.assertIn("lent", self.fails(1, "start", "lent"))

    def test_hostile_words_stay_words(self):
        words = ['"]\n[jail]\nprofile = "host"\n#', "%n", "50%", "a'b\"c\\", "$HOME", "\t", ""]
        result = self.supervisor.run("run", "--name", "words", "--wait", "--env",
                                     'X="]\n[jail]\nprofile = "host"', "--", "printf", "[%s]",
                                     *words)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(result.stdout.rstrip("\n"),
                         "".join(f"[{word}]" for word in words).rstrip("\n"))
        self.assertEqual(self.supervisor.status("words")["profile"], "default")

    def test_what_cannot_be_a_job_is_refused_and_leaves_no_file(self):
        before = sorted(os.listdir(self.supervisor.state / "run/units"))
        for options, said in ((["--name", "../x", "true"], "no name of a job"),
                              (["--name", "a@b", "true"], "no name of a job"),
                              (["--name", "plain", "true"], "there is a unit"),
                              (["--profile", "nonsense", "true"], "no profile"),
                              (["--property", "jail.cgroups.memory_mx=1", "true"], "memory_max"),
                              (["--property", "service.restart=1\n[jail]", "true"], "one line"),
                              (["--property", "x=1", "true"], "TABLE.KEY"),
                              (["--env", "1X=2", "true"], "no name of a variable"),
                              (["--timer", "on_calendar=25:00", "true"], "hour 25"),
                              (["--stdin", "--on-active", "1s", "true"], "nobody is there"),
                              (["--keep", "soon", "true"], "keep"),
                              (["no-such-program-at-all"], "no such program"),
                              (["--property", "jail.cgroups.memory_max=12Q", "true"],
                               "memory_max")):
            result = self.supervisor.run("run", *options)
            self.assertNotEqual(result.returncode, 0, options)
            self.assertIn(said, result.stderr + result.stdout, options)
        self.assertEqual(sorted(os.listdir(self.supervisor.state / "run/units")), before)

    def test_a_program_that_is_not_there_is_told_from_one_that_fails(self):
        result = self.supervisor.run("run", "--wait", "--", "/no/such/program")
        self.assertEqual(result.returncode, 125, result.stderr)
        self.assertIn("/no/such/program", result.stderr)

    def test_properties_hold(self):
        self.ok("run", "--name", "limited", "--property", "jail.cgroups.tasks_max=7",
                "--property", 'unit.documentation=["man:x(1)"]', "--", "sleep", "1000")
        self.addCleanup(self.supervisor.run, "stop", "limited")
        text = self.ok("show", "limited")
        self.assertIn("tasks_max = 7", text)
        self.assertIn('documentation = ["man:x(1)"]', text)

    def test_a_timer_runs_it_later_and_once(self):
        self.ok("run", "--name", "later", "--on-active", "200ms", "--", "echo", "ran")
        job = self.await_over("later")
        self.assertEqual(job["exit"]["code"], 0)
        self.assertEqual(len(self.supervisor.lines("later")), 1)
        self.ok("run", "--name", "yearly", "--timer", "on_calendar=yearly UTC", "--", "true")
        job = self.job("yearly")
        self.assertEqual(job["state"], "scheduled")
        self.assertGreater(job["next_run"], time.time() * 1e6)
        self.ok("job", "stop", "yearly")
        self.assertEqual(self.await_over("yearly")["state"], "stopped")

    def test_a_job_whose_file_somebody_removed_is_forgotten_when_it_is_down(self):
        for name, command in (("gone", ["sleep", "1000"]), ("went", ["true"])):
            self.ok("run", "--name", name, "--", *command)
        self.supervisor.await_state("gone", "running")
        self.await_over("went")
        for name in ("gone", "went"):
            self.file_of(name).unlink()
        self.ok("daemon-reload")
        self.assertEqual(self.job("gone")["state"], "running")
        await_true("the other to be forgotten", lambda: self.job("went") is None)
        self.ok("job", "stop", "gone")
        await_true("it to be forgotten", lambda: self.job("gone") is None)
        self.assertEqual(self.ok("run", "--name", "gone", "--wait", "--", "echo", "new"), "new\n")

    def test_only_root_makes_jobs(self):
        def drop():
            os.setgid(65534)
            os.setuid(65534)
        result = subprocess.run([CLIENT, "--state", self.supervisor.state, "run", "true"],
                                preexec_fn=drop, capture_output=True, text=True, timeout=30,
                                stdin=subprocess.DEVNULL, check=False)
        self.assertEqual(result.returncode, 4, result.stderr)
        self.assertIn("root", result.stderr)


class Deaths(unittest.TestCase):
    def setUp(self):
        if os.geteuid() != 0:
            self.skipTest("skipped: needs root")
        self.supervisor = Supervisor().start()
        self.addCleanup(self.supervisor.remove)
        self.addCleanup(self.supervisor.stop)

    def jobs(self):
        return {one["unit"]: one
                for one in json.loads(self.supervisor.run("job", "list", "--json").stdout)["jobs"]}

    def kill(self, role):
        pid = self.supervisor.role(role)
        os.kill(pid, signal.SIGKILL)
        await_true(f"another {role}", lambda: self.supervisor.role(role) != pid)
        await_true("answers", self.supervisor.answers)

    def test_jobs_and_who_waits_for_them_outlive_engine_jailer_and_logger(self):
        self.supervisor.run("run", "--name", "done", "--", "sh", "-c", "exit 4")
        await_true("it to be over", lambda: self.jobs()["done"]["over"])
        client = subprocess.Popen(
            [CLIENT, "--state", self.supervisor.state, "run", "--name", "waits", "--stdin",
             "--wait", "--", "sh", "-c", "echo begun; read line; echo $line; exit 9"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.assertEqual(client.stdout.readline(), "begun\n")
        for role in ("engine", "jailer", "logger", "engine"):
            self.kill(role)
        self.assertEqual(self.jobs()["done"]["exit"], {"kind": "exited", "code": 4})
        self.assertEqual(self.jobs()["waits"]["state"], "running")
        client.stdin.write("go on\n")
        client.stdin.close()
        self.assertEqual(client.stdout.read(), "go on\n")
        self.assertEqual(client.wait(30), 9)
        client.stdout.close()
        self.assertTrue(self.jobs()["waits"]["over"])

    def test_logs_of_jobs_go_with_the_supervisor_that_knew_them(self):
        log = self.supervisor.state / "log"
        self.supervisor.run("run", "--name", "old", "--wait", "--", "echo", "said")
        (log / "other.log").write_text("kept\n")
        self.kill("logger")
        self.assertTrue((log / "old.log").exists(), "the death of a logger is no end of a job")
        self.supervisor.stop()
        (self.supervisor.state / "run/units/old.toml").unlink()  # as a boot of the machine does
        self.supervisor.start()
        await_true("its log to go", lambda: not (log / "old.log").exists())
        self.assertTrue((log / "other.log").exists())

    def test_a_stranger_s_file_among_the_transient_units_stays(self):
        units = self.supervisor.state / "run/units"
        units.mkdir(exist_ok=True)
        (units / "mine.toml").write_text('[service]\nexec_start = ["/bin/true"]\n')
        self.supervisor.run("daemon-reload")
        self.assertEqual(self.supervisor.run("job", "remove", "mine").returncode, 1)
        self.supervisor.run("run", "--name", "job", "--wait", "--keep", "1ms", "--", "true")
        await_true("the job's file to go", lambda: not (units / "job.toml").exists())
        self.assertTrue((units / "mine.toml").exists())


if __name__ == "__main__":
    main()
