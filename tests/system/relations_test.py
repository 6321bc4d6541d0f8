"""What units have to do with each other, and what happens to them: asked and shown."""
import json
import signal
import subprocess
import unittest
import xml.etree.ElementTree

from harness import CLIENT, DEADLINE, SystemTest, Varlink, main

SLEEP = '[service]\nexec_start = ["/bin/sleep", "infinity"]\n'
NAME = "io.jailsvc.Control."


class Relations(SystemTest):
    UNITS = {
        "web": SLEEP + '[unit]\nrequires = ["api"]\nafter = ["api"]\nwants = ["cache"]\n',
        "api": SLEEP + '[unit]\nrequires = ["db"]\nafter = ["db"]\n',
        "db": '[service]\nexec_start = ["/no/such/program"]\n',
        "cache": SLEEP,
        "stack": '[unit]\nwants = ["web", "gone"]\n',
        "loose": SLEEP,
        "held": SLEEP + '[unit]\nrequires = ["slow"]\nafter = ["slow"]\n',
        "slow": '[service]\ntype = "oneshot"\nexec_start = ["/bin/sleep", "1000"]\n',
        "wrong": '[service]\nexec_strat = ["/bin/true"]\n',
    }

    def test_a_tree_shows_what_a_unit_needs_and_how_that_stands(self):
        said = self.ok("list-dependencies", "stack")
        self.assertEqual(said.splitlines(), [
            "stack (inactive)",
            "├─ gone (not there), wants",
            "└─ web (inactive), wants",
            "   ├─ api (inactive), requires",
            "   │  └─ db (inactive), requires",
            "   └─ cache (inactive), wants",
        ])
        said = self.ok("list-dependencies", "--reverse", "db")
        self.assertEqual(said.splitlines()[1:], ["└─ api (inactive), requires",
                                                 "   └─ web (inactive), requires",
                                                 "      └─ stack (inactive), wants"])
        edges = json.loads(self.ok("list-dependencies", "api", "--json"))["dependencies"]
        self.assertEqual(edges, [{"from": "api", "key": "requires", "to": "db"}])
        self.assertIn('no unit "wbe"; did you mean "web"?',
                      self.fails(5, "list-dependencies", "wbe"))

    def test_why_follows_a_failure_to_its_beginning(self):
        self.supervisor.run("start", "web")
        self.addCleanup(self.supervisor.run, "reset-failed", "web", "api", "db")
        self.addCleanup(self.supervisor.run, "stop", "cache")
        lines = self.ok("why", "web").splitlines()
        self.assertIn("db failed", lines[0])
        self.assertIn("requires db: failed: ", lines[-1])
        self.assertIn("/no/such/program", lines[-1])
        reasons = json.loads(self.ok("why", "web", "--json"))["reasons"]
        self.assertEqual([one["unit"] for one in reasons], ["web", "api", "db"])

    def test_why_names_what_a_unit_waits_for(self):
        self.ok("start", "--no-block", "held")
        self.addCleanup(self.supervisor.run, "stop", "held", "slow")
        self.supervisor.await_state("held", "waiting")
        lines = self.ok("why", "held").splitlines()
        self.assertIn("held: waiting", lines[0])
        self.assertIn("slow", lines[0])
        self.assertIn("requires slow: starting", lines[1])

    def test_why_of_a_unit_that_nobody_asked_for(self):
        self.assertIn("no unit wants it; `jailsvc start loose`", self.ok("why", "loose"))
        self.assertIn("it starts with stack (wants)", self.ok("why", "web"))
        lines = self.ok("why", "wrong").splitlines()
        self.assertEqual(lines[0], "wrong: error: its file does not load")
        self.assertRegex(lines[1], r"^  /.*wrong\.toml:1:2: exec_start: missing")

    def test_the_graph_is_one_that_graphviz_reads(self):
        dot = self.ok("graph")
        self.assertIn('"web" -> "api" [label="requires"', dot)
        self.assertIn('"gone" [style=dotted]', self.ok("graph", "stack"))
        self.assertNotIn("loose", self.ok("graph", "stack"))
        if subprocess.run(["which", "dot"], capture_output=True, check=False).returncode != 0:
            self.skipTest("skipped: graphviz is not installed")
        picture = xml.etree.ElementTree.fromstring(self.ok("graph", "--svg"))
        titles = {title.text for title in picture.iter("{http://www.w3.org/2000/svg}title")}
        self.assertIn("web->api", titles)

    def test_without_graphviz_a_picture_is_refused_with_the_cure(self):
        result = self.supervisor.run("graph", "--svg", env={"PATH": "/nonexistent"})
        self.assertEqual(result.returncode, 1)
        self.assertIn("install graphviz", result.stderr)


class Events(SystemTest):
    UNITS = {"a": SLEEP, "b": SLEEP}

    def monitor(self, *units):
        """A connection that hears of these units, and has heard that it does."""
        connection = Varlink(self.supervisor.control)
        self.addCleanup(connection.close)
        frame = {"method": NAME + "Monitor", "parameters": {"units": units}, "more": True}
        connection.send_bytes(json.dumps(frame).encode() + b"\0")
        begin = connection.receive()
        self.assertTrue(begin["continues"])
        self.assertEqual(begin["parameters"]["event"]["kind"], "begin")
        return connection

    def test_every_change_of_the_units_asked_about_is_told(self):
        events = self.monitor("a")
        self.ok("start", "a", "b")
        self.ok("stop", "a", "b")
        states = []
        while not states or states[-1] != "inactive":
            event = events.receive()["parameters"]["event"]
            self.assertEqual(event["unit"], "a")
            states.append(event["state"])
        self.assertEqual(states, ["starting", "running", "stopping", "inactive"])

    def test_the_command_prints_a_line_for_each(self):
        with subprocess.Popen([CLIENT, "--state", self.supervisor.state, "events", "a", "--json"],
                              stdout=subprocess.PIPE, text=True) as events:
            self.assertEqual(json.loads(events.stdout.readline())["kind"], "begin")
            self.ok("start", "a")
            self.addCleanup(self.supervisor.run, "stop", "a")
            seen = [json.loads(events.stdout.readline()) for _ in range(2)]
            self.assertEqual(seen[1]["state"], "running")
            self.assertEqual(seen[1]["pid"], self.supervisor.pid("a"))
            events.send_signal(signal.SIGINT)
            events.wait(DEADLINE)

    def test_one_reply_alone_is_no_stream(self):
        connection = Varlink(self.supervisor.control)
        self.addCleanup(connection.close)
        self.assertIn("more", connection.call(NAME + "Monitor")["parameters"]["message"])
        # The connection goes on.
        self.assertIn("version", connection.call(NAME + "Version")["parameters"])


if __name__ == "__main__":
    main()
