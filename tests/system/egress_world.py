"""A network of the test's own for egress_test.py: the supervisor's "host" with one wire to a place
where servers are, both in network namespaces that end with this process."""
import json
import os
import pathlib
import shutil
import subprocess
import textwrap
import unittest

from harness import BUILD, KEEPER, Supervisor, SystemTest, await_true

# What the site permits in the tests; the other addresses of the servers' place it does not.
PERMITTED = ["10.99.0.0/24", "fd99::/64"]
NAMES = {
    "good.test": ["10.99.0.2"],
    "www.good.test": ["10.99.0.2"],
    "six.test": ["fd99::2"],
    "both.test": ["10.99.0.77", "10.99.0.2", "fd99::2"],  # nobody has the first one
    "other.test": ["10.99.0.2"],
    "loopback.test": ["127.0.0.1"],
    "loopback6.test": ["::1"],
    "private.test": ["10.88.0.2"],
    "mixed.test": ["10.88.0.2", "10.99.0.2"],
    "mapped.test": ["::ffff:10.99.0.2"],
    "nat64.test": ["64:ff9b::a63:2"],
    "linklocal.test": ["169.254.169.254"],
    "own.test": ["198.41.0.4"],  # the host's, of no range that is refused
}

SERVER = r'''
import http.server, os, socket, socketserver, ssl, sys, threading, time

class Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *_):
        pass
    def do_GET(self):
        if self.path.startswith("/seen"):
            return self.tell(f"{self.requestline}\n{self.headers}")
        if self.path.startswith("/big"):
            self.send_response(200)
            self.send_header("Content-Length", str(1 << 24))
            self.end_headers()
            for _ in range(256):
                self.wfile.write(b"x" * 65536)
            return
        super().do_GET()
    def do_POST(self):
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers["Content-Length"]))
        self.tell(f"{len(body)} {sum(body)}\n")
    def tell(self, text):
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    address_family = socket.AF_INET6
    daemon_threads = True

class Echo(socketserver.ThreadingTCPServer):
    """Sends back what it got once the other side has ended."""
    address_family = socket.AF_INET6
    daemon_threads = True

class EchoHandler(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(self.rfile.read())

root, certificate = sys.argv[1:]
os.chdir(root)
plain, tls, echo = Server(("::", 80), Handler), Server(("::", 443), Handler), Echo(("::", 7), EchoHandler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate)
tls.socket = context.wrap_socket(tls.socket, server_side=True)
for server in (plain, tls, echo):
    threading.Thread(target=server.serve_forever, daemon=True).start()
print("ready", flush=True)
sys.stdin.read()
'''


def run(*command, **more):
    return subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True,
                          timeout=30, **more)


class World:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.processes = []
        self.host = self.namespace()
        self.servers = self.namespace()
        run("ip", "link", "add", "out", "netns", self.host, "type", "veth", "peer", "name", "in",
            "netns", self.servers)
        for pid, name, four, six in ((self.host, "out", "10.99.0.1/24", "fd99::1/64"),
                                     (self.servers, "in", "10.99.0.2/24", "fd99::2/64")):
            self.inside(pid, "ip", "address", "add", four, "dev", name)
            self.inside(pid, "ip", "address", "add", six, "dev", name, "nodad")
            self.inside(pid, "ip", "link", "set", name, "up")
            self.inside(pid, "ip", "link", "set", "lo", "up")
        self.inside(self.host, "ip", "address", "add", "198.41.0.4/32", "dev", "lo")
        self.inside(self.servers, "ip", "address", "add", "10.88.0.2/24", "dev", "in")
        self.inside(self.host, "ip", "route", "add", "10.88.0.0/24", "via", "10.99.0.2")
        self.make_files()
        self.start_servers()

    def namespace(self):
        """pid of a process that keeps a network namespace until its input ends."""
        process = subprocess.Popen(["unshare", "--net", "sh", "-c", "echo ready; exec cat"],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.processes.append(process)
        assert process.stdout.readline() == "ready\n"
        return process.pid

    def enter(self, pid):
        return ["nsenter", f"--net=/proc/{pid}/ns/net", "--"]

    def inside(self, pid, *command):
        return run(*self.enter(pid), *command)

    def make_files(self):
        root = self.folder / "www"
        root.mkdir()
        (root / "hello").write_text("hello\n")
        key = self.folder / "server.pem"
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
            "-nodes", "-keyout", key, "-out", self.folder / "ca.pem", "-days", "2", "-subj",
            "/CN=good.test", "-addext", "subjectAltName=DNS:good.test,DNS:www.good.test")
        key.write_text(key.read_text() + (self.folder / "ca.pem").read_text())

    def start_servers(self):
        lines = [f"--host-record={name},{address}" for name, addresses in NAMES.items()
                 for address in addresses]
        dns = [shutil.which("dnsmasq", path="/usr/sbin:/usr/bin"), "--keep-in-foreground",
               "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--user=root",
               "--pid-file", "--port=53", "--local=/test/", *lines]
        self.processes.append(subprocess.Popen(self.enter(self.servers) + dns,
                                               stdin=subprocess.DEVNULL))
        server = subprocess.Popen(
            self.enter(self.servers) + ["python3", "-c", SERVER, self.folder / "www",
                                        self.folder / "server.pem"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.processes.append(server)
        assert server.stdout.readline() == "ready\n"
        await_true("the name server to listen", self.names_answered)

    def names_answered(self):
        sockets = self.inside(self.host, "python3", "-c", textwrap.dedent("""
            import socket
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            s.settimeout(1)
            s.connect(("10.99.0.2", 53))
            try:
                s.send(b"\\0\\1\\1\\0\\0\\1\\0\\0\\0\\0\\0\\0\\4good\\4test\\0\\0\\1\\0\\1")
                print(len(s.recv(512)) > 0)
            except OSError:
                print("")
            """))
        return sockets.stdout.strip()

    def settings(self, **more):
        lines = [f"permit_ranges = {PERMITTED!r}".replace("'", '"'),
                 'nameservers = ["10.99.0.2"]']
        return "\n".join(lines + [f"{key} = {value}" for key, value in more.items()]) + "\n"

    def end(self):
        for process in reversed(self.processes):
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe:
                    pipe.close()


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
class EgressCase(SystemTest):
    """Cases that share a supervisor in a world; the unit web is up."""
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
