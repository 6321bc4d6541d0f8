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
        settings.write_text(self.world.settings(idle_timeout=60, head_timeout=3, connections=20))
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
        "again": unit(["good.test:80"]).replace(
            "infinity\"]\n", 'infinity"]\nrestart = "always"\n'
            '[environment]\nset = { no_proxy = "localhost" }\n'),
        "mapped": unit(["good.test:80"], "[jail.namespaces]\nuser = true\n"),
        "flood": unit(["good.test:80"]),
        "many": unit(["good.test:7", "good.test:80"]),
        "private": unit(["good.test:80"], mode="private"),
        "job@": unit(["good.test:80"]),
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

    def denied(self, reason, host, name="web"):
        """The audit line of a refusal of that host; the latest."""
        found = await_true(f"the audit of {host}: {reason}", lambda: [
            line for line in self.audit(name) if line["egress"] == "denied"
            and line.get("host") == host and line["reason"] == reason])
        return found[-1]

    def refused(self, reason, url, name="web"):
        """A refusal by HTTP and by SOCKS5, told to the client and in the log."""
        host = url.split("/")[2].rsplit(":", 1)[0]
        said = self.curl("-i", url, name=name).stdout
        self.assertIn(f"X-Egress-Reason: {reason}\n", said)
        self.denied(reason, host, name)
        socks = self.curl("--proxy", "socks5h://127.0.0.1:3128", url, name=name, check=False)
        self.assertNotEqual(socks.returncode, 0)
        return self.denied(reason, host, name)

    # The three protocols, by real clients that know of the proxy by their environment.

    def test_curl_by_http_connect_and_socks(self):  # [S3.3]
        for proxy in ([], ["--proxy", "http://127.0.0.1:3128"], ["--proxy", "http://[::1]:3128"],
                      ["--proxytunnel"], ["--proxy", "socks5h://127.0.0.1:3128"]):
            self.assertEqual(self.curl(*proxy, "http://good.test/hello").stdout, "hello\n")
        line = await_true("the audit", lambda: [
            line for line in self.audit() if line["egress"] == "close"
            and line.get("protocol") == "socks5"])[0]
        self.assertEqual((line["host"], line["port"], line["address"], line["unit"]),
                         ("good.test", 80, "10.99.0.2", "web"))
        self.assertGreater(line["sent"], 0)
        self.assertGreater(line["received"], 0)

    def test_https_is_a_tunnel_that_the_client_checks(self):  # [S3.3]
        ca = str(self.supervisor.folder / "ca.pem")
        text = pathlib.Path(ca).read_text()
        fetch = ('cat >/tmp/ca.pem; curl -sS --cacert /tmp/ca.pem "$@" https://www.good.test/hello')
        for more in ([], ["--proxy", "socks5h://127.0.0.1:3128"]):
            result = self.supervisor.run("exec", "web", "--", "/bin/sh", "-c", fetch, "sh", *more,
                                         stdin=self.file_with(text))
            self.assertEqual(result.stdout, "hello\n", result.stderr)
        wrong = self.curl("https://www.good.test/hello", check=False)
        self.assertEqual(wrong.returncode, 60)  # the certificate is nobody's that it knows

    def file_with(self, text):
        file = tempfile.TemporaryFile("w+")
        self.addCleanup(file.close)
        file.write(text)
        file.seek(0)
        return file

    def test_wget_and_urllib(self):  # [S3.3]
        wget = self.client("/usr/bin/wget", "-q", "-O", "-", "http://good.test/hello")
        self.assertEqual(wget.stdout, "hello\n")
        script = ("import urllib.request; "
                  "print(urllib.request.urlopen('http://good.test/hello').read())")
        self.assertEqual(self.client("/usr/bin/python3", "-c", script).stdout, "b'hello\\n'\n")

    def test_urllib_through_socks(self):  # [S3.3]
        script = ("import socks, sockshandler, urllib.request as r; "
                  "way = sockshandler.SocksiPyHandler(socks.SOCKS5, '127.0.0.1', 3128, True); "
                  "opener = r.build_opener(r.ProxyHandler({}), way); "
                  "print(opener.open('http://good.test/hello').read())")
        if subprocess.run(["/usr/bin/python3", "-c", "import socks"], check=False,
                          stderr=subprocess.DEVNULL).returncode:
            self.skipTest("skipped: needs python3-socks")
        self.assertEqual(self.client("/usr/bin/python3", "-c", script).stdout, "b'hello\\n'\n")

    def test_git_clones(self):  # [S3.3]
        git = self.supervisor.folder / "git"
        bare = self.supervisor.folder / "www/repo.git"
        environment = os.environ | {"GIT_CONFIG_GLOBAL": "/dev/null", "HOME": str(git)}
        commands = f"""set -e
            git init -q -b main {git}; cd {git}; echo content >file; git add file
            git -c user.name=x -c user.email=x@x commit -q -m one
            git clone -q --bare {git} {bare}; cd {bare}; git update-server-info"""
        subprocess.run(["sh", "-c", commands], check=True, env=environment)
        clone = self.client("/bin/sh", "-c", "cd /tmp && HOME=/tmp git clone -q "
                            "http://good.test/repo.git && cat repo/file")
        self.assertEqual(clone.stdout, "content\n")

    def test_apt_updates(self):  # [S3.3]
        (self.supervisor.folder / "www/Packages").write_text(
            "Package: made-up\nVersion: 1.0\nArchitecture: all\nFilename: made-up.deb\nSize: 1\n"
            "SHA256: " + "0" * 64 + "\nDescription: nothing\n\n")
        script = """set -e
            mkdir -p /tmp/apt/lists/partial /tmp/apt/cache/archives/partial
            echo 'deb [trusted=yes] http://good.test/ ./' >/tmp/apt/sources
            set -- -o Dir::Etc::SourceList=/tmp/apt/sources -o Dir::Etc::SourceParts=- \\
                -o Dir::State=/tmp/apt -o Dir::State::Lists=/tmp/apt/lists \\
                -o Dir::Cache=/tmp/apt/cache -o Acquire::Languages=none -o APT::Sandbox::User= \\
                -o Acquire::Retries=0
            apt-get "$@" -qq update
            apt-cache "$@" show made-up | head -1"""
        self.assertIn("Package: made-up", self.client("/bin/sh", "-c", script).stdout)

    # What is not allowed.

    def test_a_host_that_is_not_listed_is_refused_with_a_reason(self):  # [S3.4]
        line = self.refused("host-not-allowed", "http://other.test/hello")
        self.assertNotIn("address", line)  # it is not even looked up
        self.refused("host-not-allowed", "http://good.test:8080/hello")
        connect = self.curl("-p", "-i", "http://other.test/hello", check=False)
        self.assertEqual(connect.returncode, 56)
        self.assertIn("HTTP/1.1 403 Forbidden", connect.stdout)

    def test_a_star_leaves_the_apex_out(self):  # [S3.3]
        ca = self.curl("-k", "https://www.good.test/hello")
        self.assertEqual(ca.stdout, "hello\n")
        self.ok("start", "narrow")
        self.addCleanup(self.ok, "stop", "narrow")
        self.refused("host-not-allowed", "http://good.test/hello", name="narrow")
        self.assertEqual(self.curl("http://six.test/hello", name="narrow").stdout, "hello\n")

    def test_addresses_are_refused_however_they_are_written(self):  # [S3.3]
        for host in ("10.99.0.2", "0x0a.99.2", "174260226", "[fd99::2]", "[::ffff:10.99.0.2]",
                     "012.99.0.2"):
            said = self.client("/usr/bin/python3", "-c", f"""
import socket
s = socket.create_connection(("127.0.0.1", 3128))
s.sendall(b"GET http://{host}/hello HTTP/1.1\\r\\nHost: {host}\\r\\n\\r\\n")
print(s.recv(4096).decode())""").stdout
            self.assertIn("X-Egress-Reason: ip-literal", said, host)
        socks = self.curl("--proxy", "socks5://127.0.0.1:3128", "http://10.99.0.2/", check=False)
        self.assertEqual(socks.returncode, 97)
        self.assertIn("(2)", socks.stderr)

    def test_names_that_lead_inside_are_refused_after_they_are_looked_up(self):  # [S3.3]
        for host, span in (("loopback", "loopback"), ("loopback6", "loopback"),
                           ("private", "private"), ("mapped", "ipv4-mapped"), ("nat64", "nat64"),
                           ("linklocal", "link-local"), ("own", "own")):
            line = self.refused("address-refused", f"http://{host}.test/hello")
            self.assertEqual(line["range"], span)
        # The control: the address answers whoever is let through to it.
        control = self.supervisor.world.inside(
            self.supervisor.world.host, "curl", "-sS", "http://10.88.0.2/hello")
        self.assertEqual(control.stdout, "hello\n")

    def test_of_several_addresses_those_that_may_be_are_tried(self):
        self.assertEqual(self.curl("http://mixed.test/hello").stdout, "hello\n")
        self.assertEqual(self.curl("http://both.test/hello").stdout, "hello\n")
        self.refused("no-such-host", "http://absent.test/hello")

    def test_ipv6(self):
        self.assertEqual(self.curl("http://six.test/hello").stdout, "hello\n")
        self.assertEqual(self.audit()[-1]["address"], "fd99::2")

    def test_there_is_no_other_way(self):  # [S3.3]
        direct = ["--noproxy", "*", "--connect-timeout", "5"]
        for address in ("http://10.99.0.2/hello", "http://[fd99::2]/hello"):
            self.assertEqual(self.curl(*direct, address, check=False).returncode, 7)
        self.assertEqual(self.curl(*direct, "http://good.test/hello", check=False).returncode, 6)
        # The control: without the wall that client reaches them.
        world = self.supervisor.world
        control = world.inside(world.host, "curl", "-sS", "--noproxy", "*", "http://10.99.0.2/hello")
        self.assertEqual(control.stdout, "hello\n")

    def test_without_allowance_there_is_no_proxy(self):
        self.ok("start", "plain")
        self.addCleanup(self.ok, "stop", "plain")
        said = self.client("/usr/bin/env", name="plain").stdout
        self.assertNotIn("PROXY", said)
        self.assertEqual(self.curl("--proxy", "http://127.0.0.1:3128", "http://good.test/",
                                   name="plain", check=False).returncode, 7)

    def test_a_jail_sees_its_own_proxy_alone(self):  # [S3.3]
        self.ok("start", "narrow")
        self.addCleanup(self.ok, "stop", "narrow")
        listed = self.client("/bin/ls", "/run/egress").stdout.split()
        self.assertEqual(listed, ["policy", "proxy.sock"])
        self.assertIn("allow good.test:80", self.client("/bin/cat", "/run/egress/policy").stdout)
        other = self.client("/bin/cat", "/run/egress/policy", name="narrow").stdout
        self.assertEqual(other, "unit narrow\nallow six.test:80\n")
        socket = self.curl("--unix-socket", "/run/egress/proxy.sock", "--noproxy", "*", "-i",
                           "http://good.test/hello", name="narrow", check=False)
        self.assertNotIn("hello", socket.stdout)  # origin form is none of a proxy's
        root = self.supervisor.state / "units/run/egress"
        self.assertEqual(root.stat().st_mode & 0o777, 0o700)  # others of the host stay out

    # Bytes both ways.

    def test_bodies_and_large_answers(self):
        post = self.curl("--data-binary", "x" * 100000, "http://good.test/post").stdout
        self.assertEqual(post, f"100000 {ord('x') * 100000}\n")
        large = self.client("/bin/sh", "-c", "head -c 3000000 /dev/zero | "
                            "curl -sS --data-binary @- http://good.test/post").stdout
        self.assertEqual(large, "3000000 0\n")
        chunked = self.curl("-H", "Transfer-Encoding: chunked", "--data-binary", "y" * 5000,
                            "http://good.test/post").stdout
        self.assertEqual(chunked, f"5000 {ord('y') * 5000}\n")
        size = self.curl("-o", "/dev/null", "-w", "%{size_download}", "http://good.test/big").stdout
        self.assertEqual(size, str(1 << 24))
        slow = self.curl("-o", "/dev/null", "-w", "%{size_download}", "--limit-rate", "8M",
                         "--proxytunnel", "http://good.test/big").stdout
        self.assertEqual(slow, str(1 << 24))

    def test_a_side_that_has_ended_still_hears(self):
        said = self.client("/usr/bin/python3", "-c", """
import socket
s = socket.create_connection(("127.0.0.1", 3128))
s.sendall(b"CONNECT good.test:7 HTTP/1.1\\r\\nHost: good.test:7\\r\\n\\r\\nearly ")
s.sendall(b"late")
s.shutdown(socket.SHUT_WR)
print(b"".join(iter(lambda: s.recv(4096), b"")))""").stdout
        self.assertEqual(said, "b'HTTP/1.1 200 Connection established\\r\\n\\r\\nearly late'\n")

    def test_what_is_between_two_hops_stays_there(self):
        seen = self.curl("-H", "Proxy-Authorization: secret", "-H", "X-Own: 1", "-H",
                         "Connection: x-drop", "-H", "X-Drop: 1", "-H", "X-Kept: 1",
                         "http://good.test/seen?q=1").stdout
        self.assertTrue(seen.startswith("GET /seen?q=1 HTTP/1.1\nHost: good.test\n"), seen)
        for gone in ("secret", "X-Drop", "Proxy-Connection"):
            self.assertNotIn(gone, seen)
        self.assertIn("X-Kept: 1", seen)

    # Limits.

    def test_who_says_nothing_is_let_go(self):
        said = self.client("/usr/bin/python3", "-c", """
import socket
s = socket.create_connection(("127.0.0.1", 3128))
s.sendall(b"GET http://good.test/ HTTP/1.1\\r\\nX-Slow: ")
print(s.recv(4096).decode())""").stdout
        self.assertIn("HTTP/1.1 408 ", said)

    def test_more_connections_than_allowed_wait(self):
        self.ok("start", "many")
        self.addCleanup(self.ok, "stop", "many")
        said = self.client("/usr/bin/python3", "-c", """
import socket
s = []
for _ in range(20):
    one = socket.create_connection(("127.0.0.1", 3128))
    s.append(one)
    one.sendall(b"CONNECT good.test:7 HTTP/1.1\\r\\nHost: good.test:7\\r\\n\\r\\n")
    assert one.recv(4096).startswith(b"HTTP/1.1 200 ")
late = socket.create_connection(("127.0.0.1", 3128))
late.sendall(b"GET http://good.test/hello HTTP/1.1\\r\\nHost: good.test\\r\\n\\r\\n")
late.settimeout(0.5)
try:
    print(late.recv(4096))
except TimeoutError:
    print("waits")
s.pop().close()
late.settimeout(20)
print(late.recv(15))""", name="many").stdout
        self.assertEqual(said, "waits\nb'HTTP/1.1 200 OK'\n")

    def test_heads_out_of_bounds_are_refused(self):
        big = self.curl("-i", "-H", "X-Big: " + "x" * 40000, "http://good.test/hello").stdout
        self.assertIn("HTTP/1.1 431 ", big)
        both = self.client("/usr/bin/python3", "-c", """
import socket
s = socket.create_connection(("127.0.0.1", 3128))
s.sendall(b"POST http://good.test/post HTTP/1.1\\r\\nHost: good.test\\r\\nContent-Length: 3\\r\\n"
          b"Transfer-Encoding: chunked\\r\\n\\r\\n0\\r\\n\\r\\n")
print(s.recv(4096).decode())""").stdout
        self.assertIn("HTTP/1.1 400 ", both)

    # Its life.

    def test_the_proxy_may_die(self):
        before = self.supervisor.await_state("egress@web", "running")["pid"]
        os.kill(before, 9)
        await_true("another proxy", lambda: self.supervisor.status("egress@web").get("pid")
                   not in (None, 0, before))
        self.assertEqual(self.curl("--retry", "5", "--retry-all-errors",
                                   "http://good.test/hello").stdout, "hello\n")
        self.assertEqual(self.supervisor.status("web")["state"], "running")

    def test_a_unit_that_dies_has_its_proxy_again(self):
        self.ok("start", "again")
        self.addCleanup(self.ok, "stop", "again")
        before = self.supervisor.pid("again")
        os.kill(before, 9)
        await_true("another run", lambda: self.supervisor.pid("again") not in (None, before))
        self.assertEqual(self.curl("http://good.test/hello", name="again").stdout, "hello\n")

    def test_a_jail_with_ids_of_its_own(self):
        self.ok("start", "mapped")
        self.addCleanup(self.ok, "stop", "mapped")
        self.assertEqual(self.curl("http://good.test/hello", name="mapped").stdout, "hello\n")
        self.assertIn("policy", self.client("/bin/ls", "/run/egress", name="mapped").stdout)

    def test_an_instance_has_a_proxy_of_its_own(self):
        self.ok("start", "job@3")
        self.addCleanup(self.ok, "stop", "job@3")
        self.assertEqual(self.curl("http://good.test/hello", name="job@3").stdout, "hello\n")
        self.assertEqual(self.supervisor.status("egress@job_-3")["state"], "running")

    def test_a_private_network_has_it_besides(self):
        self.ok("start", "private")
        self.addCleanup(self.ok, "stop", "private")
        self.assertEqual(self.curl("http://good.test/hello", name="private").stdout, "hello\n")
        self.assertEqual(self.curl("--noproxy", "*", "--connect-timeout", "5",
                                   "http://10.99.0.2/hello", name="private",
                                   check=False).returncode, 7)

    def test_variables_that_the_unit_sets_stay(self):
        self.ok("start", "again")
        self.addCleanup(self.ok, "stop", "again")
        lines = self.client("/usr/bin/env", name="again").stdout.splitlines()
        self.assertIn("no_proxy=localhost", lines)
        self.assertIn("HTTPS_PROXY=http://127.0.0.1:3128", lines)
        self.assertFalse([line for line in lines if line.startswith("NO_PROXY=")])
        self.assertIn("egress to 1 destination", self.ok("status", "again"))

    def test_a_flood_of_refusals_writes_no_log_away(self):  # [S3.4]
        self.ok("start", "flood")
        self.addCleanup(self.ok, "stop", "flood")
        said = self.client("/usr/bin/python3", "-c", """
import socket
for _ in range(2000):
    s = socket.create_connection(("127.0.0.1", 3128))
    s.sendall(b"CONNECT flood.test:80 HTTP/1.1\\r\\n\\r\\n")
    assert b" 403 " in s.recv(4096)
    s.close()
print("done")""", name="flood").stdout
        self.assertEqual(said, "done\n")
        told = len([line for line in self.audit("flood") if line.get("host") == "flood.test"])
        self.assertLess(told, 1500)

    def test_a_restart_of_the_unit_takes_its_new_list(self):
        self.supervisor.write("web", unit(ALLOWED + ["other.test:80"]))
        self.addCleanup(self.supervisor.write, "web", self.UNITS["web"])
        self.ok("daemon-reload")
        self.refused("host-not-allowed", "http://other.test/hello")
        self.ok("restart", "web")
        self.assertEqual(self.curl("http://other.test/hello").stdout, "hello\n")

    def test_it_stops_with_its_unit(self):
        self.ok("start", "narrow")
        self.supervisor.await_state("egress@narrow", "running")
        self.ok("stop", "narrow")
        self.supervisor.await_state("egress@narrow", "inactive")

    def test_without_its_proxy_a_unit_does_not_start(self):
        self.supervisor.write("lone", unit(["good.test:80"]))
        self.supervisor.write("egress@lone.toml.d/masked", "[unit]\nmasked = true\n")
        self.ok("daemon-reload")
        self.assertIn("egress@lone does not listen", self.fails(1, "start", "lone"))

    def test_a_folder_of_somebody_elses_is_not_trusted(self):
        root = self.supervisor.state / "units/run/egress"
        os.chown(root, 61000, 61000)
        self.addCleanup(os.chown, root, 0, 0)
        self.assertIn("belongs to uid 61000", self.fails(1, "start", "flood"))

    def test_mistakes_are_told(self):
        for lines, message in (
                ('mode = "none"\negress.allow = ["good.test:80"]', "is down"),
                ('egress.allow = ["good.test:80"]', 'mode = "loopback"'),
                ('mode = "loopback"\negress.allow = ["10.0.0.1:80"]', "is an address"),
                ('mode = "loopback"\negress.allow = ["good.test"]', "has no port"),
                ('mode = "loopback"\negress.alow = ["good.test:80"]', "did you mean")):
            self.supervisor.write("wrong", f"[service]\n{SLEEP}[jail.network]\n{lines}\n")
            said = self.supervisor.run("verify", str(self.supervisor.units / "wrong.toml"))
            self.assertNotEqual(said.returncode, 0, lines)
            self.assertIn(message, said.stdout + said.stderr)
        (self.supervisor.units / "wrong.toml").unlink()


if __name__ == "__main__":
    main()
