"""`jailsvc verify`: everything that is wrong with a file, in its order, and what is likely wrong."""
import os
import re
import shutil
import unittest

from harness import SystemTest, main

SLEEP = '[service]\nexec_start = ["/bin/sleep", "infinity"]\n'


class Verify(SystemTest):
    def setUp(self):
        self.folder = self.supervisor.folder / "given"
        self.folder.mkdir(exist_ok=True)

    def tearDown(self):
        shutil.rmtree(self.folder)

    def verify(self, code, *options, **units):
        """What is said of these files, one line for each thing."""
        paths = []
        for name, text in units.items():
            paths.append(self.folder / f"{name.replace('_at', '@')}.toml")
            paths[-1].write_text(text)
        result = self.supervisor.run("--config", self.supervisor.folder / "config", "verify",
                                     *options, *paths)
        self.assertEqual(result.returncode, code, result.stdout + result.stderr)
        return [line.replace(f"{self.folder}/", "") for line in result.stderr.splitlines()
                if not line.startswith("  ")]

    def places(self, lines):
        return [re.sub(r"^(warning: )?([^:]*):(\d+):.*", r"\2:\3", line) for line in lines]

    def test_core_and_plugins_are_told_together_by_line(self):  # [S3.19]
        said = self.verify(1, web='[service]\nexec_start = ["/bin/sleep"]\nrestart = "sometimes"\n'
                           'success_exit_status = [300, "a"]\n'
                           '[jail.cgroups]\ncpu_quota = "x"\nmemory_max = "much"\n'
                           'cpu_weight = 0\ncpus = "y"\n'
                           '[jail.identity.limits]\nflying = "1"\nnofile = "x"\nnproc = "y"\n'
                           '[environment]\nset = { A = 1, B = "b", C = true }\n')
        self.assertEqual(self.places(said), [f"web.toml:{line}" for line in
                                             (3, 4, 4, 6, 7, 8, 9, 11, 12, 13, 15, 15)])
        self.assertIn('[jail.identity] limits.nofile: "x" is no limit', "".join(said))
        # The control: with all that mended nothing is told.
        self.assertEqual(self.verify(0, web=SLEEP + '[jail.cgroups]\ncpu_quota = "50%"\n'), [])

    def test_what_a_broken_table_lacks_is_not_told(self):
        said = self.verify(1, web=SLEEP + '[jail.chroot]\nmode = "directory"\nrot = "/srv"\n')
        self.assertEqual(self.places(said), ["web.toml:5"])
        said = self.verify(1, web=SLEEP + '[jail.chroot]\nmode = "directory"\n')
        self.assertEqual(self.places(said), ["web.toml:3"])

    def test_files_come_in_the_order_they_were_given(self):
        said = self.verify(1, b=SLEEP + 'restart = "x"\n', a='[unit]\nrequires = ["b", "c"]\n'
                           + SLEEP + 'restart = "y"\n')
        self.assertEqual(self.places(said),
                         ["b.toml:3", "a.toml:2", "a.toml:2", "a.toml:5"])
        self.assertRegex(said[1], r"requires b, whose file has errors: .*b\.toml:3:11: restart: ")
        self.assertIn("requires c, which does not exist", said[2])

    def test_what_is_not_there_is_warned_of(self):
        text = ('[service]\nexec_start = ["/no/such/program"]\nexec_stop = []\n'
                'exec_reload = ["/etc/passwd"]\nworking_directory = "/no/such"\n'
                '[unit]\nconflicts = ["web"]\n')
        said = self.verify(0, web=text)
        self.assertEqual(self.places(said), [f"web.toml:{line}" for line in (2, 3, 4, 5, 7)])
        self.assertTrue(all(line.startswith("warning: ") for line in said), said)
        self.assertEqual(self.verify(1, "--strict", web=text), said)
        self.assertEqual(self.verify(0, "--strict", web=SLEEP), [])

    def test_what_the_jail_hides_is_warned_of(self):
        said = self.verify(0, web='[service]\nexec_start = ["/root/bin/web"]\n')
        self.assertIn("is hidden in the jail, which shows /root empty", said[0])
        self.assertEqual(self.verify(0, web='[service]\nexec_start = ["/srv/web"]\n[jail.chroot]\n'
                                     'binds_ro = ["/bin/sleep:/srv/web"]\n'), [])

    def test_sockets_that_cannot_be_are_warned_of(self):
        listens = SLEEP + '[socket]\nlisten = ["tcp:127.83.7.2:80"]\n'
        said = self.verify(0, web=listens, api=listens.replace(":80", ":080"))
        self.assertEqual(len(said), 1)
        self.assertIn("is listened on by", said[0])
        self.assertEqual(self.verify(0, web=listens), [])
        accepts = '[socket]\nlisten = ["tcp:127.83.7.2:80"]\naccept = true\n'
        self.assertIn("there is no template web@.toml", self.verify(0, web=accepts)[0])
        self.assertEqual(self.verify(0, web=accepts, web_at=SLEEP), [])

    def test_programs_are_looked_for_inside_the_root(self):
        root = self.supervisor.folder / "root"
        (root / "bin").mkdir(parents=True, exist_ok=True)
        (root / "bin/web").write_text("#!/bin/sh\n")
        (root / "bin/web").chmod(0o755)
        image = f'[jail.chroot]\nmode = "directory"\nroot = "{root}"\n'
        self.assertEqual(self.verify(0, web='[service]\nexec_start = ["/bin/web"]\n' + image), [])
        said = self.verify(0, web=SLEEP + image)
        self.assertIn('"/bin/sleep" is not there, as the jail sees it', said[0])
        said = self.verify(0, web=SLEEP + image.replace("/root", "/later"))
        self.assertEqual(len(said), 1)
        self.assertIn("root: ", said[0])

    def test_a_missing_environment_file_does_not_hide_the_plugins_errors(self):
        said = self.verify(1, web=SLEEP + '[environment]\nfile = ["/no/such.env"]\n'
                           '[jail.identity]\numask = "9"\n')
        self.assertEqual(self.places(said), ["web.toml:4", "web.toml:6"])

    def test_a_file_that_the_engine_cannot_read(self):
        cure = "reads it as uid 62999, so everybody must be able to; run: chmod 0644 "
        path = self.folder / "secret.toml"
        path.write_text(SLEEP)
        path.chmod(0o600)
        result = self.supervisor.run("verify", path)
        self.assertEqual(result.returncode, 0, result.stderr)  # it is not there to be loaded
        self.assertIn(f"mode 0600: the supervisor {cure}{path}", result.stderr)
        path = self.supervisor.units / "secret.toml"
        path.write_text(SLEEP)
        self.addCleanup(path.unlink)
        path.chmod(0o600)
        config = ["--config", self.supervisor.folder / "config"]
        for command in ([*config, "verify", path], ["daemon-reload"], ["start", "secret"]):
            result = self.supervisor.run(*command)
            self.assertNotEqual(result.returncode, 0, command)
            self.assertIn(cure + str(path), result.stderr)
        path.chmod(0o644)
        self.assertEqual(self.supervisor.run("verify", path).stderr, "")
        self.assertEqual(self.supervisor.run("daemon-reload").returncode, 0)

    def test_a_drop_in_is_verified_as_part_of_its_unit(self):
        (self.folder / "web.toml").write_text(SLEEP)
        drop_ins = self.folder / "web.toml.d"
        drop_ins.mkdir()
        path = drop_ins / "10-more.toml"

        def verify(code, text):
            path.write_text(text)
            result = self.supervisor.run("verify", path)
            self.assertEqual(result.returncode, code, result.stdout + result.stderr)
            return result.stderr
        self.assertEqual(verify(0, '[service]\nnice = 5\n'), "")
        said = verify(1, '[service]\nrestart_delay = "2min"\nrestart_delay_max = "1s"\n'
                      '[jail.identity]\numask = "9"\n')
        self.assertIn(f"{path}:2:17: restart_delay: ", said)
        self.assertIn(f"{path}:5:9: [jail.identity] umask: ", said)
        # Beside no unit it would never be read.
        (self.folder / "web.toml").unlink()
        self.assertIn("no such unit: there is no file for it", verify(1, "[service]\nnice = 5\n"))

    def test_what_the_unit_takes_from_the_host_and_is_not_there(self):
        text = (SLEEP + '[jail.chroot]\nbinds = ["/no/such:/mnt"]\nbinds_ro = ["-/no/such:/srv"]\n'
                'devices = ["/dev/nosuch"]\n[credentials.file]\none = "/no/such.secret"\n'
                '[credentials.command]\ntwo = "/no/such/program --of web"\n')
        said = self.verify(0, web=text)
        self.assertEqual(self.places(said), [f"web.toml:{line}" for line in (4, 6, 8, 10)])
        for line, what in zip(said, ('binds: "/no/such"', 'devices: "/dev/nosuch"',
                                     'file.one: "/no/such.secret"',
                                     'command.two: "/no/such/program"')):
            self.assertIn(f"{what} is not there; ", line)
        # The control: a state directory is made by the start.
        self.assertEqual(self.verify(0, web=SLEEP + '[jail.chroot]\nstate_directory = ["w"]\n'
                                     'binds = ["/etc:/mnt"]\n'), [])

    def test_units_that_the_network_names(self):
        jail = '[jail]\nprofile = "default"\n[jail.namespaces]\nnet = true\n[jail.network]\n'
        join = SLEEP + jail + 'mode = "join"\njoin = "db"\n'
        self.assertIn("web.toml:9:8: join: names db, which does not exist",
                      self.verify(0, web=join)[0])
        edges = SLEEP + jail + 'mode = "private"\nedges = ["db:5432", "api:80"]\n'
        said = self.verify(0, web=edges, api=SLEEP)
        self.assertEqual(len(said), 1, said)
        self.assertIn("edges: names db, which does not exist", said[0])
        self.assertEqual(self.verify(0, web=edges, api=SLEEP, db=SLEEP), [])

    def test_files_that_others_could_change(self):
        path = self.folder / "web.toml"
        path.write_text(SLEEP)
        path.chmod(0o666)
        result = self.supervisor.run("verify", path)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn(f"warning: {path}: writable by group or others (mode 0666); run: chmod go-w",
                      result.stderr)
        # Where the supervisor would load it from, and refuse it, that is an error.
        installed = self.supervisor.units / "loose.toml"
        installed.write_text(SLEEP)
        self.addCleanup(installed.unlink)
        config = ("--config", self.supervisor.folder / "config")
        self.assertEqual(self.supervisor.run(*config, "verify", installed).returncode, 0)
        os.chown(installed, 65534, -1)
        result = self.supervisor.run(*config, "verify", installed)
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertIn(f"{installed}: owned by uid 65534", result.stderr)

    def test_a_template_is_tried_as_an_instance(self):
        said = self.verify(1, w_at=SLEEP + '[jail.identity]\numask = "9"\nuser = "%i"\n'
                           'dynamic_user = false\n')
        self.assertEqual(self.places(said), ["w@.toml:4"])

    def test_a_broken_ceiling_is_told_once(self):
        ceiling = self.supervisor.folder / "config/ceiling.toml"
        ceiling.write_text("[jail.identity]\nusr = 1\n")
        try:
            sentence = f'{ceiling}:2:1: "usr": no key of [jail.identity]'
            self.assertEqual(len(self.verify(1, a=SLEEP, b=SLEEP)), 1)
            self.supervisor.write("one", SLEEP)
            self.supervisor.write("two", SLEEP)
            said = self.fails(1, "daemon-reload")
            self.assertEqual(said.count(sentence), 1, said)
            self.assertEqual(self.supervisor.said().count(sentence), 1)
            self.assertIn(sentence, self.fails(6, "start", "one"))
        finally:
            ceiling.unlink()
            self.ok("daemon-reload")


class Files(SystemTest):
    UNITS = {
        "needs-broken": '[unit]\nrequires = ["broken"]\n' + SLEEP,
        "broken": '[service]\nexec_start = ["/bin/sleep"]\nrestart = "x\\u001b"\n',
        "edited": SLEEP,
    }

    def test_a_broken_file_is_not_a_missing_one(self):
        said = self.fails(1, "start", "needs-broken")
        self.assertRegex(said, r"^jailsvc: needs-broken: refused: requires broken, whose file has "
                               r'errors: .*broken\.toml:3:11: restart: "x\?" has a control character ')

    def test_errors_keep_their_lines_and_no_escape_sequence(self):
        self.ok("start", "edited")
        path = self.supervisor.units / "edited.toml"
        path.write_text(SLEEP + 'restart = "x"  # \x1b[2J\n'.replace("\x1b", "é"))
        try:
            self.fails(1, "daemon-reload")
            for said in (self.fails(1, "restart", "edited"), self.fails(6, "start", "broken")):
                lines = said.splitlines()
                self.assertTrue(lines[-2].lstrip().startswith("restart = "), said)
                self.assertEqual(lines[-1].strip(), "^")
                self.assertNotIn("\x1b", said)
            where = lines[-1].index("^")
            self.assertEqual(lines[-2][where], '"')
        finally:
            path.write_text(SLEEP)
            self.supervisor.run("daemon-reload")
            self.ok("stop", "edited")


if __name__ == "__main__":
    main()
