"""`jailsvc edit` and `jailsvc apply`: from a changed file to a running service."""
import json
import os
import pty
import select
import subprocess

from harness import CLIENT, DEADLINE, SystemTest, main

SLEEP = '[service]\nexec_start = ["/bin/sleep", "infinity"]\n'


class Editing(SystemTest):
    UNITS = {"web": SLEEP, "worker@": SLEEP}

    def setUp(self):
        self.web = self.supervisor.units / "web.toml.d/override.toml"
        self.editor = self.supervisor.folder / "editor"
        self.addCleanup(self.restore)

    def restore(self):
        self.web.unlink(missing_ok=True)
        self.supervisor.write("web", SLEEP)
        self.ok("daemon-reload")

    def edit(self, code, script, *arguments, **variables):
        """With an editor that does this to the draft, "$1"."""
        self.editor.write_text(f"#!/bin/sh\nset -e\n{script}\n")
        self.editor.chmod(0o755)
        environment = {name: value for name, value in os.environ.items()
                       if name not in ("VISUAL", "EDITOR")}
        environment |= variables or {"EDITOR": str(self.editor)}
        result = self.supervisor.run("--config", self.supervisor.folder / "config", "edit",
                                     *arguments, env=environment)
        self.assertEqual(result.returncode, code, result.stdout + result.stderr)
        return result.stdout + result.stderr

    def put(self, text):
        return f"cat >\"$1\" <<'END'\n{text}END\n"

    def test_a_drop_in_is_written_and_read(self):
        said = self.edit(0, 'grep -q "^# exec_start" "$1"\n'
                         "sed -i '1i [service]\\nnice = 7' \"$1\"", "web")
        self.assertIn(f"{self.web}: written", said)
        self.assertEqual(self.web.read_text(), "[service]\nnice = 7\n")
        self.assertEqual(self.web.stat().st_mode & 0o7777, 0o644)
        self.assertIn("nice = 7", self.ok("show", "web"))
        # What is there is what is edited.
        self.edit(0, "sed -i 's/^nice = 7/nice = 8/' \"$1\"", "web")
        self.assertEqual(self.web.read_text(), "[service]\nnice = 8\n")
        self.assertIn("not changed", self.edit(0, "true", "web"))
        self.assertIn("removed", self.edit(0, self.put("# nothing any more\n"), "web"))
        self.assertFalse(self.web.parent.exists())
        self.assertIn("not changed", self.edit(0, "true", "web"))

    def test_what_is_not_read_yet_is_not_run(self):
        self.ok("start", "web")
        running = self.supervisor.status("web")["pid"]
        self.assertNotIn("have changed", self.ok("status", "web"))
        self.supervisor.write("web", SLEEP.replace("infinity", "1000"))
        for what in ("restart", "stop", "start"):
            result = self.supervisor.run(what, "web")
            said = result.stdout + result.stderr
            if what == "stop":
                self.assertEqual(result.returncode, 0, said)
                continue
            self.assertEqual(result.returncode, 1, said)
            self.assertIn("have changed since they were read; run jailsvc daemon-reload first", said)
            if what == "restart":
                self.assertEqual(self.supervisor.status("web")["pid"], running)
        self.assertIn("have changed", self.supervisor.run("status", "web").stdout)
        self.ok("daemon-reload")
        self.ok("start", "web")
        self.assertNotIn("have changed", self.ok("status", "web"))
        # The control: another unit's file is none of its own.
        self.supervisor.write("other", SLEEP)
        self.addCleanup((self.supervisor.units / "other.toml").unlink)
        self.ok("restart", "web")
        self.assertNotIn("have changed", self.ok("status", "web"))

    def test_a_drop_in_that_is_not_read_yet_counts_too(self):
        self.web.parent.mkdir(exist_ok=True)
        self.addCleanup(self.web.parent.rmdir)
        self.addCleanup(self.web.unlink)
        self.web.write_text("[service]\nnice = 7\n")
        result = self.supervisor.run("start", "web")
        self.assertEqual(result.returncode, 1, result.stdout + result.stderr)
        self.ok("daemon-reload")
        self.ok("start", "web")
        self.web.write_text("[service]\nnice = 9\n")
        self.assertEqual(self.supervisor.run("restart", "web").returncode, 1)

    def test_what_would_start_with_it_has_to_be_read_too(self):
        self.supervisor.write("base", SLEEP)
        self.supervisor.write("needs", '[unit]\nrequires = ["base"]\n' + SLEEP)
        for name in ("base", "needs"):
            self.addCleanup((self.supervisor.units / f"{name}.toml").unlink)
        self.ok("daemon-reload")
        self.supervisor.write("base", SLEEP.replace("infinity", "1000"))
        result = self.supervisor.run("start", "needs")
        self.assertEqual(result.returncode, 1)
        self.assertIn("base, which it requires: its files have changed", result.stderr)
        self.ok("daemon-reload")
        self.ok("start", "needs")
        self.ok("stop", "base")

    def test_what_is_gone_leaves_no_trace_in_a_reload(self):
        name = self.supervisor.units / "faulty.toml"
        name.write_text('[unit]\nrequires = ["nothing"]\n' + SLEEP)
        self.assertEqual(self.supervisor.run("daemon-reload").returncode, 1)
        name.unlink()
        self.ok("daemon-reload")
        # An instance that somebody has asked for in vain is not loaded for ever.
        template = self.supervisor.units / "vain@.toml"
        template.write_text('[unit]\nrequires = ["nothing"]\n' + SLEEP)
        self.ok("daemon-reload")
        self.assertNotEqual(self.supervisor.run("start", "vain@1").returncode, 0)
        self.ok("daemon-reload")
        template.unlink()
        self.ok("daemon-reload")

    def test_no_target_takes_the_place_of_what_runs(self):
        served = self.supervisor.units / "served.toml"
        wants = self.supervisor.units / "wants.toml"
        served.write_text(SLEEP)
        wants.write_text(SLEEP + '[install]\nwanted_by = ["served"]\n')
        self.ok("daemon-reload")
        self.ok("start", "served")
        pid = self.supervisor.pid("served")
        served.unlink()
        self.assertIn("removed: served", self.ok("daemon-reload"))
        said = self.fails(1, "restart", "served")
        self.assertIn("the file of served is gone", said)
        self.assertNotIn("have changed", self.supervisor.run("status", "served").stdout)
        self.assertEqual(self.supervisor.pid("served"), pid)
        wants.unlink()
        self.ok("stop", "served")
        self.ok("daemon-reload")

    def test_a_unit_that_waits_for_its_restart_is_looked_at_too(self):
        failing = '[service]\nexec_start = ["/bin/false"]\nrestart = "always"\n' \
                  'restart_delay = "1h"\nrestart_delay_max = "1h"\n'
        self.supervisor.write("failing", failing)
        self.addCleanup((self.supervisor.units / "failing.toml").unlink)
        self.ok("daemon-reload")
        self.ok("start", "failing")
        self.supervisor.await_state("failing", "backoff")
        self.supervisor.write("failing", failing.replace("false", "true"))
        self.assertIn("have changed", self.fails(1, "start", "failing"))
        self.ok("stop", "failing")

    def test_a_directory_that_is_not_trusted_says_nothing_of_its_units(self):
        self.supervisor.write("listens", SLEEP + '[socket]\nlisten = ["tcp:127.83.9.1:90"]\n'
                              'activation = "on_demand"\n')
        self.addCleanup(self.restore)
        self.addCleanup((self.supervisor.units / "listens.toml").unlink)
        self.ok("daemon-reload")
        self.ok("start", "listens", "web")
        mode = self.supervisor.units.stat().st_mode & 0o7777
        self.supervisor.units.chmod(0o777)
        try:
            said = self.fails(1, "daemon-reload")
        finally:
            self.supervisor.units.chmod(mode)
        self.assertIn("writable", said)
        self.assertNotIn("removed", said)
        self.assertEqual(self.supervisor.status("listens")["state"], "listening")
        self.assertEqual(self.supervisor.status("web")["state"], "running")
        self.ok("daemon-reload")
        self.assertEqual(self.supervisor.status("listens")["state"], "listening")
        self.ok("stop", "listens", "web")

    def test_visual_comes_first_and_may_have_arguments(self):
        self.editor.write_text('#!/bin/sh\n[ "$1" = --wait ] && printf "[service]\\nnice = 3\\n" '
                               '>"$2"\n')
        self.editor.chmod(0o755)
        environment = os.environ | {"VISUAL": f"{self.editor} --wait", "EDITOR": "false"}
        result = self.supervisor.run("--config", self.supervisor.folder / "config", "edit", "web",
                                     "--json", env=environment)
        self.assertEqual(json.loads(result.stdout), {"unit": "web", "file": str(self.web),
                                                     "changed": True, "reloaded": True})

    def test_errors_change_nothing(self):
        said = self.edit(6, self.put("[service]\nnice = 99\n"), "web")
        self.assertIn("override.toml:2:8: nice: ", said)
        self.assertIn("nothing was changed", said)
        self.assertFalse(self.web.exists())
        # What the plugins say counts, and so does the unit as a whole.
        self.edit(6, self.put('[jail.identity]\numask = "9"\n'), "web")
        self.edit(6, self.put('[service]\nrestart_delay = "2min"\nrestart_delay_max = "1s"\n'),
                  "web")
        self.assertIn("code 3; nothing was changed", self.edit(1, "exit 3", "web"))
        self.edit(5, "true", "nosuch")
        self.assertFalse(self.web.parent.exists())

    def test_the_whole_file_and_a_template(self):
        self.edit(0, "sed -i 's/infinity/1000/' \"$1\"", "web", "--full")
        self.assertIn('"1000"', (self.supervisor.units / "web.toml").read_text())
        self.assertIn("says nothing", self.edit(6, self.put(""), "web", "--full"))
        self.edit(0, self.put("[service]\nnice = 2\n"), "worker@")
        self.assertIn("nice = 2", self.ok("show", "worker@1"))
        self.edit(0, self.put(""), "worker@")

    def test_with_errors_a_person_can_go_on(self):
        self.editor.write_text('#!/bin/sh\nif [ -e "$0.again" ]; then nice=9; else nice=99; fi\n'
                               'touch "$0.again"\nprintf "[service]\\nnice = $nice\\n" >"$1"\n')
        self.editor.chmod(0o755)
        ours, theirs = pty.openpty()
        command = [CLIENT, "--state", self.supervisor.state, "--config",
                   self.supervisor.folder / "config", "edit", "web"]
        with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs,
                              env=os.environ | {"VISUAL": str(self.editor)}) as client:
            os.close(theirs)
            said = b""
            try:
                while b"again? [Y/n]" not in said:
                    self.assertTrue(select.select([ours], [], [], DEADLINE)[0], said)
                    said += os.read(ours, 4096)
                os.write(ours, b"\n")
                while True:
                    self.assertTrue(select.select([ours], [], [], DEADLINE)[0], said)
                    said += os.read(ours, 4096)
            except OSError:  # EIO: the terminal's other end is closed
                pass
            finally:
                os.close(ours)
            self.assertEqual(client.wait(DEADLINE), 0, said)
        self.assertEqual(self.web.read_text(), "[service]\nnice = 9\n")


class Apply(SystemTest):
    UNITS = {"web": SLEEP + '[unit]\nrequires = ["db"]\n', "db": SLEEP, "other": SLEEP,
             "idle": SLEEP}

    def setUp(self):
        self.ok("start", "web", "other")
        self.pids = self.pids_now()
        self.addCleanup(self.restore)

    def restore(self):
        for name, text in self.UNITS.items():
            self.supervisor.write(name, text)
        self.ok("apply")

    def pids_now(self):
        return {name: self.supervisor.pid(name) for name in ("web", "db", "other", "idle")}

    def restarted(self):
        now = self.pids_now()
        return [name for name in now if now[name] != self.pids[name]]

    def change(self, *names):
        for name in names:
            self.supervisor.write(name, self.UNITS[name].replace("infinity", "1000"))

    def test_only_what_differs_is_restarted(self):
        self.assertEqual(self.ok("apply"), "")
        self.change("other", "idle")
        said = self.ok("apply", "--dry-run")
        self.assertEqual(said, "changed: idle\nchanged: other\nwould restart: other\n")
        self.assertEqual(self.restarted(), [])
        self.assertEqual(self.ok("apply"), "restarts: other\n")
        self.assertEqual(self.restarted(), ["other"])
        self.assertFalse(self.supervisor.status("other")["stale"])
        self.assertEqual(self.ok("apply"), "")

    def test_in_the_order_of_dependencies_and_once(self):
        self.change("web", "db")
        told = json.loads(self.ok("apply", "--json"))
        self.assertEqual(sorted(told["restart"]), ["db", "web"])
        self.assertEqual(sorted(told["changes"]["changed"]), ["db", "web"])
        self.assertEqual({outcome["result"] for outcome in told["outcomes"]}, {"done"})
        self.assertEqual(self.restarted(), ["web", "db"])
        self.assertEqual({self.supervisor.status(name)["stale"] for name in ("web", "db")}, {False})

    def test_of_the_named_ones_alone(self):
        self.change("other", "web")
        self.ok("apply", "other")
        self.assertEqual(self.restarted(), ["other"])
        self.fails(5, "apply", "nosuch")

    def test_what_does_not_come_up_is_told(self):
        self.supervisor.write("other", '[service]\nexec_start = ["/no/such/program"]\n')
        self.assertIn("/no/such/program", self.fails(1, "apply"))
        # A file that does not load disturbs nothing that runs.
        self.supervisor.write("web", "[service]\nexec_start =\n")
        self.assertIn("web.toml:2:", self.fails(1, "apply"))
        self.assertEqual(self.supervisor.pid("web"), self.pids["web"])


if __name__ == "__main__":
    main()
