"""Health checks: what is asked, what follows, and that services in their own networks are reached."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import time

from harness import CLIENT, SystemTest, await_true, main

FAST = 'interval = "50ms"\ntimeout = "2s"\nstart_period = "0"\nretries = 3\n'

# An HTTP server whose answer a file says: a status, "hang", "drop" or "noise"; and how often it was
# asked. Standard library alone, so that it runs in any of the jails.
SERVER = r'''
import os, socket, sys, pathlib
family, where, answer, log = sys.argv[1:5]
if family == "unix":
    server = socket.socket(socket.AF_UNIX)
    server.bind("\0" + where[1:] if where.startswith("@") else where)
else:
    six = socket.AF_INET6 if ":" in family else socket.AF_INET
    server = socket.create_server((family, int(where)), family=six)
server.listen(16)
while True:
    peer, _ = server.accept()
    request = peer.recv(4096).decode()
    path = pathlib.Path(answer)
    said = path.read_text().strip() if path.exists() else "200"
    with open(log, "a") as out:
        out.write(request.split("\r\n")[0] + " -> " + said + "\n")
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
        log = cls.supervisor.folder / "answer/log"
        log.touch()
        log.chmod(0o666)  # each unit has a user of its own

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
                      '[jail.network]\nmode = "loopback"'),
        "file": server("unix", "/run/answer/sock", 'unix = "/run/answer/sock"'),
        "name": server("unix", "@health-test", 'unix = "@health-test"'),
        "held": server("127.0.0.1", 48085, 'http = "http://127.0.0.1:48085/"').replace(
            'timeout = "2s"', 'timeout = "20s"'),
        "bare": '[service]\nexec_start = ["/bin/httpd", "-f", "-p", "127.0.0.1:48086", "-h", "/tmp"]\n'
                f'[health]\nhttp = "http://127.0.0.1:48086/none"\n{FAST}'
                '[jail.network]\nmode = "loopback"\n'
                '[jail.chroot]\nmode = "directory"\nroot = "@HERE@/root"\n',
        "port": server("127.0.0.1", 48082, 'tcp = "48082"'),
        "deaf": '[service]\nexec_start = ["/bin/sleep", "1000"]\n'
                f'[health]\ntcp = "127.0.0.1:1"\n{FAST}[jail.network]\nmode = "loopback"\n',
        # Neither may the service make a socket, nor its user open a file: the probe may connect.
        "pledged": '[service]\nexec_start = ["/bin/sleep", "1000"]\n'
                   f'[health]\ntcp = "127.0.0.1:1"\n{FAST}[jail.network]\nmode = "loopback"\n'
                   '[jail.pledge]\npromises = "stdio rpath prot_exec"\n',
    }

    # Tells which processes of its own user a program of the jail may write to.
    LOOK = """
import os
for pid in range(2, 4000):
    try:
        os.kill(pid, 0)
    except OSError:
        continue
    try:
        name = open(f'/proc/{pid}/comm').read().strip()
        with open(f'/proc/{pid}/mem', 'r+b'):
            print(pid, name, 'open')
    except OSError:
        print(pid, 'closed')
"""

    def looks(self, unit):
        return self.ok("exec", unit, "--", "/usr/bin/python3", "-c", self.LOOK).splitlines()

    def test_the_service_cannot_write_to_its_probe(self):  # [S1.9]
        self.ok("start", "held")
        self.await_health("held", "healthy")
        self.say("hang")
        await_true("a probe that waits", lambda: self.asked()[-1].endswith("-> hang"))
        lines = self.looks("held")
        self.assertEqual(sum(line.endswith("closed") for line in lines), 1, lines)
        # Control: to the server itself, which has the same user.
        self.assertTrue([line for line in lines if "python3 open" in line], lines)
        self.ok("stop", "held")

    def test_a_tree_without_any_other_file(self):  # [S1.9]
        root = self.supervisor.folder / "root"
        busybox = shutil.which("busybox")
        if busybox is None:
            self.skipTest("skipped: no busybox here")
        root.mkdir()
        for name in ("dev", "proc", "tmp", "sys", "run", "bin"):
            (root / name).mkdir()
        shutil.copy(busybox, root / "bin/httpd")
        self.ok("start", "bare")
        # Which is not there: what matters is that the probe was executed, and answered.
        self.await_reason("bare", "answered with status 404")
        self.ok("stop", "bare")

    def test_a_good_answer_is_healthy(self):  # [S1.9]
        self.ok("start", "web")
        health = self.await_health("web", "healthy")
        self.assertEqual(health["bad"], 0)
        self.assertIn("GET /healthz?a=b HTTP/1.1 -> 200", self.asked())
        self.assertRegex(self.ok("status", "web"), r"health: healthy since")
        self.ok("stop", "web")
        self.assertEqual(self.health("web")["state"], "none")

    def test_bad_answers_are_told_and_good_ones_mend(self):  # [S1.9]
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

    def test_a_service_in_a_network_of_its_own_is_reached(self):  # [S1.9]
        for unit in ("alone", "six"):
            self.ok("start", unit)
            self.await_health(unit, "healthy")
            self.ok("stop", unit)

    def test_control_the_hosts_network_is_another(self):  # [S1.9]
        # What answers on the same port of the host is not asked.
        self.ok("start", "web")
        self.await_health("web", "healthy")
        self.ok("start", "deaf")
        self.assertIn("Connection refused", self.await_health("deaf", "unhealthy")["reason"])
        self.ok("stop", "web", "deaf")

    def test_sockets_and_ports(self):  # [S1.9]
        for unit in ("file", "name", "port"):
            self.ok("start", unit)
            self.await_health(unit, "healthy")
            self.ok("stop", unit)
            (self.supervisor.folder / "answer/sock").unlink(missing_ok=True)

    def test_promises_of_the_service_do_not_bind_the_probe(self):  # [S1.9]
        self.ok("start", "pledged")
        self.assertIn("Connection refused", self.await_health("pledged", "unhealthy")["reason"])
        self.ok("stop", "pledged")


class Checks(Health):
    """exec, what follows from being unhealthy, and when a check is made at all."""
    UNITS = {
        "exec": '[service]\nexec_start = ["/bin/sh", "-c", "touch /tmp/well; exec sleep 1000"]\n'
                '[health]\nexec = ["/bin/sh", "-c", "echo PONG; echo hm >&2; test -e /tmp/well"]\n'
                + FAST,
        "missing": '[service]\nexec_start = ["/bin/sleep", "1000"]\n'
                   f'[health]\nexec = ["/no/such/check"]\n{FAST}',
        "hangs": server("127.0.0.1", 48083, 'http = "http://127.0.0.1:48083/"').replace(
            'timeout = "2s"', 'timeout = "100ms"'),
        "steady": server("127.0.0.1", 48087, 'http = "http://127.0.0.1:48087/"'),
        "stuck": '[service]\nexec_start = ["/bin/sleep", "1000"]\n'
                 '[health]\nexec = ["/bin/sh", "-c", "sleep 1000 & sleep 1000"]\n'
                 + FAST.replace('"2s"', '"100ms"'),
        "restarts": server("127.0.0.1", 48084, 'http = "http://127.0.0.1:48084/"\n'
                           'on_unhealthy = "restart"',
                           service='restart_delay = "10ms"\nexec_stop_post = ["/bin/true"]'),
        "limited": '[unit]\nstart_limit_burst = 2\n[service]\nexec_start = ["/bin/sleep", "1000"]\n'
                   'restart_delay = 0\n[health]\nexec = ["/bin/false"]\non_unhealthy = "restart"\n'
                   + FAST,
        "signalled": '[service]\nexec_start = ["/bin/sh", "-c", "trap \'touch /tmp/well\' USR1; '
                     'while :; do sleep 0.05; done"]\n[health]\nexec = ["/bin/test", "-e", "/tmp/well"]\n'
                     f'on_unhealthy = "signal"\nsignal = "SIGUSR1"\n{FAST}',
        "patient": '[service]\nexec_start = ["/bin/sleep", "1000"]\n[health]\nexec = ["/bin/false"]\n'
                   + FAST.replace('start_period = "0"', 'start_period = "1h"'),
        "slow": '[service]\nready = "health"\ntimeout_start = "20s"\n'
                'exec_start = ["/bin/sleep", "1000"]\n'
                '[health]\nexec = ["/bin/test", "-e", "/run/answer/well"]\n' + FAST +
                '[jail.chroot]\nbinds = ["@HERE@/answer:/run/answer"]\n',
        "needs-slow": '[unit]\nrequires = ["slow"]\n[service]\nexec_start = ["/bin/sleep", "1000"]\n',
        "never": '[service]\nready = "health"\ntimeout_start = "500ms"\n'
                 'exec_start = ["/bin/sleep", "1000"]\n[health]\nexec = ["/bin/false"]\n' + FAST,
        "quits": '[service]\nready = "health"\nexec_start = ["/bin/sh", "-c", "sleep 0.2"]\n'
                 '[health]\nexec = ["/bin/false"]\n' + FAST,
    }

    def processes(self, unit):
        listed = json.loads(self.ok("ps", unit, "--json"))
        return [one for unit in listed["units"] for one in unit["processes"]]

    def test_a_program_in_the_jail_says_it(self):  # [S1.9]
        self.ok("start", "exec")
        self.await_health("exec", "healthy")
        self.ok("exec", "exec", "--", "/bin/rm", "/tmp/well")
        self.assertEqual(self.await_health("exec", "unhealthy")["reason"], "exit code 1")
        await_true("its word", lambda: any(
            line.endswith(" hm") for line in self.supervisor.lines("exec")))
        self.assertFalse([line for line in self.supervisor.lines("exec") if "PONG" in line])
        self.ok("exec", "exec", "--", "/bin/touch", "/tmp/well")
        self.await_health("exec", "healthy")
        self.ok("stop", "exec")

    def test_a_program_that_is_not_there_is_a_bad_check(self):  # [S1.9]
        self.ok("start", "missing")
        self.assertIn("/no/such/check", self.await_health("missing", "unhealthy")["reason"])
        self.ok("stop", "missing")

    def test_a_service_that_hangs_is_late(self):  # [S1.9]
        self.ok("start", "hangs")
        self.await_health("hangs", "healthy")
        self.say("hang")
        self.assertEqual(self.await_health("hangs", "unhealthy")["reason"],
                         "no answer within 100 ms")
        self.say("200")
        self.await_health("hangs", "healthy")
        self.ok("stop", "hangs")

    def test_what_a_late_check_began_is_ended(self):  # [S1.9]
        self.ok("start", "stuck")
        self.await_health("stuck", "unhealthy")
        # The service and its init; of a check no more than the two sleeps that run now.
        self.assertLessEqual(len(self.processes("stuck")), 6)
        self.ok("stop", "stuck")

    def test_unhealthy_is_restarted(self):  # [S1.9]
        self.ok("start", "restarts")
        self.await_health("restarts", "healthy")
        before = self.supervisor.pid("restarts")
        self.say("503")
        await_true("a restart", lambda: self.supervisor.status("restarts")["restarts"] > 0)
        self.say("200")
        self.await_health("restarts", "healthy")
        self.assertNotEqual(self.supervisor.pid("restarts"), before)
        self.assertIn("unhealthy: 3 bad checks, the last one: answered with status 503",
                      self.supervisor.said())
        self.ok("stop", "restarts")

    def test_restarts_have_their_limit(self):  # [S1.9]
        self.ok("start", "limited")
        status = self.supervisor.await_state("limited", "failed")
        self.assertIn("start limit: 2 starts", status["because"])
        self.assertIn("bad checks, the last one: exit code 1", status["because"])
        self.assertEqual(status["health"]["state"], "none")

    def test_a_signal_may_mend_it(self):  # [S1.9]
        self.ok("start", "signalled")
        self.await_health("signalled", "healthy")
        self.assertIn("signalled: unhealthy", self.supervisor.said())
        self.assertEqual(self.supervisor.status("signalled")["restarts"], 0)
        self.ok("stop", "signalled")

    def test_bad_checks_do_not_count_in_the_start_period(self):  # [S1.9]
        self.ok("start", "patient")
        self.await_reason("patient", "exit code 1")
        seen = self.health("patient")["checked"]
        await_true("more checks", lambda: self.health("patient")["checked"] > seen + 200_000)
        health = self.health("patient")
        self.assertEqual((health["state"], health["bad"]), ("starting", 0))
        self.ok("stop", "patient")

    def test_dependents_wait_for_a_good_check(self):  # [S1.9]
        well = self.supervisor.folder / "answer/well"
        self.ok("start", "--no-block", "needs-slow")
        self.await_reason("slow", "exit code 1")
        status = self.supervisor.status("slow")
        self.assertEqual(status["state"], "starting")
        self.assertEqual(status["because"],
                         "waits for a good health check; the last one: exit code 1")
        self.assertEqual(self.supervisor.status("needs-slow")["state"], "waiting")
        well.touch()
        self.supervisor.await_state("needs-slow", "running")
        self.assertEqual(self.health("slow")["state"], "healthy")
        well.unlink()
        self.ok("stop", "slow")

    def test_who_is_never_healthy_does_not_start(self):  # [S1.9]
        self.fails(1, "start", "never")
        self.assertIn("no health check was good; the last one: exit code 1 within 500 ms",
                      self.supervisor.status("never")["because"])
        self.fails(1, "start", "quits")
        self.assertIn("ended before a health check was good",
                      self.supervisor.status("quits")["because"])

    def test_checks_outlive_engine_and_jailer(self):  # [S1.9]
        self.ok("start", "steady")
        self.await_health("steady", "healthy")
        for role in "engine", "jailer":
            before = self.supervisor.pid("steady")
            self.kill_role(role)
            self.assertEqual(self.health("steady")["state"], "healthy")
            self.say("503")
            self.await_health("steady", "unhealthy")
            self.kill_role(role)
            self.assertEqual(self.health("steady")["state"], "unhealthy")
            self.say("200")
            self.await_health("steady", "healthy")
            self.assertEqual(self.supervisor.pid("steady"), before)
        self.ok("stop", "steady")

    def test_who_is_frozen_is_not_blamed(self):  # [S1.9]
        self.ok("start", "steady")
        self.await_health("steady", "healthy")
        self.say("503")
        self.ok("freeze", "steady")
        await_true("frozen", lambda: self.supervisor.status("steady")["frozen"])
        before = self.health("steady")["bad"]
        end = time.monotonic() + 2.5  # more than a check's time, and than ten of the pauses
        await_true("that time to pass", lambda: time.monotonic() > end)
        health = self.health("steady")
        self.assertLessEqual(health["bad"], before + 1)  # one may have been over already
        self.assertEqual(health["state"], "healthy")
        self.assertTrue(self.supervisor.status("steady")["frozen"])
        self.ok("thaw", "steady")
        self.await_health("steady", "unhealthy")  # control
        self.ok("stop", "steady")

    def test_events_tell_it(self):  # [S1.9]
        with subprocess.Popen([CLIENT, "--state", self.supervisor.state, "events",
                               "--json", "exec"], stdout=subprocess.PIPE, text=True) as stream:
            self.assertIn("begin", stream.stdout.readline())
            self.ok("start", "exec")
            seen = []
            while ("health", "healthy") not in seen:
                event = json.loads(stream.stdout.readline())
                seen.append((event["kind"], event["state"]))
            self.ok("stop", "exec")
            stream.terminate()


class RealPrograms(Health):
    POSTGRES = next(iter(pathlib.Path("/usr/lib/postgresql").glob("*/bin/postgres")), None)
    UNITS = {
        "redis": '''[service]
ready = "health"
exec_start = ["/usr/bin/redis-server", "--port", "0", "--unixsocket", "/tmp/redis.sock",
              "--dir", "/tmp"]
[health]
unix = "/tmp/redis.sock"
''',
        "redis-cli": '''[service]
ready = "health"
exec_start = ["/usr/bin/redis-server", "--port", "0", "--unixsocket", "/tmp/redis.sock",
              "--dir", "/tmp"]
[health]
exec = ["/usr/bin/redis-cli", "-s", "/tmp/redis.sock", "ping"]
''',
        "postgres": f'''[service]
ready = "health"
exec_start_pre = [["{POSTGRES.parent if POSTGRES else ""}/initdb", "-D", "/tmp/data", "-A",
                   "trust", "-U", "admin"]]
exec_start = ["{POSTGRES}", "-D", "/tmp/data", "-k", "/tmp", "-c", "listen_addresses="]
[health]
exec = ["{POSTGRES.parent if POSTGRES else ""}/pg_isready", "-h", "/tmp"]
[jail.identity]
dynamic_user = false
user = "postgres"
''',
        "nginx": '''[service]
ready = "health"
exec_start = ["/usr/sbin/nginx", "-c", "/run/nginx.conf", "-e", "stderr", "-g", "daemon off;"]
[health]
http = "http://127.0.0.1:8080/"
[jail.network]
mode = "loopback"
[jail.chroot]
binds_ro = ["@HERE@/nginx.conf:/run/nginx.conf"]
''',
    }
    FILES = Health.FILES | {"nginx.conf": """pid /tmp/nginx.pid;
events {}
http {
  access_log off;
  client_body_temp_path /tmp/a; proxy_temp_path /tmp/b; fastcgi_temp_path /tmp/c;
  uwsgi_temp_path /tmp/d; scgi_temp_path /tmp/e;
  server { listen 127.0.0.1:8080; location / { return 204; } }
}
"""}

    def serves(self, unit, program):
        if not shutil.which(program) and not pathlib.Path(program).exists():
            self.skipTest(f"skipped: no {program} here")
        self.ok("start", unit, timeout=90)
        status = self.supervisor.status(unit)
        self.assertEqual((status["state"], status["health"]["state"]), ("running", "healthy"))
        self.ok("stop", unit)

    def test_nginx_in_a_network_of_its_own(self):  # [S1.9]
        self.serves("nginx", "/usr/sbin/nginx")

    def test_redis(self):  # [S1.9]
        self.serves("redis", "redis-server")
        self.serves("redis-cli", "redis-server")

    def test_postgresql(self):  # [S1.9]
        if self.POSTGRES is None or subprocess.run(["id", "postgres"], check=False,
                                                   capture_output=True).returncode != 0:
            self.skipTest("skipped: no PostgreSQL here")
        self.serves("postgres", str(self.POSTGRES))


if __name__ == "__main__":
    main()
