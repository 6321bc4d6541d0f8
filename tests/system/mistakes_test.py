"""What people do wrong, and the sentence that helps them out."""
import os
import shutil
import socket
import unittest

from harness import BUILD, Supervisor, SystemTest, await_true, main

SLEEP = '[service]\nexec_start = ["/bin/sleep", "infinity"]\n'
LISTEN = ("import socket; s = socket.socket(); s.bind(('127.0.0.1', {})); s.listen(); "
          "import time; time.sleep(1000)")


def take_port():
    """A port of this test's own, in use while it runs."""
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    taken.listen()
    return taken


class Mistakes(SystemTest):
    TAKEN = take_port()
    UNITS = {
        "no-program": '[service]\nexec_start = ["/no/such/program"]\n',
        "no-x": '[service]\nexec_start = ["/etc/passwd"]\n',
        "no-pre": SLEEP + 'exec_start_pre = ["/no/such/pre"]\n',
        "bad-pre": SLEEP + 'exec_start_pre = ["/bin/false"]\n',
        "no-root": SLEEP + '[jail.chroot]\nmode = "directory"\nroot = "/no/such/root"\n',
        "no-source": SLEEP + '[jail.chroot]\nbinds = ["/no/such/source:/mnt"]\n',
        "no-target": SLEEP + '[jail.chroot]\nbinds = ["/etc:/no/such/target"]\n',
        "no-user": SLEEP + '[jail.identity]\nuser = "nosuchuser"\ndynamic_user = false\n',
        "no-directory": SLEEP + 'working_directory = "/no/such/directory"\n',
        "no-environment": SLEEP + '[environment]\nfile = ["/no/such.env"]\n',
        "unreadable": '[service]\ntype = "oneshot"\nexec_start = ["/bin/cat", "/etc/shadow"]\n',
        "port": '[service]\nexec_start = ["/usr/bin/python3", "-c", "'
                + LISTEN.format(TAKEN.getsockname()[1]) + '"]\n',
        "circle-a": SLEEP + '[unit]\nrequires = ["circle-b"]\n',
        "circle-b": SLEEP + '[unit]\nrequires = ["circle-a"]\n',
        "needs-ghost": SLEEP + '[unit]\nrequires = ["ghost"]\n',
        "needs-broken": SLEEP + '[unit]\nrequires = ["no-program"]\n',
        "crashes": '[unit]\nstart_limit_burst = 3\n[service]\nexec_start = ["/bin/false"]\n'
                   'restart = "always"\nrestart_delay = "1ms"\n',
        "slow": '[service]\ntype = "oneshot"\nexec_start = ["/bin/sleep", "100"]\n'
                'timeout_start = "200ms"\n',
        "stubborn": '[service]\nexec_start = ["/bin/sh", "-c", "trap \'\' TERM; echo up; while :;'
                    ' do sleep 1; done"]\ntimeout_stop = "300ms"\n',
        "greedy": SLEEP + '[jail.identity]\ncapabilities = ["sys_admin"]\n',
        "modest": SLEEP + '[jail.identity]\ncapabilities = ["net_bind_service"]\n',
        "misspelt": '[service]\nexec_strat = ["/bin/true"]\n',
        "refused": SLEEP + '[jail.chroot]\nmode = "directory"\nroot = ""\n'
                           '[jail.identity]\numask = "9"\ncapabilities = ["flying"]\n',
        "hasty": SLEEP + 'restart_delay = "1min"\nrestart_delay_max = "1s"\n',
    }

    @classmethod
    def tearDownClass(cls):
        cls.TAKEN.close()
        super().tearDownClass()

    def test_a_unit_above_the_site_s_ceiling(self):
        ceiling = self.supervisor.folder / "config/ceiling.toml"
        ceiling.write_text('[jail.identity]\ncapabilities = ["net_bind_service"]\n')
        self.addCleanup(self.fails, 1, "daemon-reload")  # of the other units
        self.addCleanup(ceiling.unlink)
        self.addCleanup(self.ok, "stop", "modest")
        sentence = ('[jail.identity] capabilities: "sys_admin" is not among them; the site allows '
                    f"net_bind_service ({ceiling}:2)")
        self.assertIn(sentence, self.start("greedy"))
        self.fails(1, "daemon-reload")
        self.assertIn(sentence, self.start("greedy"))
        self.ok("start", "modest")

    def start(self, unit, code=1):
        """What `jailsvc start` says, without the words that are the same for all."""
        said = self.fails(code, "start", unit).strip()
        self.assertTrue(said.startswith("jailsvc: "), said)
        return said.removeprefix("jailsvc: ").removeprefix(f"{unit}: ")

    def because(self, unit):
        return self.ok_or_stopped("status", unit, "--value", "because").strip()

    def ok_or_stopped(self, *arguments):
        result = self.supervisor.run(*arguments)
        self.assertIn(result.returncode, (0, 3), result.stderr)
        return result.stdout

    def test_a_missing_program(self):
        sentence = ("/no/such/program: No such file or directory; the path is looked up inside the "
                    "jail: install it there or bind it, and check its #! line")
        self.assertEqual(self.start("no-program"), "failed: " + sentence)
        self.assertEqual(self.because("no-program"), sentence)

    def test_a_program_that_is_not_executable(self):
        self.assertEqual(self.start("no-x"),
                         "failed: /etc/passwd: Permission denied; make it executable (chmod +x) and "
                         "readable for the user it runs as")

    def test_a_missing_or_failing_command(self):
        self.assertEqual(self.start("no-pre"),
                         "failed: exec_start_pre: /no/such/pre: No such file or directory; the path "
                         "is looked up inside the jail: install it there or bind it, and check its "
                         "#! line")
        self.assertEqual(self.start("bad-pre"),
                         "failed: exec_start_pre: exit code 1; `jailsvc logs bad-pre` shows what it "
                         "said")

    def test_missing_directories_of_the_jail(self):
        self.assertEqual(self.start("no-root"),
                         "failed: chroot: root: source /no/such/root: No such file or directory; "
                         "make that directory, or correct the jail's root")
        self.assertEqual(self.start("no-source"),
                         "failed: chroot: bind: source /no/such/source: No such file or directory; "
                         "make it, or take it out of the unit")
        self.assertEqual(self.start("no-target"),
                         "failed: chroot: bind: target /no/such/target: No such file or directory; "
                         "nothing is made there in a read-only root: bind over a path that exists")
        self.assertEqual(self.start("no-directory"),
                         "failed: changing the working directory: /no/such/directory: No such file "
                         "or directory; working_directory names it as the jail sees it")

    def test_an_unknown_user(self):
        self.assertIn('there is no user "nosuchuser"; create it (useradd --system nosuchuser), or '
                      "use dynamic_user = true", self.start("no-user"))

    def test_a_file_that_the_dynamic_user_may_not_read(self):
        self.assertEqual(self.start("unreadable"),
                         "failed: exit code 1; `jailsvc logs unreadable` shows what it said")
        await_true("its last words",
                   lambda: "/etc/shadow: Permission denied" in self.ok("logs", "unreadable"))

    def test_a_port_in_use(self):
        self.supervisor.run("start", "port")  # it is up when executed; what it does then comes later
        self.supervisor.await_state("port", "failed")
        self.assertIn("because: exit code 1; `jailsvc logs port` shows what it said",
                      self.ok_or_stopped("status", "port"))
        await_true("its last words",
                   lambda: "Address already in use" in self.ok("logs", "port"))

    def test_dependencies_that_cannot_be(self):
        self.assertEqual(self.start("circle-a"),
                         "refused: cycle: circle-a -> circle-b -> circle-a; drop one of these "
                         "dependencies")
        # Who asks without starting learns it too.
        self.assertIn("because: cycle: circle-a -> circle-b -> circle-a",
                      self.ok_or_stopped("status", "circle-a"))
        self.assertEqual(self.start("needs-ghost"),
                         "refused: requires ghost, which does not exist; add it or drop the line")
        self.assertTrue(self.start("needs-broken").startswith(
            "dependency: no-program failed: /no/such/program: No such file or directory"))

    def test_limits_say_how_to_raise_them(self):  # [S4.21]
        self.supervisor.run("start", "crashes")
        self.supervisor.await_state("crashes", "failed")
        self.assertEqual(self.because("crashes"),
                         "start limit: 3 starts within 10 s; last: exit code 1; start it again when "
                         "that is mended")
        self.assertEqual(self.start("slow"),
                         "timeout: did not start within 200 ms; raise timeout_start if it needs "
                         "longer")
        self.ok("start", "stubborn")
        await_true("its trap", lambda: "up" in self.ok("logs", "stubborn"))
        self.ok("stop", "stubborn")
        self.assertEqual(self.because("stubborn"),
                         "did not stop within 300 ms, killed; raise timeout_stop if it needs longer")

    def test_files_with_errors_name_the_place(self):
        self.assertRegex(self.start("misspelt", 6),
                         r'misspelt\.toml:2:1: exec_strat: .*did you mean "exec_start"\?')
        self.assertRegex(self.start("no-environment", 6),
                         r'no-environment\.toml:4:\d+: file: "/no/such\.env" is not there; make it')
        self.assertRegex(self.start("hasty", 6),
                         r'hasty\.toml:3:17: restart_delay: "1min" is longer than '
                         r'restart_delay_max, which is "1s"')

    def test_what_plugins_refuse_names_the_place_and_how_to_see_all(self):
        path = self.supervisor.units / "refused.toml"
        root = (f'{path}:5:8: [jail.chroot] root: "" is no absolute path; write one that begins '
                'with / and has no "..", "." or "//" in it')
        umask = (f'{path}:7:9: [jail.identity] umask: "9" is no mask; write three or four octal '
                 'digits, such as "0027"')
        self.assertEqual(self.start("refused"),
                         f"failed: {root} (and 2 more: jailsvc verify {path})")
        said = self.fails(1, "verify", path)
        self.assertIn(f'{root}\n  root = ""\n         ^\n', said)
        self.assertIn(f'{umask}\n  umask = "9"\n          ^\n', said)
        self.assertIn(f'{path}:8:16: [jail.identity] capabilities: there is no ', said)

    def test_a_unit_that_runs_on_without_its_file(self):
        self.supervisor.write("orphan", SLEEP)
        self.supervisor.run("daemon-reload")  # others have errors
        self.ok("start", "orphan")
        (self.supervisor.units / "orphan.toml").unlink()
        self.supervisor.run("daemon-reload")
        cure = "stop it, or put the file back and run jailsvc daemon-reload"
        for command in ("start", "restart"):
            self.assertIn(f"the file of orphan is gone; {cure}", self.fails(1, command, "orphan"))
        said = self.ok("status", "orphan")
        self.assertIn(f"its file is gone, it runs on as it was started; {cure}", said)
        self.assertNotIn("restart it", said)
        self.ok("stop", "orphan")

    def test_names_that_can_be_no_units_are_told(self):
        path = self.supervisor.folder / "a@b@c.toml"
        path.write_text(SLEEP)
        self.assertIn(f'{path}: "a@b@c" is no name of a unit', self.fails(1, "verify", path))


@unittest.skipIf(os.geteuid() != 0, "skipped: needs root")
class DamagedPlugins(unittest.TestCase):
    """No jail is made with a wall left out; what has no jail goes on."""
    UNITS = {
        "web": SLEEP,
        "free": SLEEP + '[jail]\nprofile = "host"\n',
        "gives": SLEEP + '[jail]\noptional = ["cgroups"]\n',
        "limited": SLEEP + '[jail]\nprofile = "host"\n[jail.cgroups]\ntasks_max = 10\n',
    }

    def supervisor(self, spoil):
        supervisor = Supervisor(self.UNITS)
        self.addCleanup(supervisor.remove)
        plugins = supervisor.folder / "plugins"
        shutil.copytree(BUILD / "lib/jailsvc/plugins", plugins)
        spoil(plugins / "cgroups.so")
        self.addCleanup(supervisor.stop)
        return supervisor.start("--plugins", plugins)

    def refusal(self, supervisor, unit):
        done = supervisor.run("start", unit)
        self.assertNotEqual(done.returncode, 0, done.stdout)
        self.assertIsNone(supervisor.pid(unit))
        return done.stderr

    def test_one_that_is_damaged(self):
        supervisor = self.supervisor(lambda path: os.truncate(path, 4000))
        why = f"plugin cgroups was refused: {supervisor.folder}/plugins/cgroups.so: "
        for unit in ("web", "limited"):
            said = self.refusal(supervisor, unit)
            self.assertIn(why, said)
            self.assertIn("mend it (reinstall jailsvc)", said)
            self.assertNotIn("not known by this build", said)
        for unit in ("free", "gives"):
            done = supervisor.run("start", unit)
            self.assertEqual(done.returncode, 0, done.stderr)

    def test_one_that_is_missing(self):
        supervisor = self.supervisor(lambda path: path.unlink())
        why = f"plugin cgroups is missing from {supervisor.folder}/plugins; reinstall jailsvc"
        for unit in ("web", "limited"):
            self.assertIn(why, self.refusal(supervisor, unit))

    def test_none(self):  # the control
        supervisor = self.supervisor(lambda path: None)
        for unit in self.UNITS:
            done = supervisor.run("start", unit)
            self.assertEqual(done.returncode, 0, done.stderr)


class MissingConfig(SystemTest):
    def test_a_config_directory_that_is_not_there_is_told_at_the_start(self):
        supervisor = Supervisor()
        try:
            shutil.rmtree(supervisor.folder / "config")
            supervisor.start()
            config = supervisor.folder / "config"
            self.assertIn(f"--config {config}: {config}: No such file or directory; no unit is "
                          "loaded from there", supervisor.said())
            self.assertEqual(supervisor.stop(), 0)
        finally:
            supervisor.stop()
            supervisor.remove()
        # The control: with its directory nothing of the kind is said.
        self.assertNotIn("--config", self.supervisor.said())


if __name__ == "__main__":
    main()
