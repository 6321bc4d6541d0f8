"""What a proxy of a jail does to bytes, what it bounds, and its life beside its unit's."""
import os

from egress_world import ALLOWED, SLEEP, EgressCase, unit
from harness import await_true, main


class EgressLifeTest(EgressCase):
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

    def test_nobody_but_root_hands_it_sockets(self):
        said = self.client("/usr/bin/python3", "-c", """
import socket
own = socket.create_server(("127.0.0.1", 0))
s = socket.socket(socket.AF_UNIX)
s.connect("/run/egress/proxy.sock")
socket.send_fds(s, [b"\\0listeners\\n"], [own.fileno()])
print(s.recv(100))
try:
    own.settimeout(0.5)
    late = socket.create_connection(own.getsockname())
    late.sendall(b"GET http://good.test/hello HTTP/1.1\\r\\n\\r\\n")
    late.settimeout(0.5)
    print(late.recv(100))
except TimeoutError:
    print("nobody accepts")""").stdout
        self.assertEqual(said, "b''\nnobody accepts\n")
        self.assertEqual(self.curl("http://good.test/hello").stdout, "hello\n")

    def test_the_supervisors_processes_may_die(self):
        self.supervisor.await_state("egress@web", "running")
        for role in ("jailer", "engine"):
            os.kill(self.supervisor.role(role), 9)
            # `exec` itself needs both of them.
            await_true(f"an answer after the death of the {role}", lambda: self.curl(
                "http://good.test/hello", check=False).stdout == "hello\n")
        self.ok("restart", "web")
        self.assertEqual(self.curl("http://good.test/hello").stdout, "hello\n")

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
