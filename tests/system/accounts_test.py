"""Who a dynamic user is, by the names that its jail shows."""
import os
import pathlib
import signal
import unittest

from harness import SystemTest, main

SLEEP = '[service]\nexec_start = ["/bin/sleep", "infinity"]\n'
WHO = ["/usr/bin/python3", "-c", "import grp, os, pwd; print(pwd.getpwuid(os.getuid()).pw_name, "
       "grp.getgrgid(os.getgid()).gr_name, pwd.getpwnam('root').pw_uid)"]


class Accounts(SystemTest):
    UNITS = {
        "named": SLEEP,
        "w@": SLEEP,
        "late": SLEEP,
        "mapped": SLEEP + "[jail.namespaces]\nuser = true\n",
        "root": SLEEP,  # a name that is taken
        "masked": SLEEP + '[jail.chroot]\nmasked = ["/etc/passwd"]\n',
        "own": SLEEP + '[jail.chroot]\nbinds_ro = ["@HERE@/passwd:/etc/passwd"]\n',
        "fixed": SLEEP + '[jail.identity]\ndynamic_user = false\nuser = "nobody"\n',
    }
    FILES = {"passwd": "me:x:0:0::/:/bin/sh\n"}

    def who(self, unit):
        self.ok("start", unit)
        self.addCleanup(self.supervisor.run, "stop", unit)
        return self.ok("exec", unit, "--", *WHO).split()

    def test_a_dynamic_user_has_its_unit_s_name(self):
        self.assertEqual(self.who("named"), ["named", "named", "0"])
        self.assertEqual(self.ok("exec", "named", "--", "/usr/bin/id", "-un"), "named\n")
        user, group, _ = self.who("w@1")
        self.assertRegex(user, r"^w-1-\d+$")
        self.assertEqual(user, group)
        self.assertRegex(self.who("root")[0], r"^root-\d+$")
        self.assertEqual(self.who("mapped"), ["mapped", "mapped", "0"])
        # The control: outside nobody has that name.
        self.assertNotIn("\nnamed:", pathlib.Path("/etc/passwd").read_text())

    def test_what_a_unit_says_of_these_files_stands(self):
        self.ok("start", "masked")
        self.addCleanup(self.supervisor.run, "stop", "masked")
        self.assertEqual(self.ok("exec", "masked", "--", "/bin/cat", "/etc/passwd"), "")
        self.ok("start", "own")
        self.addCleanup(self.supervisor.run, "stop", "own")
        self.assertEqual(self.ok("exec", "own", "--", "/bin/cat", "/etc/passwd"),
                         self.FILES["passwd"])

    def test_a_user_with_an_account_sees_the_host_s_file(self):
        self.assertEqual(self.who("fixed")[0], "nobody")
        said = self.ok("exec", "fixed", "--", "/bin/cat", "/etc/passwd")
        self.assertEqual(said, pathlib.Path("/etc/passwd").read_text())

    def test_the_files_cannot_be_written_in_the_jail(self):
        self.ok("start", "named")
        self.addCleanup(self.supervisor.run, "stop", "named")
        result = self.supervisor.run("exec", "named", "--", "/bin/sh", "-c", "echo >>/etc/passwd")
        self.assertNotEqual(result.returncode, 0)
        self.assertRegex(result.stderr, "Read-only file system|Permission denied")

    def test_a_jail_that_stands_outlives_the_jailer_and_new_users(self):
        self.ok("start", "named")
        self.addCleanup(self.supervisor.run, "stop", "named")
        os.kill(self.supervisor.role("jailer"), signal.SIGKILL)
        self.assertEqual(self.who("late")[0], "late")
        self.assertEqual(self.ok("exec", "named", "--", *WHO).split()[0], "named")


if __name__ == "__main__":
    main()
