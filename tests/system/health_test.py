"""Health checks: what is asked, what follows, and that services in their own networks are reached."""
import json
import os
import pathlib
import shutil
import signal
import subprocess

from harness import Supervisor, SystemTest, await_true, children, main

FAST = 'interval = "50ms"\ntimeout = "2s"\nstart_period = "0"\nretries = 3\n'

# An HTTP server whose answer a file says: a status, "hang", "drop" or "noise"; and how often it was
# asked. Standard library alone, so that it runs in any of the jails.
SERVER = r'''
import os, socket, sys, pathlib
family, where, answer, log = sys.argv[1:5]
if family == "unix":
    server = socket.socket(socket.AF_UNIX); server.bind(where)
else:
    server = socket.create_server((family, int(where)))
server.listen(16)
while True:
    peer, _ = server.accept()
    request = peer.recv(4096).decode()
    path = pathlib.Path(answer)
    said = path.read_text().strip() if path.exists() else "200"
    with open(log, "a") as out:
        out.write(request.split("\r\n")[0] + "\n")
    if said == "hang":
        hung = globals().setdefault("hung", []); hung.append(peer); continue
    try:
        if said == "noise":
            peer.sendall(b"SSH-2.0-none\r\n" * 100)
        elif said == "endless":
            for _ in range(4096): peer.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)
        elif said != "drop":
            peer.sendall(f"HTTP/1.1 {said} x\r\nLocation: http://192.0.2.1/\r\n"
                         "Content-Length: 0\r\n\r\n".encode())
    except OSError:
        pass
    peer.close()
'''


def server(family, where, check, more="", service=""):
    return (f'[service]\nexec_start = ["/usr/bin/python3", "/run/server", "{family}", "{where}", '
            f'"/run/answer/say", "/run/answer/log"]\n{service}\n[health]\n{check}\n{FAST}'
            '[jail.chroot]\nbinds_ro = ["@HERE@/server.py:/run/server"]\n'
            f'binds = ["@HERE@/answer:/run/answer"]\n{more}\n')


class Health(SystemTest):
    FILES = {"server.py": SERVER, "answer/say": "200"}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        (cls.supervisor.folder / "answer").chmod(0o777)

    def setUp(self):
        self.say("200")

    def say(self, answer):
        path = self.supervisor.folder / "answer/say"
        new = path.with_name("new")
        new.write_text(answer)
        new.chmod(0o644)
        new.rename(path)

    def asked(self):
        log = self.supervisor.folder / "answer/log"
        return log.read_text().splitlines() if log.exists() else []

    def health(self, unit):
        return self.supervisor.status(unit)["health"]

    def await_health(self, unit, state):
        return await_true(f"{unit} to be {state}", lambda: (
            lambda h: h if h["state"] == state else None)(self.health(unit)))

    def await_reason(self, unit, text):
        return await_true(f"{unit} to say {text}", lambda: text in self.health(unit)["reason"])

    def kill_role(self, name):
        before = self.supervisor.role(name)
        os.kill(before, signal.SIGKILL)
        await_true(f"a new {name}", lambda: self.supervisor.role(name) != before)
        await_true("answers", self.supervisor.answers)


class Probes(Health):
    """http, tcp, unix."""
    UNITS = {
        "web": server("127.0.0.1", 48080, 'http = "http://localhost:48080/healthz?a=b"'),
        # Its network is empty but for its own loopback; nobody else reaches it.
        "alone": server("127.0.0.1", 48080, 'http = "http://127.0.0.1:48080/alone"',
                        '[jail.network]\nmode = "loopback"'),
        "six": server("::1", 48081, 'http = "http://[::1]:48081/"',
                      '[jail.network]\nmode = "loopback"').replace(
                          "socket.create_server", "socket.create_server"),
        "file": server("unix", "/run/answer/sock", 'unix = "/run/answer/sock"'),
        "name": server("unix", "\\\\u0000x", 'unix = "@x"'),
        "port": server("127.0.0.1", 48082, 'tcp = "48082"'),
        "deaf": '[service]\nexec_start = ["/bin/sleep", "1000"]\n'
                f'[health]\ntcp = "127.0.0.1:1"\n{FAST}[jail.network]\nmode = "loopback"\n',
        # Neither may the service make a socket, nor its user open a file: the probe may connect.
        "pledged": '[service]\nexec_start = ["/bin/sleep", "1000"]\n'
                   f'[health]\ntcp = "127.0.0.1:1"\n{FAST}[jail.network]\nmode = "loopback"\n'
                   '[jail.pledge]\npromises = "stdio rpath"\n',
    }

    def test_a_good_answer_is_healthy(self):
        self.ok("start", "web")
        health = self.await_health("web", "healthy")
        self.assertEqual((health["bad"], health["reason"]), (0, ""))
        self.assertIn("GET /healthz?a=b HTTP/1.1", self.asked())
        self.assertRegex(self.ok("status", "web"), r"health: healthy since")
        self.ok("stop", "web")
        self.assertEqual(self.health("web")["state"], "none")

    def test_bad_answers_are_told_and_good_ones_mend(self):
        self.ok("start", "web")
        self.await_health("web", "healthy")
        for answer, told in (("500", "answered with status 500"),
                             ("404", "answered with status 404"),
                             ("drop", "the connection ended before an answer"),
                             ("noise", "the answer was not HTTP/1"),
                             ("endless", "interim answers without end"),
                             ("777", "an unknown status")):
            self.say(answer)
            self.await_reason("web", told)
            self.await_health("web", "unhealthy")
            self.say("302")  # not followed; a service that answers so lives
            self.await_health("web", "healthy")
        self.assertEqual(self.supervisor.status("web")["state"], "running")
        self.ok("stop", "web")
        said = self.supervisor.said()
        self.assertIn("web: unhealthy: answered with status 500", said)
        self.assertIn("web: healthy again", said)

    def test_a_service_in_a_network_of_its_own_is_reached(self):
        for unit in ("alone", "six"):
            self.ok("start", unit)
            self.await_health(unit, "healthy")
            self.ok("stop", unit)

    def test_control_the_hosts_network_is_another(self):
        # What answers on the same port of the host is not asked.
        self.ok("start", "web")
        self.await_health("web", "healthy")
        self.ok("start", "deaf")
        self.assertIn("Connection refused", self.await_health("deaf", "unhealthy")["reason"])
        self.ok("stop", "web", "deaf")

    def test_sockets_and_ports(self):
        for unit in ("file", "port"):
            self.ok("start", unit)
            self.await_health(unit, "healthy")
            self.ok("stop", unit)
            (self.supervisor.folder / "answer/sock").unlink(missing_ok=True)

    def test_promises_of_the_service_do_not_bind_the_probe(self):
        self.ok("start", "pledged")
        self.assertIn("Connection refused", self.await_health("pledged", "unhealthy")["reason"])
        self.ok("stop", "pledged")


if __name__ == "__main__":
    main()
