"""What scripts rely on: exit codes, one unit's trouble apart from another's, JSON always."""
import json
import os
import pathlib
import signal
import subprocess
import unittest

from harness import BUILD, CLIENT, DEADLINE, KEEPER, SystemTest, main

SLEEP = '[service]\nexec_start = ["/bin/sleep", "infinity"]\n'


class Client(SystemTest):
    UNITS = {
        "one": SLEEP,
        "two": SLEEP,
        "missing": '[service]\nexec_start = ["/no/such/program"]\n',
        "misspelt": "[service]\nexec_strat = 1\n",
        "secret": '[service]\ntype = "oneshot"\nexec_start = ["/bin/sh", "-c", "echo got $WORD"]\n'
                  '[environment]\nfile = ["@HERE@/secret.env"]\n',
    }
    FILES = {"secret.env": "WORD=hunter2\n"}

    def as_json(self, code, *arguments, **more):
        result = self.supervisor.run(*arguments, "--json", **more)
        self.assertEqual(result.returncode, code, result.stdout + result.stderr)
        return json.loads(result.stdout)

    def test_status_shows_the_known_beside_the_unknown(self):
        self.ok("start", "one")
        result = self.supervisor.run("status", "one", "nosuch", "two", "misspelt")
        self.assertEqual(result.returncode, 4)
        self.assertIn("● one", result.stdout)
        self.assertIn("● two", result.stdout)
        self.assertIn('no unit "nosuch"', result.stderr)
        self.assertRegex(result.stdout, r"● misspelt\n +state: error\n(.*\n)* +error: .*exec_strat")
        both = self.as_json(4, "status", "one", "nosuch")
        self.assertEqual([unit["name"] for unit in both["units"]], ["one"])
        self.assertEqual([error["error"] for error in both["errors"]], ["NoSuchUnit"])
        self.ok("stop", "one")

    def test_mistakes_of_a_stranger(self):
        self.supervisor.write("group", '[unit]\nwants = ["one"]\n')
        self.fails(1, "daemon-reload")
        try:
            for code, words, said in (
                    (2, ["status", "one", "--json", "--value", "pid"], None),
                    (2, ["show", "one", "--json", "--value", "digest"], None),
                    (2, ["shutdown", "--timeout", ""], "--timeout: empty"),
                    (1, ["verify", "/no/such.toml"], "/no/such.toml: No such file or directory"),
                    (1, ["set-property", "group", "memory_max=1G"], "a target runs no program"),
                    (0, ["logs", "group"], "a target runs no program, so it has no log")):
                result = self.supervisor.run(*words)
                self.assertEqual(result.returncode, code, words)
                if said is not None:
                    self.assertIn(said, result.stderr)
            self.ok("start", "two")
            result = self.supervisor.run("--json", "exec", "two", "--", "/no/such")
            self.assertEqual(result.returncode, 127)
            self.assertEqual(json.loads(result.stdout)["error"], "NotExecuted")
            self.ok("stop", "two")
        finally:
            (self.supervisor.units / "group.toml").unlink()
            self.fails(1, "daemon-reload")

    def test_help_and_version_need_no_supervisor(self):
        def said(*words):
            result = subprocess.run([CLIENT, *words], capture_output=True, text=True, check=False)
            self.assertEqual((result.returncode, result.stderr), (0, ""), words)
            return result.stdout
        self.assertRegex(said("--version"), r"^jailsvc \d+\.\d+\.\d+\n$")
        for code in ("0  done", "3  status: ", "6  the unit's file has errors", "7  the unit does"):
            self.assertIn(code, said("--help"))
            self.assertIn(code, said("help"))
        status = said("help", "status")
        self.assertIn("Usage: jailsvc status [OPTIONS]", status)
        self.assertIn("or none was named", status)
        self.assertNotIn("7  the unit does", status)
        self.assertIn("Usage: jailsvc pledge learn", said("help", "pledge", "learn"))
        self.assertIn('no command "nosuch"', self.fails(2, "help", "nosuch"))

    def test_a_cycle_is_told_to_who_only_looks(self):
        for one, other in (("ring-a", "ring-b"), ("ring-b", "ring-a")):
            self.supervisor.write(one, SLEEP + f'[unit]\nrequires = ["{other}"]\n')
        self.supervisor.write("group", '[unit]\nwants = ["one"]\n')
        self.fails(1, "daemon-reload")  # of the misspelt one
        try:
            status = self.supervisor.status("ring-a")
            self.assertEqual(status["state"], "inactive")
            self.assertIn("cycle: ring-a -> ring-b -> ring-a", status["because"])
            table = self.ok("list").splitlines()
            [row] = [line for line in table if "● ring-b " in line]
            self.assertIn("cycle: ring-a -> ring-b -> ring-a", row)
            [target] = [line for line in table if "● group " in line]
            self.assertTrue(target.endswith("  -"), target)
            self.assertEqual(self.supervisor.status("one")["because"], "")  # the control
        finally:
            for name in ("ring-a", "ring-b", "group"):
                (self.supervisor.units / f"{name}.toml").unlink()
            self.fails(1, "daemon-reload")  # of the misspelt one

    def test_what_cannot_be_read_of_a_log_is_a_mistake_of_usage(self):
        self.assertIn('"abc" is no number of lines', self.fails(2, "logs", "-n", "abc", "two"))
        self.assertIn("is no number of lines", self.fails(2, "logs", "-n", "-1", "two"))
        self.assertIn('--since "bad": use a duration like', self.fails(2, "logs", "--since", "bad",
                                                                      "two"))

    def test_a_supervisor_that_hangs_is_told(self):
        self.ok("start", "one")
        engine = self.supervisor.role("engine")
        os.kill(engine, signal.SIGSTOP)
        try:
            clients = [subprocess.Popen([CLIENT, "--state", self.supervisor.state, *command],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)
                       for command in (["list"], ["exec", "one", "--", "/bin/echo", "two"])]
            said = [client.stderr.readline() for client in clients]
        finally:
            os.kill(engine, signal.SIGCONT)
        for client, line in zip(clients, said):
            self.assertRegex(line, r"does not answer; still waiting\..*jailsvcd")
            listed, more = client.communicate(timeout=DEADLINE)
            self.assertEqual((client.returncode, more), (0, ""))
            self.assertIn("two", listed)
        self.ok("stop", "one")
        self.assertIn("does not answer is told of", self.ok("--help"))

    def test_a_long_wait_for_a_supervisor_that_answers_is_silent(self):
        self.supervisor.write("long", '[service]\ntype = "oneshot"\n'
                                      'exec_start = ["/bin/sleep", "6"]\n')
        self.supervisor.run("daemon-reload")
        self.assertEqual(self.supervisor.run("start", "long").stderr, "")
        (self.supervisor.units / "long.toml").unlink()
        self.supervisor.run("daemon-reload")

    def test_the_loops_say_how_they_are_meant_to_be_run(self):
        for role in "engine", "jailer", "logger":
            said = subprocess.run([BUILD / "bin/jailsvcd", role], capture_output=True, text=True,
                                  check=False, stdin=subprocess.DEVNULL)
            self.assertEqual(said.returncode, 2)
            self.assertIn("is started by jailsvc-init, never by hand", said.stderr)

    def test_options_take_their_value_behind_an_equals_sign_too(self):
        self.ok("verify", f"--config={self.supervisor.folder}/config",
                self.supervisor.units / "one.toml")
        said = subprocess.run([BUILD / "bin/jailsvcd", "explain", f"--config={self.supervisor.folder}",
                               "service.restart"], capture_output=True, text=True, check=False)
        self.assertEqual(said.returncode, 0, said.stderr)
        for option, why in (("--state=nowhere", "--state: give an absolute path"),
                            ("--quiet=1", "--quiet: takes no value")):
            said = subprocess.run([KEEPER, option], capture_output=True, text=True, check=False)
            self.assertEqual(said.returncode, 2)
            self.assertIn(why, said.stderr)

    def test_one_field_alone_and_what_is_no_field(self):
        self.assertEqual(self.supervisor.run("status", "two", "--value", "name").stdout, "two\n")
        said = self.fails(2, "status", "two", "--value", "nosuch")
        self.assertRegex(said, r'no field "nosuch"; there are .*\bpid\b.*\bstate\b')
        self.assertRegex(self.ok("show", "two", "--value", "digest"), r"^[0-9a-f]{64}\n$")
        self.assertIn('no field "nosuch"; there are digest files text',
                      self.fails(2, "show", "two", "--value", "nosuch"))

    def test_templates_are_listed_and_a_broken_one_is_told(self):
        self.supervisor.write("work@", '[unit]\ndescription = "Worker %i"\n' + SLEEP)
        self.supervisor.write("wrong@", "[service]\nexec_strat = 1\n")
        said = self.supervisor.run("daemon-reload")
        self.assertRegex(said.stderr, r"wrong@\.toml:2:1: exec_strat")
        listed = self.ok("list")
        self.assertRegex(listed, r"\n +TEMPLATE +INSTANCES +DESCRIPTION\n +work@ +0 +Worker %i\n"
                                 r" +wrong@ +0 +error: .*wrong@\.toml:1:2: exec_start")
        templates = self.as_json(0, "list")["templates"]
        self.assertEqual([one["name"] for one in templates], ["work@", "wrong@"])
        self.assertIn('work@ is a template; name an instance of it, as in "work@1"',
                      self.fails(2, "start", "work@"))
        self.assertRegex(self.fails(6, "start", "wrong@"), r"wrong@\.toml:2:1: exec_strat")
        for name in "work@", "wrong@":
            (self.supervisor.units / f"{name}.toml").unlink()
        self.supervisor.run("daemon-reload")
        self.assertNotIn("TEMPLATE", self.ok("list"))

    def test_the_engine_that_clients_talk_to_is_worth_nothing(self):
        text = pathlib.Path(f"/proc/{self.supervisor.role('engine')}/status").read_text()
        fields = dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)
        self.assertEqual(fields["Uid"].split(), ["62999"] * 4)
        self.assertEqual(fields["CapEff"], "0" * 16)
        self.assertEqual(fields["NoNewPrivs"], "1")
        self.assertEqual(fields["Seccomp"], "2")

    def test_a_unit_that_never_ran_has_no_since(self):
        self.assertIsNone(self.supervisor.status("missing")["since"])
        self.assertNotIn("since", self.supervisor.run("status", "missing").stdout)

    def test_one_of_several_fails_and_the_others_do_not(self):
        result = self.supervisor.run("start", "one", "missing", "two")
        self.assertEqual(result.returncode, 1)
        self.assertIn("missing: failed: /no/such/program", result.stderr)
        self.assertNotIn("one:", result.stderr)
        self.assertEqual(self.supervisor.run("status", "one", "two").returncode, 0)
        result = self.supervisor.run("stop", "one", "nosuch")
        self.assertEqual(result.returncode, 5)
        self.assertEqual(result.stderr, "jailsvc: nosuch: there is no such unit; see `jailsvc list`\n")
        self.assertEqual(self.supervisor.run("status", "one").returncode, 3)
        self.ok("stop", "one", "missing", "two")
        self.assertEqual(self.supervisor.run("status", "one").returncode, 3)
        self.ok("reset-failed", "missing")

    def test_every_error_is_json_where_json_was_asked_for(self):
        for code, error, arguments in (
                (5, "NoSuchUnit", ["start", "nosuch"]),
                (5, "NoSuchUnit", ["stop", "nosuch"]),
                (5, "NoSuchUnit", ["show", "nosuch"]),
                (5, "NoSuchUnit", ["plan", "nosuch"]),
                (5, "NoSuchUnit", ["logs", "nosuch"]),
                (5, "NoSuchUnit", ["kill", "nosuch"]),
                (4, "NoSuchUnit", ["status", "nosuch"]),
                (6, "InvalidUnit", ["start", "misspelt"]),
                (2, "Usage", ["kill", "-s", "NOSUCH", "one"]),
                (2, "Usage", ["start"]),
                (2, "Usage", ["nosuchcommand"]),
                (1, "Failed", ["explain", "service.nosuch"])):
            with self.subTest(arguments=arguments):
                said = self.as_json(code, *arguments)
                self.assertEqual(said["error"], error)
                self.assertTrue(said["message"])
        said = json.loads(self.supervisor.run("--json", "exec", "one", "--", "/bin/true").stdout)
        self.assertEqual(said["error"], "NotRunning")
        said = self.as_json(4, "start", "one", user=65534, group=65534, extra_groups=[])
        self.assertEqual(said["error"], "PermissionDenied")

    def test_every_success_is_json_too(self):
        self.assertEqual(self.as_json(0, "start", "one")["outcomes"][0]["result"], "done")
        self.assertEqual(self.as_json(1, "start", "missing")["outcomes"][0]["result"], "failed")
        for arguments in (["status"], ["list"], ["show", "one"], ["plan", "one"], ["version"],
                          ["kill", "-s", "CONT", "one"], ["reset-failed", "missing"],
                          ["explain", "service.restart"], ["stop", "one"],
                          ["verify", self.supervisor.units / "one.toml"]):
            with self.subTest(arguments=arguments):
                self.as_json(0, *arguments)
        self.as_json(1, "daemon-reload")  # misspelt.toml is among them

    def test_an_environment_file_is_noticed_at_a_reload_and_never_shown(self):
        (self.supervisor.folder / "secret.env").chmod(0o600)
        self.supervisor.run("daemon-reload")  # its mode has just changed
        self.ok("start", "secret")
        self.assertIn("got hunter2", self.ok("logs", "secret"))
        for text in (self.ok("show", "secret"), self.ok("plan", "secret"),
                     self.ok("plan", "secret", "--json")):
            self.assertNotIn("hunter2", text)
        before = self.as_json(0, "show", "secret")["digest"]
        (self.supervisor.folder / "secret.env").write_text("WORD=hunter3\n")
        self.assertIn("changed: secret", self.supervisor.run("daemon-reload").stdout)
        self.assertNotEqual(self.as_json(0, "show", "secret")["digest"], before)
        self.ok("start", "secret")
        self.assertIn("got hunter3", self.ok("logs", "secret"))

    def test_verify_tells_a_program_where_what_is_wrong(self):
        path = str(self.supervisor.units / "misspelt.toml")
        said = self.as_json(1, "verify", path)
        self.assertFalse(said["valid"])
        places = [(one["file"], one["line"], one["column"], one["severity"])
                  for one in said["diagnostics"]]
        self.assertEqual(places, [(path, 1, 2, "error"), (path, 2, 1, "error")])
        self.assertIn("exec_strat", said["diagnostics"][1]["message"])
        self.assertFalse(self.as_json(1, "verify", "/no/such/file.toml")["valid"])

    def test_what_is_wanted_and_missing_is_warned_of(self):
        self.supervisor.write("wants", SLEEP + '[unit]\nwants = ["ghost", "one"]\n')
        path = self.supervisor.units / "wants.toml"
        said = self.as_json(0, "verify", path)["diagnostics"]
        self.assertEqual([(one["line"], one["severity"], one["message"]) for one in said],
                         [(4, "warning", "wants: wants ghost, which does not exist; add it or drop "
                                         "the line")])
        self.assertIn("wants: wants ghost, which does not exist",
                      self.supervisor.run("daemon-reload").stderr)
        path.unlink()
        self.supervisor.run("daemon-reload")

    def test_verify_takes_profiles_as_profiles(self):
        profiles = self.supervisor.folder / "more/profiles"
        profiles.mkdir(parents=True)
        (profiles / "tight.toml").write_text("[jail.identity]\numask = \"0077\"\n")
        self.ok("verify", profiles / "tight.toml")
        self.ok("verify", "tight.toml", cwd=profiles)
        (profiles / "tight.toml").write_text(SLEEP)
        self.assertIn("a profile holds [jail.NAME] tables alone",
                      self.fails(1, "verify", profiles / "tight.toml"))


if __name__ == "__main__":
    main()
