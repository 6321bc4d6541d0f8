"""Services that tell of themselves: when they are ready, who they are, that they live."""
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

from harness import BUILD, SystemTest, alive, await_true, children, main

# The tests' own client of libsystemd; where it lies no jail shows it: it is bound in.
CLIENT = BUILD / "tests/notify-client"
BIND = f'[jail.chroot]\nbinds_ro = ["{CLIENT}:/run/client"]\n'
# The program's mount is free for execution in a tmpfs of the jail's own, where binds may be made.


def client(*actions, service="", more="", kind="notify"):
    argv = ", ".join(f'"{one}"' for one in ("/run/client", *actions))
    return (f'[service]\ntype = "{kind}"\nexec_start = [{argv}]\n{service}\n{BIND}{more}\n')


def script(text, service="", kind="exec", more=""):
    return (f'[service]\ntype = "{kind}"\nexec_start = ["/bin/sh", "-c", """{text}"""]\n'
            f'{service}\n{more}\n')


class Readiness(SystemTest):
    """What all cases need."""

    def kill_role(self, name):
        before = self.supervisor.role(name)
        os.kill(before, signal.SIGKILL)
        await_true(f"a new {name}", lambda: self.supervisor.role(name) != before)
        await_true("answers", self.supervisor.answers)

    def await_status_text(self, unit, text):
        return await_true(f"{unit} to say {text}", lambda: (
            lambda s: s if s["status_text"] == text else None)(self.supervisor.status(unit)))

    def go(self, unit):
        """Lets a client go on that has said that it waits for SIGUSR1."""
        self.await_status_text(unit, "waits")
        self.ok("kill", "--signal", "USR1", unit)


class Notify(Readiness):
    UNITS = {
        "ready": client("notify", "STATUS=two words\\nREADY=1"),
        "never": client(service='timeout_start = "1s"'),
        "later": client("notify", "STATUS=waits", "usr1", "notify", "READY=1"),
        "after-later": '[unit]\nrequires = ["later"]\n[service]\n'
                       'exec_start = ["/bin/sleep", "1000"]\n',
        "shell": script("systemd-notify --ready --status=through; exec sleep 1000",
                        kind="notify"),
        "only-main": script("systemd-notify --ready; exec sleep 1000", kind="notify",
                            service='notify_access = "main"\ntimeout_start = "1s"'),
        "quits": client("exit", "0"),
        "gone": client("notify", "READY=1", "exit", "3"),
        "barrier": client("notify", "STATUS=x", "barrier", "notify", "READY=1"),
        "extends": client("notify", "EXTEND_TIMEOUT_USEC=60000000\\nSTATUS=waits", "usr1",
                          "notify", "READY=1", service='timeout_start = "2s"'),
        "reloads": client("notify", "READY=1\\nSTATUS=waits", "usr1",
                          "notify", "RELOADING=1\\nMONOTONIC_USEC=1\\nSTATUS=waits again", "usr1",
                          "notify", "READY=1\\nSTATUS=done"),
        "stops": client("notify", "READY=1\\nSTOPPING=1", service='timeout_stop = "1s"'),
        "ill": client("notify", "READY=1\\nERRNO=2\\nEXIT_STATUS=ill\\nWATCHDOG=trigger"),
        "nasty": script("systemd-notify --ready --status=$(printf 'a\\\\033[31mb\\\\007');"
                        " exec sleep 1000", kind="notify"),
        "passes": client("notify", "READY=1", "pass"),
        "host": '[service]\ntype = "notify"\n'
                f'exec_start = ["{CLIENT}", "notify", "READY=1\\nSTATUS=from the host"]\n'
                '[jail]\nprofile = "host"\n',
        "own-users": client("notify", "READY=1", more='[jail.namespaces]\nuser = true\n'),
    }

    def test_is_running_once_it_says_so(self):
        self.ok("start", "ready")
        status = self.supervisor.status("ready")
        self.assertEqual((status["state"], status["status_text"]), ("running", "two words"))
        self.assertIn('"two words"', self.ok("status", "ready"))
        self.ok("stop", "ready")

    def test_what_does_not_say_so_fails(self):
        self.fails(1, "start", "never")
        self.assertIn("READY=1 did not come within 1 s", self.supervisor.status("never")["because"])

    def test_dependents_wait(self):
        self.ok("start", "--no-block", "after-later")
        self.await_status_text("later", "waits")
        status = self.supervisor.status("later")
        self.assertEqual((status["state"], status["because"]), ("starting", "waits for READY=1"))
        self.assertEqual(self.supervisor.status("after-later")["state"], "waiting")
        self.go("later")
        self.supervisor.await_state("after-later", "running")
        self.ok("stop", "later")

    def test_systemd_notify_speaks_for_a_script(self):
        self.ok("start", "shell")
        self.assertEqual(self.supervisor.status("shell")["status_text"], "through")
        self.ok("stop", "shell")
        # Control: it is a process of its own, and where only the main one counts says nothing.
        self.fails(1, "start", "only-main")

    def test_an_end_before_that_is_a_failure(self):
        self.fails(1, "start", "quits")
        self.assertIn("before it said that it was ready", self.supervisor.status("quits")["because"])

    def test_what_was_said_before_the_end_counts(self):
        for _ in range(5):
            self.supervisor.run("start", "gone")
            status = self.supervisor.await_state("gone", "failed")
            self.assertEqual(status["because"], "exit code 3")

    def test_a_barrier_is_answered(self):
        self.ok("start", "barrier")
        self.ok("stop", "barrier")

    def test_more_time_is_granted(self):
        self.ok("start", "--no-block", "extends")
        self.await_status_text("extends", "waits")
        self.kill_role("engine")  # the time is in the record
        await_true("what was given at first to be over", lambda: self.age("extends") > 2.5)
        self.assertEqual(self.supervisor.status("extends")["state"], "starting")
        self.ok("kill", "--signal", "USR1", "extends")
        self.supervisor.await_state("extends", "running")
        self.ok("stop", "extends")

    def age(self, unit):
        pid = self.supervisor.pid(unit)
        started = int(pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19])
        uptime = float(pathlib.Path("/proc/uptime").read_text().split()[0])
        return uptime - started / os.sysconf("SC_CLK_TCK")

    def test_a_reload_of_its_own_is_seen(self):
        self.ok("start", "reloads")
        self.go("reloads")
        self.supervisor.await_state("reloads", "reloading")
        self.await_status_text("reloads", "waits again")
        self.ok("kill", "--signal", "USR1", "reloads")
        self.await_status_text("reloads", "done")
        self.assertEqual(self.supervisor.status("reloads")["state"], "running")
        self.ok("stop", "reloads")

    def test_who_says_it_stops_has_to(self):
        self.ok("start", "stops")
        status = self.supervisor.await_state("stops", "failed")
        self.assertIn("did not stop within 1 s", status["because"])

    def test_who_says_it_is_ill_is_ended(self):
        self.supervisor.run("start", "ill")
        status = self.supervisor.await_state("ill", "failed")
        self.assertIn("something is wrong", status["because"])
        self.assertEqual((status["errno"], status["exit_status"]), (2, "ill"))
        self.assertEqual(status["last_exit"], {"kind": "watchdog", "code": 6})

    def test_what_it_says_steers_no_terminal(self):
        self.ok("start", "nasty")
        self.assertEqual(self.supervisor.status("nasty")["status_text"], "a?[31mb?")
        self.ok("stop", "nasty")

    def test_descriptors_that_are_not_to_be_kept_are_closed(self):
        self.ok("start", "passes")
        await_true("the end of the pipe", lambda: any(
            line.endswith("passed descriptor was closed") for line in self.supervisor.lines("passes")))
        self.ok("stop", "passes")

    def test_without_a_jail_too(self):
        self.ok("start", "host")
        self.assertEqual(self.supervisor.status("host")["status_text"], "from the host")
        # Others can reach that socket: what they say does not count.
        where = self.supervisor.state / "run/notify-open/host/socket"
        subprocess.run(["systemd-notify", "--status=forged"], check=True,
                       env=os.environ | {"NOTIFY_SOCKET": str(where)})
        await_true("the refusal", lambda: "none whose messages count" in self.supervisor.said())
        self.assertEqual(self.supervisor.status("host")["status_text"], "from the host")
        self.ok("stop", "host")

    def test_with_users_of_its_own(self):
        self.ok("start", "own-users")
        self.ok("stop", "own-users")

    def test_what_was_said_is_known_to_the_next_engine_and_jailer(self):
        for role in "engine", "jailer", "logger":
            self.ok("start", "--no-block", "later")
            self.await_status_text("later", "waits")
            pid = await_true("its pid", lambda: self.supervisor.pid("later"))
            self.kill_role(role)
            self.assertEqual(self.supervisor.status("later")["state"], "starting")
            self.ok("kill", "--signal", "USR1", "later")
            self.supervisor.await_state("later", "running")
            self.kill_role(role)
            status = self.supervisor.status("later")
            self.assertEqual((status["state"], status["pid"]), ("running", pid))
            self.ok("stop", "later")


class Attacks(Readiness):
    UNITS = {
        "victim": client("notify", "READY=1\\nSTATUS=mine"),
        "stranger": script("exec sleep 1000"),
        "flood": '''[service]
type = "notify"
exec_start = ["/usr/bin/python3", "-c", """
import os, socket, time
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.connect(os.environ['NOTIFY_SOCKET'])
s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
for size in (0, 1, 4096, 4097, 200000):
    s.send(b'X' * size)
s.send(b'READY=1' + b' ' * 200000)
s.send(b'READY=1\\\\0STATUS=1')
s.send(b'STATUS=flooding\\\\nREADY=1')
for i in range(10000):
    s.send(b'STATUS=' + str(i).encode())
s.send(b'STATUS=through')
time.sleep(1000)
"""]
''',
        "names": client("notify", "MAINPID=@PID@\\nREADY=1"),
    }

    def test_another_jail_cannot_reach_the_socket(self):
        self.ok("start", "victim", "stranger")
        where = self.supervisor.state / "run/notify/victim/socket"
        self.assertTrue(where.is_socket())
        for path in (where, "/run/host/notify/socket"):
            self.assertNotEqual(0, self.supervisor.run(
                "exec", "stranger", "--", "/usr/bin/env", f"NOTIFY_SOCKET={path}",
                "/usr/bin/systemd-notify", "--status=forged").returncode)
        # Nor does a user of the machine who knows its name.
        tried = subprocess.run(["systemd-notify", "--status=forged"], user=65534, group=65534,
                               extra_groups=[], capture_output=True, check=False,
                               env=os.environ | {"NOTIFY_SOCKET": str(where)})
        self.assertNotEqual(0, tried.returncode)
        self.assertEqual(self.supervisor.status("victim")["status_text"], "mine")
        # Control: its own processes do.
        self.ok("exec", "victim", "--", "/usr/bin/env", "NOTIFY_SOCKET=/run/host/notify/socket",
                "/usr/bin/systemd-notify", "--status=its own")
        self.await_status_text("victim", "its own")
        self.ok("stop", "victim", "stranger")

    def test_floods_and_nonsense_harm_nobody(self):
        self.ok("start", "victim")
        self.ok("start", "--no-block", "flood")
        self.await_status_text("victim", "mine")  # the engine answers meanwhile
        self.supervisor.await_state("flood", "running")
        self.ok("restart", "victim")
        self.await_status_text("flood", "through")
        self.ok("stop", "victim", "flood")

    def test_a_process_elsewhere_is_no_main_process(self):
        self.ok("start", "stranger")
        stranger = self.supervisor.pid("stranger")
        for foreign in (stranger, self.supervisor.keeper.pid, 1):
            self.supervisor.write("names", self.UNITS["names"].replace("@PID@", str(foreign)))
            self.ok("daemon-reload")
            self.ok("start", "names")
            await_true("the refusal", lambda: f"names: MAINPID={foreign} refused" in
                       self.supervisor.said())
            self.assertNotIn(self.supervisor.pid("names"), (foreign, None))
            self.ok("stop", "names")
            self.assertTrue(alive(stranger))
        self.ok("stop", "stranger")


class MainProcess(Readiness):
    UNITS = {
        "moves": client("fork", "notify", "READY=1\\nSTATUS=waits", "usr1", "exit", "7"),
        "by-file": script("sleep 1000 & echo $! > /tmp/daemon.pid", kind="forking",
                          service='pid_file = "/tmp/daemon.pid"\nrestart = "always"\n'
                                  'restart_delay = 0'),
        "by-guess": script("sleep 1000 >/dev/null & :", kind="forking"),
        "liar": script("sleep 1000 & echo 1 > /tmp/daemon.pid", kind="forking",
                       service='pid_file = "/tmp/daemon.pid"\ntimeout_start = "1s"'),
        "several": script("sleep 1000 & sleep 1001 & :", kind="forking"),
        "none": script(":", kind="forking"),
        "ends": script("(sleep 0.3; exit 9) >/dev/null & :", kind="forking"),
        "host-daemon": script("sleep 1000 & echo $! > /run/jailsvc-test-daemon.pid",
                              kind="forking", more='[jail]\nprofile = "host"\n',
                              service='pid_file = "/run/jailsvc-test-daemon.pid"'),
    }

    def test_another_process_becomes_the_main_one(self):
        self.ok("start", "moves")
        self.await_status_text("moves", "waits")
        pid = self.supervisor.pid("moves")
        self.assertTrue(alive(pid))
        for role in "jailer", "engine":
            self.kill_role(role)
            self.assertEqual(self.supervisor.status("moves")["pid"], pid)
        self.ok("kill", "--signal", "USR1", "moves")
        status = self.supervisor.await_state("moves", "failed")
        if status["last_exit"]["kind"] != "unknown":  # kernels before 6.15 do not tell
            self.assertEqual(status["last_exit"], {"kind": "exited", "code": 7})

    def test_a_daemon_is_found_and_watched(self):
        for unit in "by-file", "by-guess", "host-daemon":
            self.ok("start", unit)
            status = self.supervisor.status(unit)
            self.assertEqual(status["state"], "running")
            self.assertIn(b"sleep", pathlib.Path(f"/proc/{status['pid']}/cmdline").read_bytes())
            self.ok("stop", unit)
            self.assertFalse(alive(status["pid"]))
        pathlib.Path("/run/jailsvc-test-daemon.pid").unlink()

    def test_its_end_is_noticed(self):
        self.ok("start", "by-file")
        for role in None, "jailer", "engine":
            if role:
                self.kill_role(role)
            before = self.supervisor.pid("by-file")
            os.kill(before, signal.SIGKILL)
            await_true("the restart", lambda: (self.supervisor.status("by-file")["state"] ==
                                               "running") and
                       self.supervisor.pid("by-file") not in (None, before))
        self.ok("stop", "by-file")

    def test_an_end_while_the_engine_is_dead_is_noticed(self):
        self.ok("start", "by-file")
        before = self.supervisor.pid("by-file")
        engine = self.supervisor.role("engine")
        os.kill(engine, signal.SIGSTOP)
        os.kill(before, signal.SIGKILL)
        os.kill(engine, signal.SIGKILL)
        await_true("the restart", lambda: self.supervisor.answers() and
                   self.supervisor.status("by-file")["state"] == "running" and
                   self.supervisor.pid("by-file") not in (None, before))
        self.ok("stop", "by-file")

    def test_what_is_no_daemon_of_it_is_refused(self):
        self.fails(1, "start", "liar")
        self.assertIn("its daemon did not come", self.supervisor.status("liar")["because"])
        self.fails(1, "start", "several")
        self.assertIn("left 2 processes behind", self.supervisor.status("several")["because"])
        self.fails(1, "start", "none")
        self.assertIn("left no process behind", self.supervisor.status("none")["because"])

    def test_how_it_ended_is_told_if_the_kernel_does(self):
        self.ok("start", "ends")
        status = self.supervisor.await_state("ends", "failed")
        if status["last_exit"]["kind"] != "unknown":
            self.assertEqual(status["last_exit"], {"kind": "exited", "code": 9})


class NotifyFd(Readiness):
    UNITS = {
        "newline": script("echo not yet >/dev/null; printf 'ready\\\\n' >&4; exec 4>&-;"
                          " exec sleep 1000", kind="notify_fd", service="notify_fd = 4"),
        "closes": script("exec 4>&-; exec sleep 1000", kind="notify_fd",
                         service='notify_fd = 4\ntimeout_start = "1s"'),
    }

    def test_a_newline_says_it(self):
        self.ok("start", "newline")
        self.ok("stop", "newline")
        # Control: the pipe's end does not.
        self.fails(1, "start", "closes")
        self.assertIn("a newline on notify_fd", self.supervisor.status("closes")["because"])


class Watchdog(Readiness):
    UNITS = {
        "pings": client("notify", "READY=1", "ping", "6", "notify", "STATUS=waits", "usr1",
                        "exit", "0", service='watchdog = "1s"'),
        "hangs": client("notify", "READY=1", service='watchdog = "300ms"\n'
                        'exec_stop_post = ["/bin/sh", "-c", "echo result $SERVICE_RESULT"]'),
        "comes-back": client("notify", "READY=1", service='watchdog = "300ms"\n'
                             'restart = "on-watchdog"\nrestart_delay = 0'),
        "slower": client("notify", "READY=1\\nWATCHDOG_USEC=60000000\\nSTATUS=slower",
                         service='watchdog = "200ms"'),
        "goes-on": client("notify", "READY=1", "ping", "1000", service='watchdog = "2s"'),
        "silent": client("notify", "READY=1", service='watchdog = "2s"'),
    }

    def test_who_pings_lives(self):
        self.ok("start", "pings")
        status = self.await_status_text("pings", "waits")
        self.assertEqual((status["state"], status["watchdog"]), ("running", 1000000))
        self.ok("stop", "pings")

    def test_who_does_not_is_ended(self):
        self.ok("start", "hangs")
        status = self.supervisor.await_state("hangs", "failed")
        self.assertIn("watchdog: no ping within 300 ms", status["because"])
        self.assertEqual(status["last_exit"], {"kind": "watchdog", "code": 6})
        await_true("what exec_stop_post heard", lambda: any(
            line.endswith("result watchdog") for line in self.supervisor.lines("hangs")))

    def test_who_does_not_is_restarted(self):
        self.ok("start", "comes-back")
        await_true("two restarts", lambda: self.supervisor.status("comes-back")["restarts"] >= 2)
        self.ok("stop", "comes-back")

    def test_the_next_engine_counts_anew(self):
        self.ok("start", "hangs")
        self.kill_role("engine")
        self.supervisor.await_state("hangs", "failed")

    def test_who_pings_lives_though_nobody_listened_for_long(self):
        self.ok("start", "goes-on", "silent")
        before = self.supervisor.pid("goes-on")
        engine = self.supervisor.role("engine")
        os.kill(engine, signal.SIGSTOP)
        end = time.monotonic() + 2.5
        await_true("more than the watchdog's time", lambda: time.monotonic() > end)
        os.kill(engine, signal.SIGCONT)
        # Control: who said nothing meanwhile.
        self.assertIn("no ping", self.supervisor.await_state("silent", "failed")["because"])
        status = self.supervisor.status("goes-on")
        self.assertEqual((status["state"], status["pid"]), ("running", before))
        self.ok("stop", "goes-on")

    def test_another_interval_may_be_asked_for(self):
        self.ok("start", "slower")
        status = self.await_status_text("slower", "slower")
        self.assertEqual(status["watchdog"], 60000000)
        self.ok("stop", "slower")


class FdStore(Readiness):
    UNITS = {
        "keeps": client("held", "store", "one", "store", "two", "store", "three", "remove", "two",
                        "barrier", "notify", "READY=1\\nSTATUS=waits", "usr1", "exit", "1",
                        service='file_descriptor_store_max = 16\nrestart = "on-failure"\n'
                                'restart_delay = 0'),
        "too-many": client("store", "one", "store", "two", "store", "three", "barrier",
                           "notify", "READY=1", service="file_descriptor_store_max = 2"),
    }

    def test_what_was_stored_is_there_at_the_next_start(self):
        self.ok("start", "keeps")
        for role in None, "engine", "jailer":
            if role:
                self.kill_role(role)
            before = self.supervisor.pid("keeps")
            seen = len(self.supervisor.lines("keeps"))
            self.ok("kill", "--signal", "USR1", "keeps")  # which it blocks from its beginning
            await_true("the restart", lambda: self.supervisor.pid("keeps") not in (None, before) and
                       self.supervisor.status("keeps")["state"] == "running")
            said = await_true("what it found", lambda: (
                lambda text: text if "three holds three" in text else None)(
                    "\n".join(self.supervisor.lines("keeps")[seen:])))
            self.assertIn("fd one holds one", said)
            self.assertNotIn("fd two", said)
        self.ok("stop", "keeps")

    def test_a_stop_lets_go_of_it(self):
        self.ok("start", "keeps")
        self.ok("stop", "keeps")
        seen = len(self.supervisor.lines("keeps"))
        self.ok("start", "keeps")
        await_true("its first word", lambda: any(
            line.endswith("held 0") for line in self.supervisor.lines("keeps")[seen:]))
        self.ok("stop", "keeps")

    def test_what_is_beyond_the_cap_is_closed(self):
        self.ok("start", "too-many")
        self.assertIn("too-many: a descriptor is not kept: it has 2", self.supervisor.said())
        engine = self.supervisor.role("engine")
        held = [os.readlink(f"/proc/{engine}/fd/{fd}") for fd in os.listdir(f"/proc/{engine}/fd")]
        self.assertTrue(any("memfd:two" in name for name in held))
        self.assertFalse(any("memfd:three" in name for name in held))
        self.ok("stop", "too-many")


class RealPrograms(Readiness):
    POSTGRES = next(iter(pathlib.Path("/usr/lib/postgresql").glob("*/bin/postgres")), None)
    UNITS = {
        "redis": '''[service]
type = "notify"
exec_start = ["/usr/bin/redis-server", "--supervised", "systemd", "--port", "0",
              "--unixsocket", "/tmp/redis.sock", "--dir", "/tmp"]
''',
        "postgres": f'''[service]
type = "notify"
exec_start_pre = [["{POSTGRES.parent if POSTGRES else ""}/initdb", "-D", "/tmp/data", "-A",
                   "trust", "-U", "admin"]]
exec_start = ["{POSTGRES}", "-D", "/tmp/data", "-k", "/tmp", "-c", "listen_addresses="]
[jail.identity]
dynamic_user = false
user = "postgres"
''',
    }

    def test_redis_says_that_it_is_ready(self):
        if not shutil.which("redis-server"):
            self.skipTest("skipped: no redis-server here")
        self.ok("start", "redis")
        status = self.supervisor.status("redis")
        self.assertEqual((status["state"], status["type"]), ("running", "notify"))
        self.assertEqual(self.ok("exec", "redis", "--", "/usr/bin/redis-cli", "-s",
                                 "/tmp/redis.sock", "ping").strip(), "PONG")
        self.ok("stop", "redis")

    def test_postgresql_says_that_it_is_ready(self):
        if self.POSTGRES is None or subprocess.run(["id", "postgres"], check=False,
                                                   capture_output=True).returncode != 0:
            self.skipTest("skipped: no PostgreSQL here")
        self.ok("start", "postgres", timeout=90)
        self.assertEqual(self.supervisor.status("postgres")["state"], "running")
        self.assertIn("1", self.ok("exec", "postgres", "--", str(self.POSTGRES.parent / "psql"),
                                   "-h", "/tmp", "-U", "admin", "-Atc", "select 1", "postgres"))
        self.ok("stop", "postgres")


if __name__ == "__main__":
    main()
