"""Sockets that the supervisor opens for units: kept while services and our own processes start
again, given to real servers, and connections to instances of templates."""
import os
import pathlib
import shutil
import signal
import socket
import stat
import subprocess
import threading
import unittest

from harness import DEADLINE, SystemTest, alive, await_true, main

# Loopback addresses of the test's own, so that ports below 1024 are nobody else's.
HOST = "127.83.7.1"
GUNICORN = shutil.which("gunicorn")
SSHD = shutil.which("sshd", path="/usr/sbin:/usr/bin")
PROXY = pathlib.Path("/lib/systemd/systemd-socket-proxyd")

APP = """
def app(environ, start):
    body = b"served by %d\\n" % __import__("os").getpid()
    start("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""

# Takes connections from descriptor 3 and says what it was given.
ONCE = r'''
import os, socket, sys
names = os.environ["LISTEN_FDNAMES"]
assert os.environ["LISTEN_PID"] == str(os.getpid())
first = socket.socket(fileno=3)
rounds = int(sys.argv[1])
mine = sorted(int(name) for name in os.listdir("/proc/self/fd"))[:-1]  # that of the folder is last
while rounds != 0:
    connection, _ = first.accept()
    connection.sendall(f"{names} {os.environ['LISTEN_FDS']} {mine}\n".encode())
    connection.close()
    rounds -= 1
'''


def python(script, *arguments):
    words = ", ".join(f'"{word}"' for word in arguments)
    return f"exec_start = [\"/usr/bin/python3\", \"-c\", '''{script}'''{', ' + words if words else ''}]\n"


def unit(listen, service, socket_lines="", rest=""):
    addresses = ", ".join(f'"{one}"' for one in listen)
    return f"[service]\n{service}[socket]\nlisten = [{addresses}]\n{socket_lines}{rest}"


NO_NETWORK = '[jail.network]\nmode = "none"\n'


def connect(address, timeout=DEADLINE):
    if isinstance(address, str):
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(timeout)
        try:
            connection.connect(address)
        except OSError:
            connection.close()
            raise
        return connection
    return socket.create_connection(address, timeout)


def read_all(connection):
    blocks = []
    with connection:
        while block := connection.recv(1 << 16):
            blocks.append(block)
    return b"".join(blocks)


def ask(address):
    return read_all(connect(address)).decode()


def refuses(address):
    try:
        connect(address).close()
    except (ConnectionRefusedError, FileNotFoundError):
        return True
    return False


def get(address):
    with connect(address) as connection:
        connection.sendall(b"GET / HTTP/1.0\r\nHost: x\r\n\r\n")
        return read_all(connection)


class Load:
    """Clients that ask over and over; counts who was refused, and who was answered."""

    def __init__(self, address, clients=4):
        self.address = address
        self.answered = self.refused = self.cut = 0
        self.over = threading.Event()
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.run) for _ in range(clients)]

    def run(self):
        while not self.over.is_set():
            try:
                good = b"served by" in get(self.address)
                result = "answered" if good else "cut"
            except ConnectionRefusedError:
                result = "refused"
            except OSError:  # it was being served when the server was killed
                result = "cut"
            with self.lock:
                setattr(self, result, getattr(self, result) + 1)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join(DEADLINE)


class Sockets(SystemTest):
    UNITS = {
        "once": unit([f"tcp:{HOST}:81", "unix:@HERE@/sockets/once"], python(ONCE, "1"),
                     'names = ["web", "local"]\nactivation = "on_demand"\n', NO_NETWORK),
        "twin": unit([f"tcp:{HOST}:81"], python(ONCE, "1"), 'activation = "on_demand"\n'),
        "alone": ("[service]\n" + python(
            f"import socket; s = socket.create_server(('{HOST}', 83)); s.accept()") + NO_NETWORK),
        "files": unit(["unix:@HERE@/sockets/f", "fifo:@HERE@/sockets/p"], python(ONCE, "1"),
                      'mode = "0640"\nowner = "nobody"\ngroup = "12345"\n'
                      'activation = "on_demand"\n'),
        "open": unit(["unix:/tmp/jailsvc-test.sock"], python(ONCE, "1"),
                     'activation = "on_demand"\n'),
        "spins": unit([f"tcp:{HOST}:84"], 'exec_start = ["/bin/true"]\n',
                      'activation = "on_demand"\ntrigger_limit_burst = 3\n'
                      'trigger_limit_interval = "1min"\n'),
        "shuts": unit([f"tcp:{HOST}:88", "unix:@HERE@/sockets/shut"], python("""
import socket
for number in (3, 4):
    first = socket.socket(fileno=number)
    first.accept()[0].sendall(b"served\\n")
    first.shutdown(socket.SHUT_RDWR)
""")),
        "needs": '[unit]\nrequires = ["once"]\n[service]\nexec_start = ["/bin/sleep", "infinity"]\n',
        "changes": unit([f"tcp:{HOST}:85"], python(ONCE, "-1")),
        "datagram": unit([f"udp:{HOST}:86"], python(
            "import socket; s = socket.socket(fileno=3); d, a = s.recvfrom(99); s.sendto(d[::-1], a)"),
            'activation = "on_demand"\n', NO_NETWORK),
    }

    def listening(self, name):
        self.ok("start", name)
        self.addCleanup(self.ok, "stop", name)
        return self.supervisor.await_state(name, "listening")

    def test_what_the_service_shuts_down_is_open_again_at_its_next_start(self):
        there = (HOST, 88), str(self.supervisor.folder / "sockets/shut")
        for _ in range(2):
            self.ok("start", "shuts")
            for address in there:
                self.assertEqual(ask(address), "served\n")
            self.supervisor.await_state("shuts", "inactive")
        self.assertTrue(all(refuses(address) for address in there))

    def test_a_connection_starts_the_unit_and_it_listens_again(self):
        before = self.listening("once")
        self.assertIsNone(before["pid"])
        self.assertEqual(before["listens"][0], f"tcp:{HOST}:81")
        for _ in range(3):
            # Nothing but stdio and the declared two.
            self.assertEqual(ask((HOST, 81)), "web:local 2 [0, 1, 2, 3, 4]\n")
            self.supervisor.await_state("once", "listening")
        self.assertEqual(self.supervisor.status("once")["accepted"], 3)
        self.ok("stop", "once")
        self.assertTrue(refuses((HOST, 81)))  # control

    def test_a_service_without_network_and_rights_is_reached(self):
        self.listening("once")
        self.assertIn("web", ask((HOST, 81)))
        # Control: what listens itself in such a jail has neither that address nor that port.
        self.ok("start", "alone")
        self.addCleanup(self.ok, "stop", "alone")
        await_true("its end", lambda: self.supervisor.status("alone")["last_exit"])
        self.assertTrue(refuses((HOST, 83)))

    def test_dependents_start_while_it_listens(self):
        self.ok("start", "needs")
        self.assertEqual(self.supervisor.status("once")["state"], "listening")
        self.assertEqual(self.supervisor.status("needs")["state"], "running")
        pid = self.supervisor.pid("needs")
        ask((HOST, 81))
        self.supervisor.await_state("once", "listening")
        self.assertEqual(self.supervisor.pid("needs"), pid)
        self.ok("stop", "once")
        self.assertFalse(alive(pid))

    def test_a_datagram_starts_it(self):
        self.listening("datagram")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(DEADLINE)
            client.sendto(b"abc", (HOST, 86))
            self.assertEqual(client.recv(99), b"cba")
        self.supervisor.await_state("datagram", "listening")

    def test_two_units_cannot_have_one_address(self):
        self.listening("once")
        told = self.fails(1, "start", "twin")
        self.assertIn("once listens there already, and twin wants to", told)
        with socket.create_server((HOST, 84)):
            told = self.fails(1, "start", "spins")
            self.assertIn(f"is in use by {pathlib.Path('/proc/self/comm').read_text().strip()} "
                          f"(pid {os.getpid()})", told)

    def test_files_have_their_owner_and_go(self):
        folder = self.supervisor.folder / "sockets"
        folder.mkdir(exist_ok=True)
        path, fifo = folder / "f", folder / "p"
        stale = socket.socket(socket.AF_UNIX)
        stale.bind(str(path))
        stale.close()  # nobody listens there any more
        self.listening("files")
        for one, kind in ((path, stat.S_ISSOCK), (fifo, stat.S_ISFIFO)):
            info = one.lstat()
            self.assertTrue(kind(info.st_mode))
            self.assertEqual((stat.S_IMODE(info.st_mode), info.st_uid, info.st_gid),
                             (0o640, 65534, 12345))
        self.ok("stop", "files")
        self.assertFalse(path.exists() or fifo.exists())
        path.write_text("somebody's")
        self.assertIn("something else than a socket", self.fails(1, "start", "files"))
        self.assertEqual(path.read_text(), "somebody's")
        path.unlink()
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(path))
            server.listen()
            self.assertIn("is in use by", self.fails(1, "start", "files"))
            self.assertTrue(path.is_socket())
        path.unlink()

    def test_a_directory_that_others_may_write_is_refused(self):
        self.assertIn("others than root may write in /tmp", self.fails(1, "start", "open"))
        self.assertFalse(pathlib.Path("/tmp/jailsvc-test.sock").exists())

    def test_one_that_takes_nothing_fails_at_its_trigger_limit(self):
        self.ok("start", "spins")
        client = connect((HOST, 84))
        failed = self.supervisor.await_state("spins", "failed")
        client.close()
        self.assertIn("trigger limit: more than 3 activations within 60 s", failed["because"])
        self.assertTrue(refuses((HOST, 84)))
        self.ok("start", "spins")  # a person has the last word
        self.ok("stop", "spins")

    def test_a_changed_address_takes_effect_at_the_next_start(self):
        self.ok("start", "changes")
        self.addCleanup(self.ok, "stop", "changes")
        old = self.supervisor.units / "changes.toml"
        text = old.read_text()
        self.addCleanup(lambda: (old.write_text(text), self.ok("daemon-reload")))
        old.write_text(text.replace(f"{HOST}:85", f"{HOST}:87"))
        self.assertIn("changes", self.ok("daemon-reload"))
        self.assertTrue(self.supervisor.status("changes")["stale"])
        self.assertIn("changes", ask((HOST, 85)))
        self.assertTrue(refuses((HOST, 87)))
        self.ok("restart", "changes")
        self.assertIn("changes", ask((HOST, 87)))
        self.assertTrue(refuses((HOST, 85)))

    def test_a_removed_unit_listens_no_more(self):
        self.supervisor.write("short", unit([f"tcp:{HOST}:88"], python(ONCE, "1"),
                                            'activation = "on_demand"\n'))
        self.ok("daemon-reload")
        self.ok("start", "short")
        (self.supervisor.units / "short.toml").unlink()
        self.ok("daemon-reload")
        await_true("it to be closed", lambda: refuses((HOST, 88)))

    def test_they_are_listed(self):
        self.listening("once")
        listed = self.ok("list-sockets")
        self.assertIn(f"tcp:{HOST}:81", listed)
        self.assertIn("on_demand", listed)

    def test_waiting_survives_the_death_of_each_of_ours(self):
        self.listening("once")
        for role in ("engine", "jailer", "logger"):
            with self.subTest(role):
                before = self.supervisor.role(role)
                os.kill(before, signal.SIGKILL)
                self.assertIn("web", ask((HOST, 81)))  # at once: it waits in the backlog
                await_true(f"a new {role}", lambda: self.supervisor.role(role) != before)
                self.supervisor.await_state("once", "listening")
        self.ok("stop", "once")
        self.assertTrue(refuses((HOST, 81)))


class Accepting(SystemTest):
    SAYS = ("import os; print(os.environ.get('REMOTE_ADDR'), os.environ.get('REMOTE_PORT'),"
            " os.environ.get('LISTEN_FDS'), flush=True); import sys; sys.stdin.read()")
    UNITS = {
        "says": (f'[socket]\nlisten = ["tcp:{HOST}:91", "tcp:[::1]:38491"]\naccept = true\n'
                 'stdio = true\nmax_connections = 3\nmax_connections_per_source = 2\n'),
        "says@": "[service]\n" + python(SAYS) + NO_NETWORK,
        "third": f'[socket]\nlisten = ["tcp:{HOST}:92"]\naccept = true\n',
        "third@": "[service]\n" + python(
            "import os, socket; c = socket.socket(fileno=3); c.sendall(os.environ['LISTEN_FDNAMES']"
            ".encode())"),
        "flood": (f'[socket]\nlisten = ["tcp:{HOST}:93"]\naccept = true\ntrigger_limit_burst = 2\n'
                  'trigger_limit_interval = "1min"\n'),
        "flood@": '[service]\nexec_start = ["/bin/true"]\n',
        "orphan": f'[socket]\nlisten = ["tcp:{HOST}:94"]\naccept = true\n',
    }

    def setUp(self):
        self.ok("start", "says", "third")

    def instances(self):
        return [name for name in self.ok("list").split() if "@:" in name]

    def gone(self):
        await_true("the instances' end", lambda: not self.instances())

    def test_each_connection_has_an_instance_that_goes(self):
        first = connect((HOST, 91))
        port = first.getsockname()[1]
        self.assertEqual(first.recv(99).decode(), f"127.0.0.1 {port} None\n"
                         if first.getsockname()[0] == "127.0.0.1"
                         else f"{first.getsockname()[0]} {port} None\n")
        second = connect(("::1", 38491))
        self.assertIn("::1", second.recv(99).decode())
        self.assertEqual(len(self.instances()), 2)
        self.assertEqual(self.supervisor.status("says")["connections"], 2)
        first.close()
        second.close()
        self.gone()
        await_true("no connection", lambda: self.supervisor.status("says")["connections"] == 0)
        self.assertEqual(ask((HOST, 92)), "connection")
        self.gone()

    def test_connections_beyond_the_limits_are_closed(self):
        held = [connect((HOST, 91)) for _ in range(2)]
        for one in held:
            self.assertTrue(one.recv(99))
        self.assertEqual(ask((HOST, 91)), "")  # two of one source
        other = connect(("::1", 38491))
        self.assertTrue(other.recv(99))
        self.assertEqual(read_all(connect(("::1", 38491))), b"")  # three in all
        self.assertEqual(self.supervisor.status("says")["refused"], 2)
        held[0].close()
        await_true("one to go", lambda: len(self.instances()) == 2)
        await_true("room", lambda: self.supervisor.status("says")["connections"] == 2)
        again = connect((HOST, 91))
        self.assertTrue(again.recv(99))  # control
        for one in (held[1], other, again):
            one.close()
        self.gone()

    def test_connections_survive_the_death_of_each_of_ours(self):
        held = connect((HOST, 91))
        self.assertTrue(held.recv(99))
        for role in ("engine", "jailer"):
            before = self.supervisor.role(role)
            os.kill(before, signal.SIGKILL)
            await_true(f"a new {role}", lambda: self.supervisor.role(role) != before)
            await_true("answers", self.supervisor.answers)
            another = connect((HOST, 91))
            self.assertTrue(another.recv(99))
            self.assertEqual(ask((HOST, 91)), "")  # the one that is held counts
            another.close()
            await_true("its end", lambda: len(self.instances()) == 1)
            await_true("room", lambda: self.supervisor.status("says")["connections"] == 1)
        held.close()
        self.gone()

    def test_nobody_starts_such_an_instance_by_hand(self):
        self.fails(5, "start", "says@:5:127.0.0.1")
        self.assertEqual(self.instances(), [])

    def test_a_flood_of_connections_fails_the_unit(self):
        self.ok("start", "flood")
        for _ in range(2):
            ask((HOST, 93))
        try:
            ask((HOST, 93))
        except ConnectionResetError:
            pass
        failed = self.supervisor.await_state("flood", "failed")
        self.assertIn("more than 2 connections", failed["because"])
        self.gone()

    def test_without_a_template_connections_are_closed(self):
        self.ok("start", "orphan")
        self.addCleanup(self.ok, "stop", "orphan")
        self.assertEqual(ask((HOST, 94)), "")
        self.assertIn("there is no template orphan@.toml", self.supervisor.said())


@unittest.skipUnless(GUNICORN, "skipped: needs gunicorn")
class Gunicorn(SystemTest):
    """A real server that takes its sockets from its descriptors, at a low port, without network."""
    SERVICE = (f'exec_start = ["{GUNICORN}", "--chdir", "/srv", "--workers", "2",'
               ' "--graceful-timeout", "5", "--worker-tmp-dir", "/tmp", "--no-sendfile", %s'
               ' "app:app"]\nrestart = "always"\nrestart_delay = 0\n')
    REST = ('[unit]\nstart_limit_interval = 0\n[environment]\nset.PYTHONDONTWRITEBYTECODE = "1"\n'
            '[jail.chroot]\nbinds_ro = ["@HERE@/app:/srv"]\n')
    UNITS = {
        "web": unit([f"tcp:{HOST}:880"], SERVICE % "", "", REST + NO_NETWORK),
        "own": "[service]\n" + SERVICE % f'"--bind", "{HOST}:8081",' + REST,
    }
    if PROXY.exists():
        UNITS["proxy"] = unit([f"tcp:{HOST}:82"],
                              f'exec_start = ["{PROXY}", "--exit-idle-time=100ms", "{HOST}:880"]\n',
                              'activation = "on_demand"\n')
    FILES = {"app/app.py": APP}

    def up(self, name, port):
        self.ok("start", name)
        self.addCleanup(self.ok, "stop", name)
        await_true("an answer", lambda: not refuses((HOST, port)) and
                   b"served by" in get((HOST, port)))

    def kill_role(self, name):
        before = self.supervisor.role(name)
        os.kill(before, signal.SIGKILL)
        await_true(f"a new {name}", lambda: self.supervisor.role(name) != before)
        await_true("answers", self.supervisor.answers)

    def kill_service(self, name):
        before = self.supervisor.pid(name)
        os.kill(before, signal.SIGKILL)
        await_true("its restart", lambda: self.supervisor.pid(name) not in (None, before))

    def test_nobody_is_refused_while_everything_starts_again(self):
        self.up("web", 880)
        with Load((HOST, 880)) as load:
            def served(more=20):
                wanted = load.answered + more
                await_true("answers", lambda: load.answered >= wanted)
            served()
            for role in ("jailer", "engine", "logger"):
                self.kill_service("web")
                self.kill_role(role)
                served()
            os.kill(self.supervisor.role("jailer"), signal.SIGKILL)
            os.kill(self.supervisor.role("engine"), signal.SIGKILL)
            os.kill(self.supervisor.role("logger"), signal.SIGKILL)
            await_true("answers", self.supervisor.answers)
            self.kill_service("web")
            served()
            self.ok("restart", "web")
            served()
        self.assertEqual(load.refused, 0)

    def test_control_without_such_sockets_somebody_is_refused(self):
        self.up("own", 8081)
        with Load((HOST, 8081)) as load:
            self.kill_service("own")
            await_true("a refusal", lambda: load.refused > 0)

    @unittest.skipUnless(PROXY.exists(), "skipped: needs systemd-socket-proxyd")
    def test_a_proxy_is_there_while_it_is_needed(self):
        self.up("web", 880)
        self.ok("start", "proxy")
        self.addCleanup(self.ok, "stop", "proxy")
        for _ in range(2):
            self.assertIn(b"served by", get((HOST, 82)))
            self.supervisor.await_state("proxy", "listening")


@unittest.skipUnless(SSHD, "skipped: needs openssh-server")
class Ssh(SystemTest):
    """A real server that wants its connection as inetd gives it."""
    UNITS = {
        "ssh": f'[socket]\nlisten = ["tcp:{HOST}:822"]\naccept = true\nstdio = true\n',
        "ssh@": (f'[service]\nexec_start = ["{SSHD}", "-i", "-e", "-f", "/srv/config"]\n'
                 '[jail.chroot]\nbinds_ro = ["@HERE@/ssh:/srv"]\n[jail.pledge]\n'
                 'on_violation = "errno"\n' + NO_NETWORK),
    }
    FILES = {"ssh/config": "HostKey /srv/key\nUsePAM no\nPidFile none\n"}

    def test_a_key_exchange(self):
        key = self.supervisor.folder / "ssh/key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
        key.chmod(0o644)  # the jail's user reads it; it is nobody's key
        self.ok("start", "ssh")
        public = (self.supervisor.folder / "ssh/key.pub").read_text().split()[1]
        for _ in range(2):
            scanned = subprocess.run(["ssh-keyscan", "-p", "822", "-T", "20", "-t", "ed25519", HOST],
                                     capture_output=True, text=True, timeout=DEADLINE, check=False)
            self.assertIn(public, scanned.stdout,
                          scanned.stderr + self.ok("logs", "ssh") + self.supervisor.said())


if __name__ == "__main__":
    main()
