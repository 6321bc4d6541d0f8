"""What an ordinary user is told, who cannot make jails."""
import os
import pathlib
import subprocess
import tempfile
import unittest

from harness import CLIENT, DEADLINE, KEEPER, Supervisor, await_true, main

NOBODY = 65534


@unittest.skipIf(os.geteuid() != 0, "skipped: needs root, to become somebody else")
class Rootless(unittest.TestCase):
    def test_an_ordinary_user_learns_at_once_that_no_unit_can_start(self):
        folder = tempfile.TemporaryDirectory(prefix="jailsvc-rootless.", dir="/run")
        self.addCleanup(folder.cleanup)
        os.chown(folder.name, NOBODY, NOBODY)
        units = pathlib.Path(folder.name) / "config/units"
        units.mkdir(parents=True)
        (units / "web.toml").write_text('[service]\nexec_start = ["/bin/sleep", "9"]\n')
        output = open(pathlib.Path(folder.name) / "output", "w+", encoding="utf-8")
        self.addCleanup(output.close)
        state = folder.name + "/state"
        keeper = subprocess.Popen([KEEPER, "--config", units.parent, "--state", state],
                                  user=NOBODY, group=NOBODY, extra_groups=[],
                                  stdin=subprocess.DEVNULL, stdout=output, stderr=output)

        def client(*words):
            return subprocess.run([CLIENT, "--state", state, *words], capture_output=True,
                                  text=True, timeout=DEADLINE, check=False)
        try:
            await_true("an answer", lambda: client("version", "--json").returncode == 0)
            said = client("start", "web")
            self.assertEqual(said.returncode, 1)
            self.assertIn("run jailsvc-init as root", said.stderr)
            output.seek(0)
            self.assertIn("uid 65534 has no capabilities sys_admin, setuid, setgid, setpcap: no "
                          "unit can be started; run jailsvc-init as root", output.read())
        finally:
            keeper.terminate()
            self.assertEqual(keeper.wait(DEADLINE), 0)

    def test_a_state_directory_that_the_logger_cannot_reach_is_refused(self):
        supervisor = Supervisor()
        self.addCleanup(supervisor.remove)
        supervisor.folder.chmod(0o700)
        result = subprocess.run([KEEPER, "--state", supervisor.state], capture_output=True,
                                text=True, timeout=DEADLINE, check=False)
        self.assertEqual(result.returncode, 1)
        self.assertIn(f"{supervisor.folder}: closed to the engine and the logger, who are not "
                      "root; chmod o+x it", result.stderr)
        supervisor.folder.chmod(0o711)
        supervisor.start()
        said = supervisor.said()
        self.assertEqual(supervisor.stop(), 0, said)
        self.assertNotIn("no capabilities", said)


if __name__ == "__main__":
    main()
