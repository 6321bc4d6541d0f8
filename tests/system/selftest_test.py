"""`jailsvc selftest` from an installed tree: tries, tells, and leaves nothing behind."""
import json
import pathlib
import re
import signal
import subprocess
import unittest

from harness import InstalledTest, main

PATIENCE = 240


def traces(pid):
    """What a self-test of this process makes on the host."""
    return [str(path) for folder in ("/var/lib", "/run")
            for path in pathlib.Path(folder).glob(f"jailsvc-selftest-{pid}*")]


class Selftest(InstalledTest):
    def setUp(self):
        super().setUp()
        self.client = self.destination / "usr/bin/jailsvc"

    def begin(self, *words, **more):
        return subprocess.Popen([self.client, *words], stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True, **more)

    def run_it(self, *words, **more):
        process = self.begin(*words, **more)
        stdout, stderr = process.communicate(timeout=PATIENCE)
        self.assertEqual(traces(process.pid), [])
        return subprocess.CompletedProcess(words, process.returncode, stdout, stderr)

    def test_every_way_out_is_held(self):  # [S2.14]
        done = self.run_it("selftest")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        last = done.stdout.splitlines()[-1]
        match = re.match(r"(\d+) tried, (\d+) held, (\d+) skipped", last)
        self.assertTrue(match, last)
        self.assertEqual(match[1], match[2])
        self.assertGreater(int(match[1]), 100)

    def test_one_profile_as_json(self):
        done = self.run_it("--json", "selftest", "--profile", "untrusted")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        told = json.loads(done.stdout)
        self.assertEqual(told["tried"], told["held"])
        self.assertEqual(len(told["results"]), told["tried"] + told["skipped"])
        self.assertEqual({one["profile"] for one in told["results"]}, {"untrusted"})
        self.assertEqual({one["outcome"] for one in told["results"]} - {"held", "skipped"}, set())
        wrong = self.run_it("selftest", "--profile", "host")
        self.assertEqual(wrong.returncode, 2)
        self.assertIn("default, untrusted, trusted, minimal, builder", wrong.stderr)

    def test_without_root_it_says_so(self):
        done = self.run_it("selftest", user=65534, group=65534, extra_groups=[])
        self.assertEqual(done.returncode, 4)
        self.assertIn("run it as root", done.stderr)

    def test_an_interrupt_leaves_nothing(self):
        process = self.begin("selftest")
        self.assertTrue(process.stdout.readline())  # it is at work
        self.assertNotEqual(traces(process.pid), [])
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=PATIENCE)
        self.assertEqual(process.returncode, 128 + signal.SIGINT, stderr)
        self.assertEqual(traces(process.pid), [])


if __name__ == "__main__":
    main()
