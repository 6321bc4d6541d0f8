"""`jailsvc analyze`, `ps` and `top`: what runs, and how exposed it is."""
import json
import os
import re

from harness import SystemTest, await_true, main

SLEEP = '[service]\nexec_start = ["/bin/sh", "-c", "sleep 1000 & sleep 1000 & wait"]\n'


class Views(SystemTest):
    UNITS = {
        "web": SLEEP,
        "tight": '[service]\nexec_start = ["/bin/sleep", "1000"]\n'
                 '[jail]\nprofile = "untrusted"\n',
        "bare": SLEEP + '[jail]\nprofile = "host"\n',
        "quiet": SLEEP,
        "all": '[unit]\nwants = ["quiet"]\n',
    }

    def analyze(self, *units):
        found = json.loads(self.ok("analyze", "--json", *units))["units"]
        return {one["unit"]: one for one in found}

    def test_exposure_is_what_the_kernel_enforces(self):  # [S1.18][S3.6][S4.22][S4.25]
        self.ok("start", "web", "tight", "bare")
        found = self.analyze()
        self.assertEqual(set(found), {"web", "tight", "bare", "quiet"})
        self.assertLess(found["tight"]["score"], found["web"]["score"])
        self.assertLess(found["web"]["score"], found["bare"]["score"])
        self.assertEqual(found["bare"]["level"], "unconfined")
        walls = {one["name"]: one for one in found["tight"]["walls"]}
        for name in ("user", "capabilities", "system calls", "processes", "network"):
            self.assertEqual(walls[name]["basis"], "kernel", name)
        # Control: of what does not run nothing but its plan can be asked.
        self.assertEqual({one["basis"] for one in found["quiet"]["walls"]}, {"plan"})
        self.assertIn("profile host: no jail at all", found["bare"]["accepted"])
        text = self.ok("analyze", "bare")
        self.assertIn("Whoever takes it over can:", text)
        self.assertIn("no jail at all", text)

    def test_a_bound_makes_it_a_check(self):  # [S4.25]
        self.ok("start", "tight", "bare")
        self.ok("analyze", "--max", "2", "tight")
        self.assertEqual(self.supervisor.run("analyze", "--max", "2", "bare").returncode, 1)
        self.assertEqual(self.supervisor.run("analyze", "nosuch").returncode, 5)

    def test_processes_are_shown_as_a_tree(self):  # [S4.18]
        self.ok("start", "web", "bare")
        for unit in ("web", "bare"):
            def listed():
                units = json.loads(self.ok("ps", "--json", unit))["units"]
                names = [one["name"] for one in units[0]["processes"]]
                return units[0] if names.count("sleep") == 2 else None
            found = await_true("both children", listed)
            main_pid = self.supervisor.pid(unit)
            self.assertEqual(found["pid"], main_pid)
            sleeps = [one for one in found["processes"] if one["name"] == "sleep"]
            self.assertEqual({one["parent"] for one in sleeps}, {main_pid})
            self.assertTrue(all("sleep 1000" in one["command"] for one in sleeps))
        text = self.ok("ps", "web", "bare")
        self.assertRegex(text, r"├─ \d+ .*sleep 1000")
        self.assertRegex(text, rf"{self.supervisor.pid('web')} \*.* pid,mnt,ipc,uts,cgroup")
        self.assertRegex(text, rf"{self.supervisor.pid('bare')} \*.* - +/bin/sh")  # control
        self.ok("stop", "web")
        self.assertNotIn("web", self.ok("ps"))
        self.assertIn("no process", self.ok("ps", "web"))

    def test_top_measures_between_two_looks(self):  # [S4.18]
        self.ok("start", "web")
        text = self.ok("top", "-n", "1", "-d", "0.1")
        self.assertTrue(re.search(r"^web\s+\d+\.\d%", text, re.MULTILINE), text)
        found = json.loads(self.ok("top", "-n", "1", "-d", "0.1", "--json"))["units"]
        self.assertIn("web", [one["name"] for one in found])


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("skipped: needs root")
    else:
        main()
