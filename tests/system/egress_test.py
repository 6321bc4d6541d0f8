"""The way out of a jail without network: real clients in jails, through the shipped proxy unit, to
servers in a network of the test's own."""
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

from egress_world import World
from harness import BUILD, DEADLINE, KEEPER, Supervisor, SystemTest, await_true, main

SLEEP = 'exec_start = ["/bin/sleep", "infinity"]\n'
ALLOWED = ["good.test:80", "good.test:443", "good.test:7", "*.good.test:443", "six.test:80",
           "both.test:80", "loopback.test:80", "loopback6.test:80", "private.test:80",
           "mixed.test:80", "mapped.test:80", "nat64.test:80", "linklocal.test:80", "own.test:80",
           "absent.test:80"]


def unit(allow, more="", mode="loopback", profile="default"):
    words = ", ".join(f'"{one}"' for one in allow)
    return (f'[service]\n{SLEEP}[jail]\nprofile = "{profile}"\n{more}'
            f'[jail.network]\nmode = "{mode}"\negress.allow = [{words}]\n')


class InWorld(Supervisor):
    """A supervisor whose host network is the world's."""
    world = None

    def start(self, *options):
        self.world = World(self.folder)
        settings = self.folder / "egress.toml"
        settings.write_text(self.world.settings(idle_timeout=60, head_timeout=2, connections=20))
        template = (BUILD / "lib/jailsvc/units/egress@.toml").read_text()
        # Jails have a /run of their own, where the file is not.
        binds = '"%t/egress/%i:/run/egress"'
        template = template.replace(f"[{binds}]", f'[{binds}, "{settings}"]')
        self.write("egress@", template.replace("/etc/jailsvc/egress.toml", str(settings)))
        self.keeper = subprocess.Popen(
            self.world.enter(self.world.host) + [
                str(KEEPER), "--config", str(self.folder / "config"), "--state", str(self.state),
                *options], stdin=subprocess.DEVNULL, stdout=self.output, stderr=self.output)
        await_true("the supervisor to answer", self.answers)
        return self

    def remove(self):
        if self.world:
            self.world.end()
        super().remove()


@unittest.skipUnless(shutil.which("dnsmasq", path="/usr/sbin:/usr/bin") and shutil.which("ip"),
                     "skipped: needs dnsmasq and iproute2")
class EgressTest(SystemTest):
    UNITS = {
        "web": unit(ALLOWED),
        "narrow": unit(["six.test:80"], profile="untrusted"),
        "plain": f'[service]\n{SLEEP}[jail.network]\nmode = "loopback"\n',
    }

    @classmethod
    def setUpClass(cls):
        if os.geteuid() != 0:
            raise unittest.SkipTest("skipped: needs root")
        cls.supervisor = InWorld(cls.UNITS, cls.FILES).start()

    def setUp(self):
        self.ok("start", "web")

    def client(self, *command, name="web", check=True):
        result = self.supervisor.run("exec", name, "--", *command)
        if check:
            self.assertEqual(result.returncode, 0,
                             f"{command}: {result.stdout}{result.stderr}\n--- proxy:\n" +
                             "\n".join(self.supervisor.lines(f"egress@{name}")) +
                             self.supervisor.said())
        return result

    def curl(self, *arguments, name="web", **more):
        return self.client("/usr/bin/curl", "-sS", "--max-time", "20", *arguments, name=name, **more)

    def audit(self, name="web"):
        lines = self.supervisor.lines(f"egress@{name}")
        return [json.loads(line[line.index("{"):]) for line in lines if '{"egress"' in line]

    def test_curl_reaches_what_is_allowed(self):
        self.assertEqual(self.curl("http://good.test/hello").stdout, "hello\n")


if __name__ == "__main__":
    main()
