"""What `make install` lays down is whole: a supervisor runs from it and jails a service."""
import unittest

import harness
from harness import InstalledTest, Supervisor, main


class Install(InstalledTest):
    def test_it_runs_from_where_it_was_installed(self):
        prefix = self.destination / "usr"
        supervisor = Supervisor({"sleep": '[service]\nexec_start = ["/bin/sleep", "infinity"]\n'})
        keeper, client = harness.KEEPER, harness.CLIENT
        harness.KEEPER, harness.CLIENT = prefix / "sbin/jailsvc-init", prefix / "bin/jailsvc"
        try:
            supervisor.start()
            self.assertEqual(supervisor.run("start", "sleep").returncode, 0, supervisor.said())
            self.assertEqual(supervisor.status("sleep")["profile"], "default")
            files = supervisor.status("sleep")["files"]
            self.assertTrue(files[0].startswith(str(prefix / "lib/jailsvc/units/profiles")), files)
            unit = supervisor.units / "sleep.toml"
            self.assertEqual(supervisor.run("verify", unit).stderr, "")
            self.assertEqual(supervisor.stop(), 0, supervisor.said())
        finally:
            supervisor.stop()
            supervisor.remove()
            harness.KEEPER, harness.CLIENT = keeper, client
        for name in ("include/jailsvc/jailsvc_plugin.h",
                     "share/varlink/io.jailsvc.Control.varlink"):
            self.assertTrue((prefix / name).is_file(), name)


if __name__ == "__main__":
    main()
