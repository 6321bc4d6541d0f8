"""The way out of a jail without network: real clients in jails, through the shipped proxy unit, to
servers in a network of the test's own; and what they are refused."""
import os
import pathlib
import subprocess
import tempfile

from egress_world import EgressCase
from harness import await_true, main


class EgressTest(EgressCase):
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


if __name__ == "__main__":
    main()
