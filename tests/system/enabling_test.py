"""`jailsvc enable`, `disable`, `mask`, `unmask`, `is-enabled`: with and without a supervisor."""
import json
import os
import subprocess
import unittest

from harness import CLIENT, Supervisor, SystemTest, await_true, main

SLEEP = '[service]\nexec_start = ["/bin/sleep", "infinity"]\n'
WANTED = '[install]\nwanted_by = ["default"]\n'


class Files(unittest.TestCase):
    """Where an image is made: no supervisor runs."""

    def setUp(self):
        if os.geteuid() != 0:
            self.skipTest("skipped: needs root")
        self.supervisor = Supervisor({"web": SLEEP + WANTED, "alone": SLEEP,
                                      "off": SLEEP + WANTED + "enabled = false\n",
                                      "worker@": SLEEP + WANTED})
        self.addCleanup(self.supervisor.remove)
        self.units = self.supervisor.units

    def run_it(self, code, *arguments):
        result = self.supervisor.run("--config", self.supervisor.folder / "config", *arguments)
        self.assertEqual(result.returncode, code, result.stdout + result.stderr)
        return result.stdout + result.stderr

    def is_enabled(self, unit):
        result = self.supervisor.run("--config", self.supervisor.folder / "config", "is-enabled",
                                     unit)
        self.assertEqual(result.returncode, 0 if result.stdout == "enabled\n" else 1,
                         result.stderr)
        return result.stdout.strip()

    def test_is_enabled_tells_the_states(self):
        self.assertEqual([self.is_enabled(unit) for unit in ("web", "alone", "off", "worker@1")],
                         ["enabled", "static", "disabled", "disabled"])
        self.run_it(0, "mask", "web")
        self.assertEqual(self.is_enabled("web"), "masked")
        told = json.loads(self.run_it(1, "is-enabled", "web", "--json"))
        self.assertEqual(told, {"name": "web", "state": "masked", "wanted_by": ["default"]})

    def test_a_file_is_there_while_it_says_something(self):
        said = self.run_it(0, "disable", "web")
        self.assertEqual(said, "web: disabled\n")
        written = self.units / "web.toml.d/enabled.toml"
        self.assertTrue(written.read_text().startswith("# Written by `jailsvc disable`"))
        self.assertEqual(written.stat().st_mode & 0o7777, 0o644)
        self.assertEqual(self.run_it(0, "disable", "web"), "web: was disabled\n")
        self.assertEqual(self.run_it(0, "enable", "web"), "web: enabled, wanted by default\n")
        self.assertFalse(written.parent.exists())
        self.run_it(0, "enable", "off")
        self.assertEqual(self.is_enabled("off"), "enabled")
        self.run_it(0, "disable", "off")
        self.assertFalse((self.units / "off.toml.d").exists())

    def test_several_at_once_or_none(self):
        self.assertIn('did you mean "alone"', self.run_it(5, "disable", "web", "alon"))
        self.assertEqual(self.is_enabled("web"), "enabled")
        told = json.loads(self.run_it(0, "disable", "web", "off", "--json"))
        self.assertEqual(told, {"reloaded": False, "units": [
            {"name": "web", "changed": True, "state": "disabled", "masked": False,
             "wanted_by": ["default"]},
            {"name": "off", "changed": False, "state": "disabled", "masked": False,
             "wanted_by": ["default"]}]})

    def test_what_nothing_wants(self):
        self.assertIn("jailsvc enable alone --by default", self.run_it(1, "enable", "alone"))
        self.assertIn("there is no unit late", self.run_it(0, "enable", "--by", "late", "alone"))
        self.assertEqual(self.is_enabled("alone"), "enabled")
        self.run_it(2, "enable", "--by", 'x"y', "alone")
        self.run_it(0, "disable", "alone")
        self.assertEqual(self.is_enabled("alone"), "static")

    def test_templates_have_instances(self):
        self.assertIn('as in "worker@1"', self.run_it(2, "enable", "worker@"))
        self.run_it(0, "enable", "worker@3")
        self.assertEqual(self.is_enabled("worker@3"), "enabled")
        self.assertEqual(self.is_enabled("worker@4"), "disabled")
        self.run_it(0, "mask", "worker@")
        self.assertEqual(self.is_enabled("worker@4"), "masked")
        self.run_it(0, "unmask", "worker@")
        self.run_it(0, "disable", "worker@3")
        self.assertEqual(self.is_enabled("worker@3"), "disabled")

    def test_a_file_that_has_the_last_word_is_named(self):
        other = self.units / "web.toml.d/override.toml"
        other.parent.mkdir()
        other.write_text("[install]\nenabled = false\n")
        said = self.run_it(1, "enable", "web")
        self.assertIn(f"{other} says so", said)
        self.assertTrue(other.exists())

    def test_a_unit_with_errors_can_be_masked(self):
        self.supervisor.write("broken", "[service]\nexec_start =\n")
        self.assertIn("jailsvc verify", self.run_it(6, "enable", "broken"))
        self.run_it(0, "mask", "broken")
        self.assertTrue((self.units / "broken.toml.d/masked.toml").exists())
        self.run_it(0, "unmask", "broken")
        self.assertFalse((self.units / "broken.toml.d").exists())

    def test_presets(self):
        presets = self.supervisor.folder / "config/presets"
        presets.mkdir()
        (presets / "50-ours.preset").write_text("# ours\nenable worker@3\nenable o*\n"
                                                "enable alone\ndisable *\n")
        self.assertEqual(self.run_it(0, "preset"),
                         "web: disabled\noff: enabled, wanted by default\n")
        self.assertEqual(self.run_it(0, "preset", "worker@3", "alone"),
                         "worker@3: enabled, wanted by default\n")
        self.assertEqual(self.run_it(0, "preset", "web"), "web: was disabled\n")
        (presets / "10-first.preset").write_text("ignore off\nenable web\n")
        self.run_it(0, "disable", "off")
        told = json.loads(self.run_it(0, "preset", "web", "off", "--json"))
        self.assertEqual([unit["name"] for unit in told["units"]], ["web"])
        self.assertEqual((self.is_enabled("web"), self.is_enabled("off")), ("enabled", "disabled"))
        (presets / "20-bad.preset").write_text("\nforbid web\n")
        self.assertIn("20-bad.preset:2:1: \"forbid\": no line of a preset file",
                      self.run_it(1, "preset"))

    def test_what_is_masked_and_enabled(self):
        self.run_it(0, "mask", "web", "web")
        self.assertEqual(self.run_it(0, "disable", "web"), "web: disabled\njailsvc: web: is masked; "
                         "`jailsvc unmask web` lifts that\n")
        self.assertEqual(self.run_it(0, "unmask", "web"), "web: disabled\n")

    def test_where_nothing_can_be_written(self):
        command = [CLIENT, "--config", self.supervisor.folder / "config", "mask", "web"]
        result = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                                 *command], capture_output=True, text=True, check=False)
        self.assertEqual(result.returncode, 4, result.stderr)
        self.assertIn("Permission denied; run it as root", result.stderr)
        # In a mount namespace of its own, which is gone with the shell.
        script = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"'
        result = subprocess.run(["unshare", "--mount", "sh", "-c", script, self.units, *command],
                                capture_output=True, text=True, check=False)
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertIn("Read-only file system; mount it writable", result.stderr)
        self.assertEqual(self.is_enabled("web"), "enabled")

    def test_who_may_not_is_told(self):
        os.chmod(self.units, 0o777)
        self.assertIn("chmod go-w", self.run_it(1, "mask", "web"))
        os.chmod(self.units, 0o755)
        self.run_it(1, "mask", "web", "--now")  # nobody is there to stop it
        self.assertEqual(self.is_enabled("web"), "masked")

    def test_the_next_start_has_what_is_enabled(self):  # [S0.8]
        self.run_it(0, "disable", "web")
        self.run_it(0, "enable", "off", "worker@3")
        self.run_it(0, "enable", "alone", "--by", "default")
        try:
            self.supervisor.start()
            for unit in ("off", "worker@3", "alone"):
                self.supervisor.await_state(unit, "running")
            self.assertEqual(self.supervisor.status("web")["state"], "inactive")
        finally:
            code = self.supervisor.stop()
        self.assertEqual(code, 0, self.supervisor.said())


class Running(SystemTest):
    UNITS = {"web": SLEEP + WANTED, "db": SLEEP, "needs-db": SLEEP + '[unit]\nrequires = ["db"]\n',
             "late": '[unit]\ndescription = "a target"\n'}

    def setUp(self):
        self.config = ("--config", self.supervisor.folder / "config")
        self.addCleanup(self.ok, *self.config, "enable", "web")
        self.addCleanup(self.ok, *self.config, "unmask", "db")

    def test_now(self):
        self.ok(*self.config, "disable", "web", "--now")
        self.assertEqual(self.supervisor.status("web")["state"], "inactive")
        told = json.loads(self.ok(*self.config, "enable", "web", "--now", "--json"))
        self.assertTrue(told["reloaded"])
        self.assertEqual([outcome["result"] for outcome in told["outcomes"]], ["done"])
        self.assertEqual(self.supervisor.status("web")["state"], "running")

    def test_nothing_starts_what_is_masked(self):
        self.ok("start", "db")
        self.ok(*self.config, "mask", "db", "--now")
        cure = "is masked; `jailsvc unmask db` lifts that"
        self.assertEqual(self.supervisor.status("db")["state"], "inactive")
        self.assertIn(f"db: refused: {cure}", self.fails(1, "start", "db"))
        self.assertIn(f"requires db, which cannot start: {cure}",
                      self.fails(1, "start", "needs-db"))
        self.assertEqual(self.supervisor.status("db")["because"], cure)
        self.assertIn(cure, self.supervisor.run("why", "needs-db").stdout)
        self.ok(*self.config, "unmask", "db")
        self.ok("start", "needs-db")
        self.ok("stop", "db")

    def test_what_runs_goes_on_and_does_not_differ(self):
        self.ok("start", "web")
        pid = self.supervisor.pid("web")
        self.ok(*self.config, "disable", "web")
        self.ok(*self.config, "mask", "web")
        status = self.supervisor.status("web")
        self.assertEqual((status["pid"], status["stale"]), (pid, False))
        # Its target has gone from memory with it, if nothing else is wanted there.
        self.assertNotIn("restart: default", self.ok("apply", "--dry-run"))
        self.assertIn("is masked", self.fails(1, "restart", "web"))
        self.assertEqual(self.supervisor.pid("web"), pid)
        self.ok(*self.config, "unmask", "web")

    def test_a_masked_unit_that_crashes_stays_down(self):
        self.supervisor.write("often", SLEEP + 'restart = "always"\nrestart_delay = "1ms"\n')
        self.ok("daemon-reload")
        self.ok("start", "often")
        self.ok(*self.config, "mask", "often")
        self.ok("kill", "often", "-s", "KILL")
        status = await_true("it to be down", lambda: (
            lambda s: s if s["state"] in ("failed", "inactive") else None)(
                self.supervisor.status("often")))
        self.assertIn("is masked", status["because"])
        self.ok(*self.config, "unmask", "often")

    def test_a_target_wants_what_was_enabled_by_it(self):
        self.ok(*self.config, "enable", "db", "--by", "late")
        try:
            self.ok("start", "late")
            self.assertEqual(self.supervisor.status("db")["state"], "running")
        finally:
            self.ok(*self.config, "disable", "db", "--now")
            self.ok("stop", "late")


if __name__ == "__main__":
    main()
