"""Other names of units, wherever a name is accepted."""
import json
import os

from harness import SystemTest, main

RUN = '[service]\nexec_start = ["/bin/sleep", "1000"]\n'


class Aliases(SystemTest):
    UNITS = {
        "postgresql": RUN + '[install]\nalias = ["db", "database"]\n',
        "web": '[unit]\nrequires = ["db"]\nafter = ["database", "postgresql"]\n' + RUN,
    }

    def tearDown(self):
        self.supervisor.run("stop", "postgresql")

    def test_commands_and_relations_take_any_of_the_names(self):
        self.ok("start", "web")
        status = json.loads(self.ok("status", "db", "--json"))["units"][0]
        self.assertEqual((status["name"], status["state"]), ("postgresql", "running"))
        self.assertEqual(status["aliases"], ["db", "database"])
        self.assertRegex(self.ok("status", "database"), r"alias: db, database")
        self.assertIn("postgresql (db, database)", self.ok("list"))
        relations = self.ok("list-dependencies", "web")
        self.assertIn("postgresql", relations)
        self.ok("logs", "db")
        self.ok("show", "db")
        # Whom root means is looked up in root's files, not asked of the engine.
        config = ["--config", self.supervisor.folder / "config"]
        self.assertEqual(self.ok(*config, "exec", "db", "--", "echo", "[in]"), "[in]\n")
        self.ok("stop", "database")
        # What requires it by another name goes with it.
        self.assertEqual(self.supervisor.status("web")["state"], "inactive")

    def test_enabling_is_the_unit_s(self):
        config = ["--config", self.supervisor.folder / "config"]
        self.ok(*config, "enable", "db", "--by", "default")
        self.assertTrue((self.supervisor.units / "postgresql.toml.d/enabled.toml").exists())
        self.assertIn("enabled", self.ok(*config, "is-enabled", "database"))
        self.ok(*config, "disable", "db")

    def test_a_name_that_is_taken_is_refused_in_its_place(self):
        taken = self.supervisor.units / "taken.toml"
        for alias, said in (("web", "a unit"), ("db", "postgresql"), ("taken", "own name")):
            self.supervisor.write("taken", RUN + f'[install]\nalias = ["{alias}"]\n')
            result = self.supervisor.run("--config", self.supervisor.folder / "config", "verify",
                                         taken)
            self.assertEqual(result.returncode, 1, result.stdout + result.stderr)
            self.assertRegex(result.stdout + result.stderr, rf"taken.toml:4:\d+: alias: .*{said}")
            self.supervisor.run("daemon-reload")
            errors = self.supervisor.status("taken")["errors"]
            self.assertRegex(errors[0], r"taken.toml:4:\d+: alias: ")
            self.assertIn(said, errors[0])
        os.unlink(taken)
        self.ok("daemon-reload")
        self.supervisor.write("bad", RUN + '[install]\nalias = ["no name"]\n')
        self.addCleanup(os.unlink, self.supervisor.units / "bad.toml")
        result = self.supervisor.run("verify", self.supervisor.units / "bad.toml")
        self.assertRegex(result.stdout + result.stderr, r"bad.toml:4:\d+: alias: .*no name of a unit")

    def test_a_cycle_through_an_alias_is_found(self):
        self.supervisor.write("loop", '[unit]\nrequires = ["round"]\n' + RUN)
        self.supervisor.write("other", '[unit]\nrequires = ["loop"]\n' + RUN +
                              '[install]\nalias = ["round"]\n')
        for name in ("loop", "other"):
            self.addCleanup(os.unlink, self.supervisor.units / f"{name}.toml")
        self.supervisor.run("daemon-reload")
        self.assertIn("cycle", self.fails(1, "start", "loop"))


if __name__ == "__main__":
    main()
