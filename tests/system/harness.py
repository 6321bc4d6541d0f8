"""A real supervisor on units of the test's own, and ways to ask it; everything below one folder."""
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("JAILSVC_BUILD", ROOT / "build/release"))
CLIENT = BUILD / "bin/jailsvc"
KEEPER = BUILD / "bin/jailsvc-init"
DEADLINE = 30.0


def await_true(what, condition, deadline=DEADLINE):
    """The first true value of `condition`; a failure that says what was waited for."""
    end = time.monotonic() + deadline
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"gave up waiting for {what}")
        time.sleep(0.005)  # between looks at the condition, not a wait for time to pass


# What reading a file of /proc/PID raises when the process has ended: before open(2), or after it.
GONE = (FileNotFoundError, ProcessLookupError)


def children(pid):
    try:
        text = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except GONE:
        return []
    return [int(child) for child in text.split()]


def command_line(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except GONE:
        return []


def alive(pid):
    """Whether the process exists and is not a zombie."""
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except GONE:
        return False
    return stat.rsplit(")", 1)[1].split()[0] != "Z"


class Varlink:
    """One connection, spoken by hand: what any varlink client would send."""

    def __init__(self, path, timeout=DEADLINE):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(timeout)
        self.socket.connect(str(path))
        self.rest = b""

    def send(self, method, **parameters):
        self.send_bytes(json.dumps({"method": method, "parameters": parameters}).encode() + b"\0")

    def send_bytes(self, data):
        self.socket.sendall(data)

    def receive(self):
        while b"\0" not in self.rest:
            block = self.socket.recv(1 << 16)
            if not block:
                raise ConnectionError("closed")
            self.rest += block
        frame, self.rest = self.rest.split(b"\0", 1)
        return json.loads(frame)

    def call(self, method, **parameters):
        self.send(method, **parameters)
        return self.receive()

    def close(self):
        self.socket.close()


class Supervisor:
    """jailsvc-init with its units and state in a temporary folder of root's."""

    def __init__(self, units=None, files=None):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="jailsvc-test.", dir="/run"))
        self.folder.chmod(0o755)
        self.units = self.folder / "config/units"
        self.units.mkdir(parents=True)
        self.state = self.folder / "state"
        for name, text in (units or {}).items():
            self.write(name, text)
        for name, text in (files or {}).items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self.output = open(self.folder / "output", "w+b")
        self.keeper = None

    def write(self, name, text):
        path = self.units / f"{name}.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace("@HERE@", str(self.folder)))

    @property
    def control(self):
        return self.state / "run/control"

    def start(self, *options):
        self.keeper = subprocess.Popen(
            [KEEPER, "--config", self.folder / "config", "--state", self.state, *options],
            stdin=subprocess.DEVNULL, stdout=self.output, stderr=self.output)
        await_true("the supervisor to answer", self.answers)
        return self

    def answers(self):
        if self.keeper.poll() is not None:
            raise AssertionError(f"the supervisor ended: {self.said()}")
        return self.control.exists() and self.run("version", "--json", timeout=5).returncode == 0

    def said(self):
        return (self.folder / "output").read_text(errors="replace")

    def run(self, *arguments, timeout=DEADLINE, **more):
        return subprocess.run([CLIENT, "--state", self.state, *map(str, arguments)],
                              capture_output=True, text=True, timeout=timeout, check=False,
                              stdin=more.pop("stdin", subprocess.DEVNULL), **more)

    def status(self, unit):
        result = self.run("status", unit, "--json")
        return json.loads(result.stdout)["units"][0]

    def pid(self, unit):
        return self.status(unit).get("pid")

    def await_state(self, unit, state):
        return await_true(f"{unit} to be {state}",
                          lambda: (lambda s: s if s["state"] == state else None)(
                              self.status(unit)))

    def lines(self, unit):
        """What the unit wrote, as its log file has it; without what the logger says itself."""
        log = self.state / f"log/{unit}.log"
        text = log.read_text() if log.exists() else ""
        return [line for line in text.splitlines() if line[27:28] != "#"]

    def role(self, name):
        """pid of the engine, jailer or logger."""
        def find():
            for pid in children(self.keeper.pid):
                argv = command_line(pid)
                if len(argv) > 1 and argv[0].endswith(b"jailsvcd") and argv[1] == name.encode():
                    return pid
            return None
        return await_true(f"the {name}", find)

    def stop(self):
        """Ends it as an init system would; returns its exit code."""
        if self.keeper is not None and self.keeper.poll() is None:
            self.keeper.send_signal(signal.SIGTERM)
            try:
                self.keeper.wait(DEADLINE)
            except subprocess.TimeoutExpired:
                self.kill_everything()
                raise AssertionError(f"the supervisor does not end: {self.said()}") from None
        return self.keeper.returncode if self.keeper else None

    def kill_everything(self):
        """Last resort of a failed test: the keeper and what it was the parent of."""
        pids = children(self.keeper.pid)
        self.keeper.kill()
        self.keeper.wait()
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def remove(self):
        self.output.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class InstalledTest(unittest.TestCase):
    """Cases on a tree that was installed for them, below `destination`."""

    def setUp(self):
        if os.geteuid() != 0:
            self.skipTest("skipped: needs root")
        self.destination = pathlib.Path(tempfile.mkdtemp(prefix="jailsvc-install.", dir="/run"))
        self.destination.chmod(0o755)
        self.addCleanup(shutil.rmtree, self.destination)
        subprocess.run(["cmake", "--install", BUILD, "--prefix", "/usr"], check=True,
                       env=os.environ | {"DESTDIR": str(self.destination)},
                       stdout=subprocess.DEVNULL)


class SystemTest(unittest.TestCase):
    """Cases that share one supervisor on UNITS; each case leaves its units as it found them."""
    UNITS = {}
    FILES = {}
    supervisor = None

    @classmethod
    def setUpClass(cls):
        if os.geteuid() != 0:
            raise unittest.SkipTest("skipped: needs root")
        cls.supervisor = Supervisor(cls.UNITS, cls.FILES).start()

    @classmethod
    def tearDownClass(cls):
        if cls.supervisor is not None:
            code = cls.supervisor.stop()
            said = cls.supervisor.said()
            cls.supervisor.remove()
            if code != 0:
                raise AssertionError(f"the supervisor ended with {code}: {said}")

    def ok(self, *arguments, **more):
        """Runs jailsvc and expects success; its standard output."""
        result = self.supervisor.run(*arguments, **more)
        self.assertEqual(result.returncode, 0,
                         f"jailsvc {' '.join(map(str, arguments))}: {result.stdout}{result.stderr}\n"
                         f"--- supervisor:\n{self.supervisor.said()}")
        return result.stdout

    def fails(self, code, *arguments, **more):
        """Runs jailsvc and expects this exit code; its standard error."""
        result = self.supervisor.run(*arguments, **more)
        self.assertEqual(result.returncode, code,
                         f"jailsvc {' '.join(map(str, arguments))}: {result.stdout}{result.stderr}")
        return result.stderr


def main():
    unittest.main(verbosity=2)
