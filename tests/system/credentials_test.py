"""[credentials] under a real supervisor: read by the service, by nobody else, gone at its end."""
import json
import os
import pathlib
import shutil
import subprocess
import unittest

from harness import CLIENT, SystemTest, alive, await_true, main

SECRET = "correct-horse-battery"
NAP = 100000 + os.getpid()  # tells this run's command from others'
SHOW = 'exec_start = ["/bin/sh", "-c", "cat $CREDENTIALS_DIRECTORY/db > /dev/null && sleep infinity"]\n'


def mounts():
    """Every ramfs of ours that a process sees: {device: {pid: number of the mount}}."""
    found = {}
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            text = (entry / "mountinfo").read_text(errors="replace")
        except OSError:
            continue
        for line in text.splitlines():
            if " - ramfs jailsvc " in line:
                number, _, device = line.split()[:3]
                found.setdefault(device, {})[int(entry.name)] = number
    return found


def mounts_held(pid):
    """Numbers of the mounts that the process has descriptors in."""
    numbers = set()
    for entry in pathlib.Path(f"/proc/{pid}/fdinfo").iterdir():
        try:
            lines = entry.read_text().splitlines()
        except OSError:
            continue
        numbers.update(line.split()[1] for line in lines if line.startswith("mnt_id:"))
    return numbers


class Credentials(SystemTest):
    UNITS = {
        "web": "[service]\n" + SHOW + '[credentials.file]\ndb = "@HERE@/secrets/db"\n',
        "shows": '[service]\ntype = "oneshot"\nexec_start = ["/bin/sh", "-c", '
                 '"wc -c < $CREDENTIALS_DIRECTORY/db"]\n'
                 '[credentials.file]\ndb = "@HERE@/secrets/db"\n',
        "sealed": '[service]\ntype = "oneshot"\nexec_start = ["/bin/sh", "-c", '
                  '"wc -c < $CREDENTIALS_DIRECTORY/db"]\n'
                  '[credentials.encrypted]\ndb = "@HERE@/secrets/db.cred"\n',
        "made": "[service]\n" + SHOW + "[credentials]\ncommand_timeout = \"20s\"\n"
                '[credentials.command]\ndb = "@HERE@/secrets/make"\n',
        "hangs": "[service]\n" + SHOW + "[credentials]\ncommand_timeout = \"300s\"\n"
                 f'[credentials.command]\ndb = "/bin/sleep {NAP}"\n',
        "broken": "[service]\n" + SHOW + '[credentials.file]\ndb = "@HERE@/secrets/none"\n',
        "plain": '[service]\nexec_start = ["/bin/sleep", "infinity"]\n[jail]\nprofile = "host"\n'
                 '[credentials.file]\ndb = "@HERE@/secrets/db"\n',
    }

    def setUp(self):
        super().setUp()
        self.secrets = self.supervisor.folder / "secrets"
        self.secrets.mkdir(exist_ok=True)
        self.put("db", SECRET)

    def put(self, name, text, mode=0o400):
        path = self.secrets / name
        path.unlink(missing_ok=True)
        path.write_text(text)
        path.chmod(mode)
        return path

    def test_gone_at_the_end(self):
        self.ok("start", "web")
        pid = self.supervisor.pid("web")
        path = pathlib.Path(f"/proc/{pid}/root/run/credentials/web/db")
        self.assertEqual(path.read_text(), SECRET)  # control: root on the host can look
        device, seen_by = next((d, pids) for d, pids in mounts().items() if pid in pids)
        jailer = self.supervisor.role("jailer")
        self.assertNotIn(jailer, seen_by)
        self.assertNotIn(os.getpid(), seen_by)
        self.assertNotIn(seen_by[pid], mounts_held(jailer))
        self.ok("stop", "web")
        await_true("the credentials to be gone", lambda: device not in mounts())
        self.assertFalse(path.exists())

    def test_told_nowhere(self):  # [S0.15]
        self.ok("start", "web")
        pid = self.supervisor.pid("web")
        said = "".join(self.ok(*words) for words in (
            ("plan", "web"), ("plan", "web", "--json"), ("show", "web"), ("status", "web"),
            ("status", "web", "--json"), ("logs", "web"))) + str(self.listed())
        self.assertIn("secrets/db", said)  # control: the source is told
        self.assertNotIn(SECRET, said)
        self.assertNotIn(SECRET, self.supervisor.said())
        environment = pathlib.Path(f"/proc/{pid}/environ").read_bytes()
        self.assertIn(b"CREDENTIALS_DIRECTORY=/run/credentials/web", environment)  # control
        self.assertNotIn(SECRET.encode(), environment)

    def test_restart_reads_again(self):
        self.ok("start", "shows")
        self.put("db", "12345")
        self.ok("start", "shows")
        lines = await_true("both runs", lambda: (
            lambda found: found if len(found) == 2 else None)(
                [line.split()[-1] for line in self.ok("logs", "shows").splitlines()]))
        self.assertEqual(lines, [str(len(SECRET)), "5"])

    def test_missing_secret_refuses_to_start(self):  # [S0.15]
        result = self.supervisor.run("start", "broken")
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("broken: failed: credentials: credential: db: ", result.stderr)
        self.assertIn("secrets/none: No such file or directory", result.stderr)
        result = self.supervisor.run("start", "plain")
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("no place for credentials", result.stderr)

    def creds(self, *words, stdin=b""):
        return subprocess.run([CLIENT, "--state", self.supervisor.state, "creds", *words],
                              input=stdin, capture_output=True, check=False, timeout=30)

    def test_encrypt_decrypt_start(self):
        sealed = self.secrets / "db.cred"
        sealed.unlink(missing_ok=True)
        made = self.creds("encrypt", "db", "-", sealed, stdin=SECRET.encode())
        self.assertEqual((made.returncode, made.stderr), (0, b""))
        self.assertNotIn(SECRET, sealed.read_text())
        key = self.supervisor.state / "lib/credential.key"
        self.assertEqual(key.stat().st_mode & 0o7777, 0o400)
        self.assertEqual(self.creds("decrypt", sealed).stdout, SECRET.encode())
        self.ok("start", "sealed")
        await_true("its run", lambda: str(len(SECRET)) in self.ok("logs", "sealed"))
        # Another name, a changed file, another user.
        text = sealed.read_text()
        sealed.write_text(text.replace(" db ", " other "))
        self.assertNotEqual(self.creds("decrypt", sealed).returncode, 0)
        result = self.supervisor.run("start", "sealed")
        self.assertIn('was encrypted as "other"', result.stderr)
        sealed.write_text(text)
        refused = subprocess.run([CLIENT, "--state", self.supervisor.state, "creds", "decrypt",
                                  sealed], capture_output=True, user=65534, group=65534,
                                 extra_groups=[], check=False)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn(b"run it as root", refused.stderr)
        self.assertNotIn(SECRET.encode(), refused.stdout)
        # What is there already is not written over.
        self.assertNotEqual(self.creds("encrypt", "db", "-", sealed, stdin=b"x").returncode, 0)
        self.assertEqual(sealed.read_text(), text)

    def listed(self, *units):
        config = self.supervisor.folder / "config"
        result = subprocess.run([CLIENT, "--state", self.supervisor.state, "--config", config,
                                 "--json", "creds", "list", *units], capture_output=True, text=True,
                                check=False, timeout=30)
        return result.returncode, json.loads(result.stdout)

    def test_list(self):
        code, lines = self.listed("web")
        self.assertEqual(code, 0)
        self.assertEqual([(line["unit"], line["credential"], line["from"], line["fault"])
                          for line in lines], [("web", "db", "file", "")])
        code, lines = self.listed()
        self.assertEqual(code, 1)
        faults = {line["unit"]: line["fault"] for line in lines}
        self.assertIn("No such file", faults["broken"])
        self.assertEqual(faults["made"], "")

    def test_command(self):
        self.put("make", "#!/bin/sh\nid -u\n", 0o555)
        self.ok("start", "made")
        pid = self.supervisor.pid("made")
        path = pathlib.Path(f"/proc/{pid}/root/run/credentials/made/db")
        self.assertEqual(path.read_text(), "62996\n")

    def sleepers(self):
        found = []
        for entry in pathlib.Path("/proc").iterdir():
            try:
                if (entry.name.isdigit() and entry.stat().st_uid == 62996
                        and str(NAP).encode() in (entry / "cmdline").read_bytes()):
                    found.append(int(entry.name))
            except OSError:
                continue
        return found

    def test_stop_ends_a_hanging_command(self):
        start = subprocess.Popen([CLIENT, "--state", self.supervisor.state, "start", "hangs"],
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        (sleeper,) = await_true("the command", self.sleepers)
        self.ok("start", "web")  # the others do not wait for it
        self.ok("stop", "hangs")
        self.assertEqual(self.supervisor.status("hangs")["state"], "inactive")
        await_true("the command to end", lambda: not alive(sleeper))
        start.wait(30)

    def test_death_of_the_jailer_ends_the_command(self):
        start = subprocess.Popen([CLIENT, "--state", self.supervisor.state, "start", "hangs"],
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        (sleeper,) = await_true("the command", self.sleepers)
        jailer = self.supervisor.role("jailer")
        os.kill(jailer, 9)
        await_true("the command to end", lambda: not alive(sleeper))
        # The start is made again, by the next jailer.
        await_true("the command to be run again",
                   lambda: [pid for pid in self.sleepers() if pid != sleeper])
        self.ok("stop", "hangs")
        self.assertEqual(self.sleepers(), [])
        start.wait(30)

    def test_stop_while_there_is_no_jailer(self):
        start = subprocess.Popen([CLIENT, "--state", self.supervisor.state, "start", "hangs"],
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        await_true("the command", self.sleepers)
        os.kill(self.supervisor.role("jailer"), 9)
        self.ok("stop", "hangs")  # which the next jailer hears together with the start
        self.assertEqual(self.supervisor.status("hangs")["state"], "inactive")
        self.assertEqual(self.sleepers(), [])
        start.wait(30)


@unittest.skipUnless(shutil.which("redis-server"), "skipped: redis-server is not installed")
class Redis(SystemTest):
    UNITS = {
        "redis": '[service]\nexec_start = ["/usr/bin/redis-server", '
                 '"/run/credentials/redis/redis.conf"]\n'
                 '[credentials.file]\n"redis.conf" = "@HERE@/secrets/redis.conf"\n',
    }

    def ask(self, *words):
        pid = self.supervisor.pid("redis")
        path = f"/proc/{pid}/root/tmp/socket"
        return subprocess.run(["redis-cli", "-s", path, "--no-auth-warning", *words],
                              capture_output=True, text=True, check=False, timeout=30).stdout

    def test_password_from_a_credential(self):  # [S0.15]
        secrets = self.supervisor.folder / "secrets"
        secrets.mkdir()
        conf = secrets / "redis.conf"
        conf.write_text(f"requirepass {SECRET}\nport 0\nunixsocket /tmp/socket\n"
                        'save ""\ndir /tmp\n')
        conf.chmod(0o400)
        self.ok("start", "redis")
        await_true("redis to answer", lambda: "PONG" in self.ask("-a", SECRET, "ping"))
        self.assertIn("NOAUTH", self.ask("ping"))
        self.assertIn("NOAUTH", self.ask("-a", "wrong", "ping"))


if __name__ == "__main__":
    main()
