"""What has to be there before a start, and what follows where it is not."""
import pathlib

from harness import SystemTest, await_true, main

SLEEP = '[service]\nexec_start = ["/bin/sleep", "1000"]\n'


class Conditions(SystemTest):
    UNITS = {
        "wants-file": '[unit.condition]\npath_exists = ["@HERE@/flag"]\n' + SLEEP +
                      'exec_stop_post = ["/bin/sh", "-c", "echo post"]\n',
        "needs-it": '[unit]\nrequires = ["wants-file"]\n' + SLEEP,
        "asserts": '[unit.assert]\npath_exists = ["@HERE@/flag"]\n' + SLEEP,
        "needs-assert": '[unit]\nrequires = ["asserts"]\n' + SLEEP,
        # The engine may not look there.
        "secret": '[unit.condition]\nfile_not_empty = ["@HERE@/secret/file"]\n' + SLEEP,
        "any": '[unit.condition]\npath_exists = ["|@HERE@/flag", "|/proc/self"]\n'
               f'path_is_mount_point = ["/proc", "!/etc/passwd"]\nuser = ["root"]\n{SLEEP}',
        "group": '[unit.condition]\npath_exists = ["@HERE@/flag"]\n[unit]\nrequires = ["any"]\n',
        "dotted": f'[unit]\ndescription = "x"\ncondition.architecture = ["no-such"]\n{SLEEP}',
        "again": '[unit.condition]\npath_exists = ["!@HERE@/flag"]\n'
                 + SLEEP + 'restart = "always"\nrestart_delay = 0\n',
    }

    def setUp(self):
        self.flag = self.supervisor.folder / "flag"
        self.flag.unlink(missing_ok=True)

    def state(self, unit):
        status = self.supervisor.status(unit)
        return status["state"], status["because"]

    def test_a_start_is_skipped_and_dependents_go_on(self):
        self.ok("start", "needs-it")
        told = f'condition path_exists = "{self.flag}" does not hold'
        self.assertEqual(self.state("wants-file"), ("skipped", told))
        self.assertEqual(self.state("needs-it")[0], "running")
        again = self.supervisor.run("start", "wants-file")
        self.assertEqual((again.returncode, again.stderr),
                         (0, f"jailsvc: wants-file: skipped: {told}\n"))
        self.assertIn(told, self.supervisor.run("status", "wants-file").stdout)
        self.assertIn(told, self.supervisor.run("why", "wants-file").stdout)
        self.assertFalse(self.supervisor.lines("wants-file"))  # no exec_stop_post
        self.flag.touch()
        self.ok("start", "wants-file")
        self.assertEqual(self.state("wants-file"), ("running", ""))
        self.ok("stop", "wants-file", "needs-it")
        self.assertEqual(self.state("wants-file")[0], "inactive")

    def test_an_assertion_fails(self):
        self.fails(1, "start", "needs-assert")
        told = f'assertion path_exists = "{self.flag}" does not hold'
        self.assertEqual(self.state("asserts")[0], "failed")
        self.assertIn(told, self.state("asserts")[1])
        self.assertEqual(self.state("needs-assert")[0], "failed")
        self.flag.touch()
        self.ok("start", "needs-assert")
        self.ok("stop", "needs-assert", "asserts")

    def test_it_is_the_jailer_that_looks(self):
        folder = self.supervisor.folder / "secret"
        folder.mkdir(mode=0o700)
        self.ok("start", "secret")
        self.assertEqual(self.state("secret")[0], "skipped")
        (folder / "file").write_text("x")
        self.ok("start", "secret")
        self.assertEqual(self.state("secret")[0], "running")
        self.ok("stop", "secret")

    def test_one_of_many_and_targets(self):
        self.ok("start", "any")
        self.assertEqual(self.state("any")[0], "running")
        self.ok("start", "group")
        self.assertEqual(self.state("group")[0], "skipped")
        self.flag.touch()
        self.ok("start", "group")
        self.assertEqual(self.state("group")[0], "done")
        self.ok("stop", "any", "group")
        self.ok("start", "dotted")
        self.assertEqual(self.state("dotted"),
                         ("skipped", 'condition architecture = "no-such" does not hold'))

    def test_a_restart_looks_again(self):
        self.ok("start", "again")
        self.flag.touch()
        self.ok("kill", "--signal", "KILL", "again")
        self.supervisor.await_state("again", "skipped")

    def test_an_edit_that_is_half_done_does_not_hinder_a_restart(self):
        self.ok("start", "again")
        path = self.supervisor.units / "again.toml"
        text = path.read_text()
        path.write_text("[broken")
        before = self.supervisor.pid("again")
        self.ok("kill", "--signal", "KILL", "again")
        await_true("the restart", lambda: (
            lambda s: s["state"] == "running" and s["pid"] != before)(
                self.supervisor.status("again")))
        path.write_text(text)
        self.ok("stop", "again")

    def test_mistakes_are_refused_where_they_are(self):
        path = pathlib.Path(self.supervisor.folder / "bad.toml")
        for line, told in (('path_exists = ["x"]', "is no absolute path"),
                           ('path_exist = ["/x"]', "path_exists"),
                           ('virtualization = ["kvm"]', "is none of"),
                           ('capability = ["CAP_FLY"]', "is no name of a capability")):
            path.write_text(f"[unit.condition]\n{line}\n{SLEEP}")
            said = self.supervisor.run("verify", path)
            self.assertNotEqual(said.returncode, 0)
            self.assertIn("bad.toml:2:", said.stdout + said.stderr)
            self.assertIn(told, said.stdout + said.stderr)


if __name__ == "__main__":
    main()
