"""`jailsvc doctor`: what works on this machine, said by having done it."""
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

from harness import BUILD, CLIENT, main


def doctor(*arguments):
    return subprocess.run([CLIENT, "doctor", *arguments], capture_output=True, text=True,
                          timeout=120)


def findings(done):
    return {(one["owner"], one["name"]): one for one in json.loads(done.stdout)["probes"]}


class Doctor(unittest.TestCase):
    def test_a_program_runs_in_every_shipped_profile(self):  # [S3.8][S3.21]
        before = set(pathlib.Path("/run").glob("jailsvc-doctor-*"))
        done = doctor("--json")
        found = findings(done)
        for profile in ("default", "host", "trusted"):
            one = found["core", f"a program in profile {profile}"]
            self.assertEqual(one["outcome"], "works", one["hint"])
        for owner in ("chroot", "identity", "namespaces", "network", "pledge", "unveil"):
            outcomes = {one["outcome"] for (who, _), one in found.items() if who == owner}
            self.assertIn("works", outcomes, owner)
        failed = [key for key, one in found.items() if one["outcome"] == "fails"]
        self.assertEqual(done.returncode, 1 if failed else 0, failed)
        left = set(pathlib.Path("/run").glob("jailsvc-doctor-*")) - before
        self.assertEqual(left, set(), "it left its trials' folders")

    def test_landlock_is_tried_as_far_as_the_kernel_has_it(self):  # [S3.8][S4.16]
        found = findings(doctor("--json"))
        version = found["unveil", "Landlock"]
        if version["outcome"] != "works":
            self.skipTest("skipped: this kernel has no Landlock")
        abi = int(version["hint"].split()[-1])
        for since, what in ((3, "confines to paths"), (4, "confines to TCP ports"),
                            (6, "scopes abstract sockets"), (10, "confines to UDP ports")):
            one = found["unveil", f"Landlock {what}"]
            self.assertEqual(one["outcome"], "works" if abi >= since else "absent", one)
            if abi < since:
                self.assertIn('optional = ["unveil.landlock"]', one["hint"])

    def test_the_same_probes_fail_for_whoever_may_do_nothing(self):  # [S3.8]
        done = subprocess.run(
            ["setpriv", "--bounding-set", "-all", "--inh-caps", "-all", CLIENT, "doctor", "--json"],
            capture_output=True, text=True, timeout=120)
        self.assertEqual(done.returncode, 1, done.stderr)
        found = findings(done)
        for key in (("chroot", "pivot_root"), ("identity", "empty bounding set"),
                    ("namespaces", "mount namespace"), ("network", "veth pair"),
                    ("network", "nftables rules"), ("chroot", "id-mapped mounts")):
            self.assertEqual(found[key]["outcome"], "fails", key)
            self.assertNotEqual(found[key]["hint"], "", key)

    def test_a_plugin_that_is_refused_or_crashes_is_a_finding(self):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="jailsvc-test.", dir="/run"))
        self.addCleanup(shutil.rmtree, folder)
        folder.chmod(0o755)
        shutil.copy(BUILD / "tests/plugins/ill.so", folder / "ill.so")
        (folder / "short.so").write_bytes(b"\x7fELF")
        done = subprocess.run([BUILD / "bin/jailsvcd", "doctor", "--plugins", folder, "--json"],
                              capture_output=True, text=True, timeout=120)
        self.assertEqual(done.returncode, 1, done.stderr)
        hints = [one["hint"] for one in json.loads(done.stdout)["probes"]
                 if one["outcome"] == "fails"]
        self.assertTrue(any("short.so" in hint for hint in hints), hints)
        self.assertTrue(any("SIGSEGV" in hint for hint in hints), hints)

    def test_for_people_it_is_a_line_per_probe(self):  # [S3.8]
        lines = doctor().stdout.splitlines()
        self.assertTrue(all(line[0] in "✓✗─" for line in lines), lines)


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("skipped: needs root")
    else:
        main()
