"""What a user types, and what comes back."""
import json
import os
import pathlib
import pty
import select
import shutil
import signal
import subprocess
import tomllib
import unittest

from harness import (CLIENT, DEADLINE, KEEPER, SystemTest, Varlink, alive, await_true, children,
                     command_line, main)

SLEEP = '[service]\nexec_start = ["/bin/sleep", "infinity"]\n'


class Commands(SystemTest):
    UNITS = {
        "sleep": SLEEP,
        "web": SLEEP + '[unit]\nrequires = ["db"]\ndescription = "needs db"\n',
        "db": SLEEP,
        "true": '[service]\ntype = "oneshot"\nexec_start = ["/bin/true"]\n',
        "false": '[service]\ntype = "oneshot"\nexec_start = ["/bin/false"]\n',
        "missing": '[service]\nexec_start = ["/no/such/program"]\n',
        "speaks": '[service]\ntype = "oneshot"\nexec_start = ["/bin/sh", "-c",'
                  ' "echo one; echo two >&2; printf three"]\n',
        "stubborn": '[service]\nexec_start = ["/bin/sh", "-c", "trap \'\' TERM; while :; do sleep 1;'
                    ' done"]\ntimeout_stop = "300ms"\n',
        "worker@": '[service]\nexec_start = ["/bin/sh", "-c", "echo instance %i; sleep 1000"]\n',
    }

    def test_start_stop_and_status_with_lsb_codes(self):  # [S0.6]
        self.assertEqual(self.supervisor.run("status", "sleep").returncode, 3)
        self.ok("start", "sleep")
        self.assertEqual(self.supervisor.run("status", "sleep").returncode, 0)
        status = self.supervisor.status("sleep")
        self.assertEqual(status["state"], "running")
        self.assertTrue(alive(status["pid"]))
        self.ok("start", "sleep")
        self.assertEqual(self.supervisor.pid("sleep"), status["pid"], "a second start restarts")
        self.ok("stop", "sleep")
        self.assertFalse(alive(status["pid"]))
        self.assertEqual(self.supervisor.run("status", "sleep").returncode, 3)
        self.assertEqual(self.supervisor.run("status", "nosuch").returncode, 4)

    def test_restart_gives_a_new_process(self):
        self.ok("start", "sleep")
        before = self.supervisor.pid("sleep")
        self.ok("restart", "sleep")
        after = self.supervisor.pid("sleep")
        self.assertNotEqual(before, after)
        self.assertFalse(alive(before))
        self.ok("stop", "sleep")

    def test_a_requirement_comes_first_and_goes_last(self):  # [S0.5]
        self.ok("start", "web")
        self.assertEqual(self.supervisor.status("db")["state"], "running")
        self.ok("stop", "db")
        self.assertEqual(self.supervisor.status("web")["state"], "inactive")

    def test_several_units_at_once(self):
        self.ok("start", "sleep", "db")
        table = self.ok("status", "sleep", "db", "--table")
        self.assertEqual(table.count("running"), 2, table)
        self.ok("stop", "sleep", "db")

    def test_failures_say_what_happened_and_where(self):
        self.assertIn("exit code 1", self.fails(1, "start", "false"))
        error = self.fails(1, "start", "missing")
        self.assertIn("/no/such/program", error)
        self.assertIn("No such file or directory", error)
        self.assertEqual(self.supervisor.status("missing")["state"], "failed")
        self.ok("reset-failed", "missing", "false")
        self.assertEqual(self.supervisor.status("missing")["state"], "inactive")

    def test_an_unknown_unit_gets_a_suggestion(self):
        self.assertIn('did you mean "sleep"', self.fails(5, "start", "slep"))

    def test_a_oneshot_is_waited_for(self):
        self.ok("start", "true")
        # Its start is answered when the program has done its work; its jail is taken apart then.
        await_true("the end of its jail",
                   lambda: self.supervisor.status("true")["state"] == "inactive")

    def test_a_service_that_ignores_term_is_killed_after_its_timeout(self):
        self.ok("start", "stubborn")
        pid = self.supervisor.pid("stubborn")
        self.ok("stop", "stubborn")
        self.assertFalse(alive(pid))

    def test_output_is_in_the_log_and_complete(self):
        self.ok("start", "speaks")
        lines = [line.split(" ", 1)[1] for line in self.ok("logs", "speaks").splitlines()]
        self.assertEqual(lines[:3], ["one", "two", "three"])
        last = self.ok("logs", "speaks", "-n", "1")
        self.assertTrue(last.endswith("three\n"), last)
        self.assertEqual(self.ok("logs", "speaks", "--since", "2099-01-01"), "")
        parsed = json.loads(self.ok("logs", "speaks", "--json").splitlines()[0])
        self.assertEqual(parsed["message"], "one")
        # Its last line has no newline: the next run's first stands on a line of its own.
        self.ok("start", "speaks")
        lines = [line.split(" ", 1)[1] for line in self.ok("logs", "speaks").splitlines()]
        self.assertEqual(lines, ["one", "two", "three"] * 2)

    def test_a_template_makes_instances(self):
        self.ok("start", "worker@a", "worker@b")
        for name in ("a", "b"):
            await_true("its first words",
                       lambda: f"instance {name}" in self.ok("logs", f"worker@{name}"))
        self.ok("stop", "worker@a", "worker@b")

    def test_kill_knows_realtime_signals_and_refuses_others(self):
        self.assertIn('"NOSUCH" is no signal; write "SIGTERM", "SIGUSR1" or "SIGRTMIN+3"',
                      self.fails(2, "kill", "-s", "NOSUCH", "sleep"))
        self.ok("start", "sleep")
        self.ok("kill", "-s", "RTMIN+1", "sleep")
        self.supervisor.await_state("sleep", "failed")
        self.assertEqual(self.supervisor.status("sleep")["last_exit"],
                         {"kind": "killed", "code": 35})
        self.ok("reset-failed", "sleep")

    def test_kill_sends_a_signal(self):
        self.ok("start", "sleep")
        pid = self.supervisor.pid("sleep")
        self.ok("kill", "-s", "KILL", "sleep")
        await_true("the end", lambda: not alive(pid))
        self.supervisor.await_state("sleep", "failed")
        self.ok("reset-failed", "sleep")

    def test_show_and_plan(self):  # [S1.12]
        text = self.ok("show", "web")
        self.assertIn("exec_start", text)
        self.assertIn("profile", text)
        self.assertNotIn("timeout_stop", text)
        every = self.ok("show", "web", "--effective")
        self.assertIn('timeout_stop = "1min 30s"  # default\n', every)
        self.assertIn('mode = "host"\n', every)  # the profile's
        shown = tomllib.loads(every)
        self.assertEqual(shown["jail"]["network"]["range"], "10.213.0.0/16")
        plan = json.loads(self.ok("plan", "web", "--json"))
        kinds = [op["operation"] for op in plan["operations"]]
        self.assertIn("root", kinds)
        self.assertLess(kinds.index("root"), kinds.index("no_new_privs"))
        self.assertIn("no_new_privs", self.ok("plan", "web"))

    def test_introspection(self):
        link = Varlink(self.supervisor.control)
        info = link.call("org.varlink.service.GetInfo")["parameters"]
        self.assertIn("io.jailsvc.Control", info["interfaces"])
        text = link.call("org.varlink.service.GetInterfaceDescription",
                         interface="io.jailsvc.Control")["parameters"]["description"]
        self.assertIn("method Start(", text)
        error = link.call("io.jailsvc.Control.NoSuch")["error"]
        self.assertEqual(error, "org.varlink.service.MethodNotFound")
        link.close()

    def test_a_second_supervisor_on_the_same_place_refuses(self):
        result = subprocess.run([KEEPER, "--state", self.supervisor.state, "--config",
                                 self.supervisor.folder / "config"],
                                capture_output=True, text=True, timeout=20, check=False)
        self.assertNotEqual(result.returncode, 0)
        self.ok("list")  # the first one is still there

    def test_what_cannot_be_written_is_no_success(self):
        with open("/dev/full", "wb") as full:
            result = subprocess.run([CLIENT, "--state", self.supervisor.state, "list"],
                                    stdout=full, stderr=subprocess.PIPE, text=True, check=False)
        self.assertEqual(result.returncode, 1)
        self.assertIn("No space left on device", result.stderr)

    def test_an_unknown_command_is_named(self):
        self.assertIn('no command "frob"', self.fails(2, "frob"))


class Reload(SystemTest):
    UNITS = {"stays": SLEEP, "changes": SLEEP, "goes": SLEEP}

    def test_what_changed_is_said_and_a_broken_file_disturbs_nothing(self):
        self.ok("start", "stays", "changes")
        pids = self.supervisor.pid("stays"), self.supervisor.pid("changes")
        self.supervisor.write("changes", SLEEP + '[unit]\ndescription = "new"\n')
        self.supervisor.write("comes", SLEEP)
        (self.supervisor.units / "goes.toml").unlink()
        said = self.ok("daemon-reload")
        self.assertIn("added: comes", said)
        self.assertIn("changed: changes", said)
        self.assertIn("removed: goes", said)
        self.assertIn("running with its old file: changes", said)
        self.assertEqual(pids, (self.supervisor.pid("stays"), self.supervisor.pid("changes")))

        self.supervisor.write("changes", SLEEP + "[unit]\ndescripton = 1\n")
        error = self.fails(1, "daemon-reload")
        self.assertRegex(error, r"changes\.toml:4:\d+: .*descripton")
        self.assertIn("description", error)
        self.assertEqual(pids, (self.supervisor.pid("stays"), self.supervisor.pid("changes")))
        error = self.fails(1, "restart", "changes")
        self.assertIn("its file has errors", error)
        self.assertIn("changes.toml:4:", error)
        self.assertEqual(self.supervisor.pid("changes"), pids[1])
        shown = self.supervisor.status("changes")
        self.assertEqual(shown["state"], "running")
        self.assertRegex(shown["errors"][0], r"changes\.toml:4:\d+: ")
        self.ok("start", "comes")
        self.ok("stop", "stays", "changes", "comes")

    def test_units_that_do_not_load_are_listed_with_the_place_of_the_error(self):
        self.supervisor.write("typo", SLEEP + 'retsart = "always"\n')
        place = r"typo\.toml:3:1: retsart: .*did you mean \"restart\"\?"
        self.assertRegex(self.fails(1, "daemon-reload"), place)
        self.assertRegex(self.ok("list"), r"(?m)^● typo +error .*" + place)
        listed = {unit["name"]: unit for unit in json.loads(self.ok("list", "--json"))["units"]}
        self.assertEqual(listed["typo"]["state"], "error")
        self.assertRegex(listed["typo"]["because"], place)
        self.assertRegex(listed["typo"]["errors"][0], place)
        self.assertEqual(listed["stays"]["errors"], [])
        shown = self.supervisor.run("status", "typo")
        self.assertEqual(shown.returncode, 4)
        self.assertRegex(shown.stdout, "error: .*" + place)
        self.assertRegex(self.fails(6, "start", "typo"), place)

        self.supervisor.write("typo", SLEEP)
        self.assertIn("added: typo", self.supervisor.run("daemon-reload").stdout)
        self.assertEqual(self.supervisor.status("typo")["state"], "inactive")

    def test_files_that_are_no_units_are_passed_over(self):
        strays = ["README", "web.toml~", ".web.toml.swp", "#web.toml#", "notes.txt"]
        for name in strays:
            (self.supervisor.units / name).write_text("not TOML [")
        folder = self.supervisor.units / "old"
        folder.mkdir()
        (folder / "web.toml").write_text("not TOML [")
        orphan = self.supervisor.units / "gone-away.toml.d"
        orphan.mkdir()
        try:
            result = self.supervisor.run("daemon-reload")
            said = [line for line in result.stderr.splitlines() if line.startswith("warning: ")]
            self.assertEqual(len(said), 2, result.stderr)
            self.assertIn("gone-away.toml.d: drop-ins of no unit", said[1])
            self.assertIn("README: no unit: the file's name has to end in .toml", said[0])
            self.assertFalse([name for name in strays if name in self.ok("list")])
            self.assertEqual(result.returncode, 0, result.stderr)
            # The control: a unit file that cannot be loaded does make it fail.
            (self.supervisor.units / "a@b@c.toml").write_text(SLEEP)
            self.assertIn("is no name of a unit", self.fails(1, "daemon-reload"))
        finally:
            for name in strays + ["a@b@c.toml"]:
                (self.supervisor.units / name).unlink(missing_ok=True)
            shutil.rmtree(folder)
            orphan.rmdir()
            self.supervisor.run("daemon-reload")

    def test_verify_names_file_line_and_column(self):  # [S3.19]
        path = self.supervisor.folder / "wrong.toml"
        path.write_text('[service]\nexec_start = ["/bin/true"]\nrestart = "allways"\n')
        result = self.supervisor.run("--config", self.supervisor.folder / "config", "verify", path)
        self.assertEqual(result.returncode, 1)
        self.assertIn("wrong.toml:3:11: restart", result.stderr)
        path.write_text('[service]\nexec_start = ["/bin/true"]\n')
        result = self.supervisor.run("--config", self.supervisor.folder / "config", "verify", path)
        self.assertEqual((result.returncode, result.stderr), (0, ""))


class Verify(SystemTest):
    def verify(self, code, **units):
        folder = self.supervisor.folder / "given"
        folder.mkdir(exist_ok=True)
        paths = []
        for name, text in units.items():
            paths.append(folder / f"{name}.toml")
            paths[-1].write_text(text)
        result = self.supervisor.run("--config", self.supervisor.folder / "config", "verify",
                                     *paths)
        for path in paths:
            path.unlink()
        self.assertEqual(result.returncode, code, result.stderr)
        return result.stderr

    def test_the_files_are_checked_against_each_other(self):
        web = '[unit]\nrequires = ["db"]\n' + SLEEP
        said = self.verify(1, web=web)
        self.assertRegex(said, r"web\.toml:2:12: requires: requires db, which does not exist")
        self.assertEqual(self.verify(0, web=web, db=SLEEP), "")
        said = self.verify(1, web=web, db='[unit]\nafter = ["web"]\n' + SLEEP)
        self.assertRegex(said, r"web\.toml:2:12: requires: cycle: ")
        self.assertRegex(said, r"db\.toml:2:9: after: cycle: ")
        both = '[unit]\nrequires = ["db", "web2"]\n' + SLEEP
        rival = '[unit]\nconflicts = ["db"]\n' + SLEEP
        said = self.verify(1, web=both, web2=rival, db=SLEEP)
        self.assertRegex(said, r"web\.toml:2:12: requires: needs web2 and db, which conflict")
        self.supervisor.write("db", SLEEP)  # installed is as good as given
        self.assertEqual(self.verify(0, web=web), "")
        (self.supervisor.units / "db.toml").unlink()

    def test_a_jail_without_sense_is_warned_of(self):
        root = SLEEP + ('[jail.identity]\ndynamic_user = false\nuser = "root"\n'
                        'capabilities = ["CAP_SYS_ADMIN"]\n')
        said = self.verify(0, web=root)
        self.assertRegex(said, r"^warning: .*web\.toml:6:16: \[jail\.identity\] capabilities: root "
                               "with CAP_SYS_ADMIN is not jailed in any useful sense")
        self.assertEqual(self.verify(0, web=root.replace("SYS_ADMIN", "NET_BIND_SERVICE")), "")
        mapped = ('[jail.namespaces]\nuser = true\nuid_map = ["0 100000 65536"]\n'
                  'gid_map = ["0 100000 65536"]\n')
        self.assertEqual(self.verify(0, web=root + mapped), "")


class Clients(SystemTest):
    UNITS = {"sleep": SLEEP, "worker@": SLEEP}

    def as_nobody(self, *arguments):
        return self.supervisor.run(*arguments, user=65534, group=65534, extra_groups=[])

    def test_anybody_may_ask_but_only_root_may_change(self):  # [E35]
        self.assertEqual(self.as_nobody("status", "sleep").returncode, 3)
        # Whoever may only look brings no instance into being.
        self.assertEqual(self.as_nobody("status", "worker@looked").returncode, 4)
        self.assertNotIn("worker@looked", self.ok("list"))
        self.assertEqual(self.supervisor.run("status", "worker@looked").returncode, 3)
        self.assertEqual(self.as_nobody("status", "worker@looked").returncode, 3)
        for command in (["start", "sleep"], ["stop", "sleep"], ["kill", "sleep"],
                        ["daemon-reload"], ["shutdown"]):
            result = self.as_nobody(*command)
            self.assertEqual(result.returncode, 4, command)
            self.assertIn("run it as root", result.stderr)
        self.assertEqual(self.supervisor.status("sleep")["state"], "inactive")
        self.ok("start", "sleep")  # the control: root may
        self.assertEqual(self.as_nobody("exec", "sleep", "--", "/bin/true").returncode, 4)
        for command in ("show", "plan", "logs"):  # which may hold secrets
            self.assertEqual(self.as_nobody(command, "sleep").returncode, 4)
            self.ok(command, "sleep")
        self.ok("exec", "sleep", "--", "/bin/true")
        self.ok("stop", "sleep")

    def test_a_thousand_idle_connections_and_bad_frames_leave_it_responsive(self):
        idle = []
        refused = 0
        for _ in range(1000):
            try:
                idle.append(Varlink(self.supervisor.control))
            except OSError:
                refused += 1
        self.assertEqual(refused, 0)
        bad = Varlink(self.supervisor.control)
        bad.send_bytes(b"this is no JSON\0")
        with self.assertRaises((ConnectionError, OSError)):
            while True:
                if "error" in bad.receive():
                    raise ConnectionError("answered with an error")
        huge = Varlink(self.supervisor.control)
        with self.assertRaises((ConnectionError, OSError)):
            for _ in range(10):
                huge.send_bytes(b"x" * (1 << 20))
            huge.receive()
        self.ok("version", "--json")
        self.ok("start", "sleep")
        self.ok("stop", "sleep")
        for link in idle + [bad, huge]:
            link.close()
        self.ok("version", "--json")


class Exec(SystemTest):
    UNITS = {"sleep": SLEEP, "worker@": SLEEP}

    def setUp(self):
        self.ok("start", "sleep")

    def tearDown(self):
        self.ok("stop", "sleep")

    def test_a_command_runs_in_the_jail_as_the_service(self):
        inside = self.ok("exec", "sleep", "--", "/bin/sh", "-c",
                         "id -u; readlink /proc/self/ns/mnt /proc/self/ns/pid; ls /proc")
        uid, mount, pid_space = inside.splitlines()[:3]
        main_pid = self.supervisor.pid("sleep")
        with open(f"/proc/{main_pid}/status", encoding="ascii") as file:
            service_uid = next(line.split()[1] for line in file if line.startswith("Uid:"))
        self.assertEqual(uid, service_uid)
        self.assertNotEqual(uid, "0")
        self.assertEqual(mount, os.readlink(f"/proc/{main_pid}/ns/mnt"))
        self.assertEqual(pid_space, os.readlink(f"/proc/{main_pid}/ns/pid"))
        self.assertNotEqual(mount, os.readlink("/proc/self/ns/mnt"))
        self.assertNotIn(str(self.supervisor.keeper.pid), inside.split())

    def test_a_program_that_cannot_be_executed_exits_as_in_a_shell(self):
        for code, why, program in ((127, "No such file or directory", "/no/such"),
                                   (127, "nosuch", "nosuch"),
                                   (126, "Permission denied", "/etc/passwd"),
                                   (126, "Permission denied", "/etc")):
            with self.subTest(program):
                self.assertIn(why, self.fails(code, "exec", "sleep", "--", program))

    def test_exit_codes_signals_and_input_come_through(self):
        self.assertEqual(self.supervisor.run("exec", "sleep", "--", "/bin/sh", "-c",
                                             "exit 7").returncode, 7)
        self.assertEqual(self.supervisor.run("exec", "sleep", "--", "/bin/sh", "-c",
                                             "kill -KILL $$").returncode, 128 + signal.SIGKILL)
        result = subprocess.run([KEEPER.parent / "jailsvc", "--state", self.supervisor.state,
                                 "exec", "sleep", "--", "cat"], input="through\n",
                                capture_output=True, text=True, timeout=20, check=False)
        self.assertEqual(result.stdout, "through\n", result.stderr)

    def on_a_terminal(self, *command):
        """Starts `jailsvc exec sleep -- COMMAND` on a pseudo-terminal; its pid and our end."""
        pid, terminal = pty.fork()
        if pid == 0:
            os.execv(CLIENT, ["jailsvc", "--state", str(self.supervisor.state), "exec", "sleep",
                              "--", *command])
        return pid, terminal

    def read_until(self, terminal, text):
        seen = b""
        while text not in seen:
            ready, _, _ = select.select([terminal], [], [], DEADLINE)
            self.assertTrue(ready, f"{text!r} did not come; {seen!r} did")
            seen += os.read(terminal, 4096)
        return seen

    def test_a_terminal_interrupts_and_resizes_what_runs_in_the_jail(self):
        pid, terminal = self.on_a_terminal("/bin/sh", "-c", "echo re''ady; exec sleep 1000")
        self.read_until(terminal, b"ready")
        os.write(terminal, b"\x03")
        _, status = os.waitpid(pid, 0)
        self.assertEqual(os.waitstatus_to_exitcode(status), 128 + signal.SIGINT)
        os.close(terminal)

    def test_what_a_client_ran_ends_with_the_client(self):
        client = subprocess.Popen([CLIENT, "--state", self.supervisor.state, "exec", "sleep", "--",
                                   "/bin/sh", "-c", "sleep 1001 & echo $!; sleep 1002"],
                                  stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
        client.stdout.readline()
        stub = next(child for child in children(self.supervisor.keeper.pid)
                    if command_line(child)[0] == b"jailsvc-stub")
        inside = pathlib.Path(f"/proc/{stub}/root/proc")

        def sleepers():
            lines = [path.read_bytes() for path in inside.glob("[0-9]*/cmdline")]
            return [line for line in lines if b"sleep\x00100" in line]
        await_true("both to run", lambda: len(sleepers()) == 2)
        client.kill()
        client.wait()
        client.stdout.close()
        await_true("the end of what it ran", lambda: not sleepers())

    def test_a_missing_program_is_named(self):
        error = self.supervisor.run("exec", "sleep", "--", "/no/such")
        self.assertNotEqual(error.returncode, 0)
        self.assertIn("/no/such", error.stderr)


if __name__ == "__main__":
    main()
