#!/usr/bin/env python3
"""What becomes of the output of services: rotation, rates, streams, queries; the logger killed."""
import json
import os
import pathlib
import signal
import subprocess
import threading
import time
import unittest

from harness import CLIENT, DEADLINE, KEEPER, Supervisor, SystemTest, await_true, main

ONESHOT = '[service]\ntype = "oneshot"\nexec_start = ["/bin/sh", "-c", """{}"""]\n[logging]\n{}\n'
# Numbered lines: what is lost or doubled is seen.
COUNT = 'i=0; while [ $i -lt {} ]; do i=$((i+1)); echo "line $i {}"; done'

COUNT_LINES = COUNT.format(100, "m")

TALKS = ('[service]\nexec_start = ["/bin/sh", "-c", '
         '"i=0; while :; do i=$((i+1)); echo line $i; done"]\n'
         '[logging]\nmax_size = "256K"\nkeep = 10000\n')


def oneshot(script, logging=""):
    return ONESHOT.format(script, logging)


def watch_for(what, condition):
    """Looks without a pause: what is waited for may be over in a moment."""
    end = time.monotonic() + DEADLINE
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"gave up waiting for {what}")


def python(code):
    return "exec /usr/bin/python3 -c '" + code + "'"


class Logs(SystemTest):
    UNITS = {
        "count": oneshot(COUNT.format(20000, "x" * 60), 'max_size = "64K"\nkeep = 1000'),
        "few": oneshot(COUNT.format(20000, "x" * 60), 'max_size = "64K"\nkeep = 3'),
        "plain": oneshot(COUNT.format(4000, "x" * 60),
                         'max_size = "64K"\nkeep = 100\ncompress = false'),
        "both": oneshot("echo out; echo err >&2; echo out again", "split = true"),
        "errors": oneshot("echo out; echo err >&2", 'stdout = "null"'),
        "own-file": oneshot("echo out; echo err >&2", 'stdout = "file:@HERE@/own"'),
        "first": oneshot("echo of the first"),
        "second": oneshot("echo of the second"),
        "rate": oneshot(COUNT.format(20000, "x" * 90), 'rate_limit = "10K"'),
        "long": oneshot(python('import sys; sys.stdout.write("y" * 100_000_000 + "\\\\n")'),
                        'max_size = "200M"'),
        "binary": oneshot(python('import os; os.write(1, bytes(range(256)) * 16)')),
        "elsewhere": oneshot("echo one; echo two", 'stdout = "log+container"'),
        "together": oneshot("echo out; echo err >&2"),
        "silent": oneshot("true"),
        "nowhere": oneshot("echo out; echo err >&2", 'stdout = "null"\nstderr = "syslog"'),
        "talks": TALKS,
        "followed": TALKS,
    }

    @property
    def directory(self):
        return self.supervisor.state / "log"

    def numbers(self, text):
        return [int(line.split(" line ")[1].split()[0]) for line in text.splitlines()
                if " line " in line]

    def archive(self, unit):
        return sorted(path.name for path in (self.directory / f"{unit}.old").iterdir())

    def tidied(self, unit):
        return await_true("old files to be compressed",
                          lambda: all(name.endswith(".log.zst") for name in self.archive(unit)))

    def json_lines(self, *arguments):
        return [json.loads(line) for line in self.ok("logs", *arguments, "--json").splitlines()]

    def test_rotated_files_are_compressed_and_read_as_one(self):  # [S1.15]
        self.ok("start", "count")
        self.assertEqual(self.numbers(self.ok("logs", "count")), list(range(1, 20001)))
        self.assertGreater(len(self.archive("count")), 10)
        self.tidied("count")
        self.assertEqual(self.numbers(self.ok("logs", "count")), list(range(1, 20001)))
        self.assertEqual(self.numbers(self.ok("logs", "count", "-n", 5000)),
                         list(range(15001, 20001)))
        self.assertEqual(self.numbers(self.ok("logs", "count", "--grep", "line 1?7777 ")),
                         [7777, 17777])
        listed = subprocess.run(
            ["zstd", "-dc", *sorted((self.directory / "count.old").glob("*.zst"))],
            capture_output=True, text=True, check=True).stdout
        self.assertEqual(self.numbers(listed), list(range(1, len(self.numbers(listed)) + 1)))

    def test_since_and_until_reach_into_rotated_files(self):
        self.ok("start", "plain")
        lines = self.json_lines("plain")
        self.assertEqual(len(lines), 4000)
        times = [line["time"] for line in lines]
        self.assertEqual(times, sorted(times))
        since, until = times[1000], times[3000]
        for more in ([], ["--json"]):
            text = self.ok("logs", "plain", "--since", since, "--until", until, *more)
            expected = sum(since <= one <= until for one in times)
            self.assertEqual(len(text.splitlines()), expected)
        self.assertEqual(self.ok("logs", "plain", "--until", "2001-01-01"), "")
        self.assertEqual(self.ok("logs", "plain", "--since", "now"), "")

    def test_only_so_many_old_files_are_kept(self):
        self.ok("start", "few")
        await_true("old files to go", lambda: len(self.archive("few")) == 3)
        kept = self.numbers(self.ok("logs", "few"))
        self.assertEqual(kept, list(range(kept[0], 20001)))

    def test_streams_are_told_apart_where_asked(self):
        self.ok("start", "both")
        lines = self.json_lines("both")[-3:]  # between the two, the order is that of reading
        self.assertEqual({stream: [line["message"] for line in lines if line["stream"] == stream]
                          for stream in ("stdout", "stderr")},
                         {"stdout": ["out", "out again"], "stderr": ["err"]})
        only = self.ok("logs", "both", "--stream", "stderr")
        self.assertIn("Z2 err\n", only)
        self.assertNotIn("out", only)
        self.ok("start", "errors")
        self.assertEqual([line["message"] for line in self.json_lines("errors")], ["err"])
        self.ok("start", "own-file")
        self.assertEqual((self.supervisor.folder / "own").read_text(), "out\n")
        self.assertEqual([line["message"] for line in self.json_lines("own-file")], ["err"])

    def test_lines_say_their_time_since_boot(self):
        self.ok("start", "both")
        line = self.json_lines("both")[-1]
        now = time.clock_gettime(time.CLOCK_BOOTTIME) * 1e6
        self.assertLess(line["boottime_us"], now)
        self.assertGreater(line["boottime_us"], now - 60e6)
        boot = pathlib.Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        self.assertEqual(line["boot"], boot.replace("-", ""))

    def test_the_newest_lines_say_it_too(self):
        self.ok("start", "plain")
        [line] = self.json_lines("plain", "-n", 1)
        [before] = self.json_lines("plain", "-n", 2000)[:1]
        self.assertEqual(line["boot"], before["boot"])
        self.assertGreaterEqual(line["boottime_us"], before["boottime_us"])
        every = {one["message"]: one for one in self.json_lines("plain")}
        self.assertEqual(line, every[line["message"]])
        self.assertEqual(before, every[before["message"]])

    def test_a_log_with_nothing_to_see_says_why(self):
        self.ok("start", "together")
        result = self.supervisor.run("logs", "together", "--stream", "stderr")
        self.assertEqual((result.returncode, result.stdout), (0, ""))
        self.assertIn("together: its log does not tell output from errors; [logging] split = true",
                      result.stderr)
        self.ok("start", "both")  # the control
        result = self.supervisor.run("logs", "both", "--stream", "stderr")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertTrue(result.stdout.endswith(" err\n"), result.stdout)
        self.ok("start", "nowhere")
        result = self.supervisor.run("logs", "nowhere")
        self.assertEqual((result.returncode, result.stdout), (0, ""))
        self.assertIn("nowhere: its output goes to null and syslog, not to a log", result.stderr)
        self.ok("start", "silent")  # the control
        self.assertEqual(self.supervisor.run("logs", "silent").stderr, "")

    def test_logs_stay_when_their_unit_goes(self):
        self.supervisor.write("passing", oneshot("echo I was here"))
        self.ok("daemon-reload")
        self.ok("start", "passing")
        await_true("its end", lambda: self.supervisor.status("passing")["state"] == "inactive")
        self.supervisor.write("passing", "[service]\n")
        self.fails(1, "daemon-reload")
        self.assertIn("I was here", self.ok("logs", "passing"))
        (self.supervisor.units / "passing.toml").unlink()
        self.ok("daemon-reload")
        self.assertIn("I was here", self.ok("logs", "passing", "-n", 1))
        # What was never there has none, and a question makes none.
        self.assertIn('no unit "pasing"', self.fails(5, "logs", "pasing"))
        self.assertFalse((self.directory / "pasing.log").exists())
        self.fails(5, "logs", "../../passing")

    def test_a_follower_ends_with_who_reads_it(self):
        self.ok("start", "together")
        follower = subprocess.Popen([CLIENT, "--state", self.supervisor.state, "logs", "-f",
                                     "together"],
                                    stdout=subprocess.PIPE)
        try:
            self.assertTrue(follower.stdout.readline())
            follower.stdout.close()  # and nothing more is written
            self.assertEqual(follower.wait(DEADLINE), 0)
        finally:
            follower.kill()
            follower.wait()

    def test_units_are_merged_by_time(self):
        for unit in ("first", "second", "first", "second"):
            self.ok("start", unit)
        merged = self.json_lines("first", "-u", "second")
        self.assertEqual([(line["unit"], line["message"]) for line in merged],
                         [("first", "of the first"), ("second", "of the second")] * 2)
        text = self.ok("logs", "first", "second", "-n", 3)
        self.assertEqual([line.split(" ", 1)[1] for line in text.splitlines()],
                         ["second: of the second", "first: of the first",
                          "second: of the second"])

    def test_wrong_queries_say_what_is_wrong(self):
        for wrong, words in (
                (["first", "--since", "whenever"], "--since \"whenever\": use a duration"),
                (["first", "--since", "2026-02-31"], "use a duration like"),
                (["first", "--until", "10 parsecs"], "use a duration like"),
                (["first", "--since", "1min", "--until", "1h"], "--since is later than --until"),
                (["first", "-f", "--until", "now"], "exclude each other"),
                (["first", "--grep", "("], "--grep"),
                (["first", "--grep", "a{2,1}"], "--grep"),
                (["first", "--stream", "stdin"], "use \"stdout\" or \"stderr\""),
                (["first", "-n", "-1"], "is no number of lines"),
                ([], "logs of which unit?")):
            self.assertIn(words, self.fails(2, "logs", *wrong), wrong)
        self.fails(5, "logs", "first", "nobody")

    def test_what_is_beyond_the_rate_is_dropped_and_counted(self):
        self.ok("start", "rate")
        text = await_true("the note", lambda: "were dropped: more than 10240 bytes" in
                          self.ok("logs", "rate") and self.ok("logs", "rate"))
        kept = len(self.numbers(text))
        dropped = sum(int(line.split("# ")[1].split()[0]) for line in text.splitlines()
                      if "Z# " in line)
        self.assertEqual(kept + dropped, 20000)
        self.assertLess(kept, 3000)

    def test_a_line_of_100_megabytes(self):  # [E30]
        self.ok("start", "long")
        pieces = self.ok("logs", "long", timeout=120).splitlines()
        self.assertEqual(sum(piece.count("y") for piece in pieces), 100_000_000)
        self.assertTrue(all(piece[27] == "+" for piece in pieces[1:]))

    def test_binary_output_is_kept_as_it_is(self):
        self.ok("start", "binary")
        result = subprocess.run([CLIENT, "--state", self.supervisor.state, "logs", "binary"],
                                capture_output=True, timeout=DEADLINE, check=True)
        lines = result.stdout.split(b"\n")
        whole = b"\n".join(line[28:] for line in lines)
        self.assertEqual(whole.rstrip(b"\n"), bytes(range(256)) * 16)
        for line in self.ok("logs", "binary", "--json").splitlines():
            json.loads(line)

    def test_a_sink_gets_the_lines_besides_the_file(self):
        self.ok("start", "elsewhere")
        await_true("the supervisor's own output",
                   lambda: {"elsewhere: one", "elsewhere: two"} <=
                   set(self.supervisor.said().splitlines()))
        self.assertEqual([line["message"] for line in self.json_lines("elsewhere")],
                         ["one", "two"])

    def test_a_follower_sees_over_rotations_and_over_the_loggers_death(self):
        self.ok("start", "followed")
        follower = subprocess.Popen(
            [CLIENT, "--state", self.supervisor.state, "logs", "-f", "followed", "-n", "1"],
            stdout=subprocess.PIPE, text=True)
        limit = threading.Timer(2 * DEADLINE, follower.kill)
        limit.start()
        seen = set()

        def read_on(count):
            wanted = len(seen) + count
            while len(seen) < wanted:
                line = follower.stdout.readline()
                self.assertTrue(line, "the follower has ended")
                seen.update(self.numbers(line))

        try:
            read_on(30_000)
            os.kill(self.supervisor.role("logger"), signal.SIGKILL)
            read_on(30_000)
            self.assertEqual(set(range(min(seen), max(seen) + 1)) - seen, set())
        finally:
            limit.cancel()
            follower.kill()
            follower.wait()
            follower.stdout.close()
            self.ok("stop", "followed")

    # Instants of the logger's work: each looks once and gives the condition that tells the next one.

    def names(self):
        path = self.directory / "talks.old"
        return {name for name in os.listdir(path)} if path.exists() else set()

    def has_rotated(self):
        before = self.names()
        return lambda: any(name.endswith(".log") for name in self.names() - before)

    def compresses(self):
        before = self.names()
        return lambda: any(name.endswith(".tmp") for name in self.names() - before)

    def has_compressed(self):
        before = self.names()
        return lambda: any(name.endswith(".zst") for name in self.names() - before)

    def writes(self):
        def size():
            try:
                return (self.directory / "talks.log").stat().st_size
            except FileNotFoundError:  # in the middle of a rotation
                return 0
        before = size()
        return lambda: size() not in (0, before)

    def test_no_line_is_lost_when_the_logger_is_killed_while_it_rotates(self):
        self.ok("start", "talks")
        for instant in (self.has_rotated, self.compresses, self.has_compressed, self.writes,
                        self.compresses):
            pid = await_true("a logger", lambda: self.supervisor.role("logger"))
            watch_for(instant.__name__, instant())
            os.kill(pid, signal.SIGKILL)
            await_true("it to be gone", lambda gone=pid: self.supervisor.role("logger") != gone)
        self.ok("stop", "talks")
        await_true("an answer", lambda: self.supervisor.run("logs", "talks", "-n", "1").returncode
                   == 0)
        seen = self.numbers(self.ok("logs", "talks", timeout=120))
        self.assertEqual(sorted(set(seen)), list(range(1, max(seen) + 1)), "lines were lost")
        # Each kill repeats at most what was in flight: a pipe's content.
        repeated = sum(b <= a for a, b in zip(seen, seen[1:]))
        self.assertLessEqual(repeated, 5)
        self.assertLessEqual(len(seen) - max(seen), 5 * 65536 // len("line 1\n"))


class FullDisk(SystemTest):
    """The log directory is a tiny file system in a mount namespace of the supervisor's own."""
    LINES = 20000
    UNITS = {"fill": oneshot(COUNT.format(LINES, "x" * 60),
                             'max_size = "64K"\nkeep = 1000\ncompress = false'),
             "other": oneshot("echo other")}

    @classmethod
    def setUpClass(cls):
        if os.geteuid() != 0:
            raise unittest.SkipTest("skipped: needs root")
        cls.supervisor = Supervisor(cls.UNITS)
        log = cls.supervisor.state / "log"
        script = ('mkdir -p "$1" && mount -t tmpfs -o size=512k,mode=755 none "$1" && shift && '
                  'exec "$@"')
        cls.supervisor.keeper = subprocess.Popen(
            ["unshare", "-m", "--propagation", "private", "sh", "-c", script, "sh", log, KEEPER,
             "--config", cls.supervisor.folder / "config", "--state", cls.supervisor.state],
            stdin=subprocess.DEVNULL, stdout=cls.supervisor.output, stderr=cls.supervisor.output)
        await_true("the supervisor to answer", cls.supervisor.answers)

    def test_a_full_disk_blocks_nobody_and_what_is_dropped_is_counted(self):
        self.ok("start", "fill")  # has ended: 1.7 MB, with room for 512 KB
        self.ok("start", "other")
        inside = pathlib.Path(f"/proc/{self.supervisor.keeper.pid}/root")
        old = inside / (self.supervisor.state / "log/fill.old").relative_to("/")
        written = []
        for path in sorted(old.iterdir()):
            written += path.read_text().splitlines()
            path.unlink()
        text = await_true("the ring to be written", lambda: (
            lambda out: out if f"line {self.LINES} " in out else None)(self.ok("logs", "fill")))
        lines = written + text.splitlines()
        kept = sum(" line " in line for line in lines)
        dropped = sum(int(line.split("# ")[1].split()[0]) for line in lines
                      if "were dropped" in line)
        self.assertGreater(dropped, 0)
        # The line at which the disk was full may be in two pieces.
        self.assertLessEqual(abs(kept + dropped - self.LINES), 2)
        self.assertIn("other", self.ok("logs", "other"))


class ManyUnits(SystemTest):
    COUNT = 200
    UNITS = {f"unit{i}": oneshot(COUNT_LINES, "") + '[jail]\nprofile = "host"\n'
             for i in range(COUNT)}

    def test_many_services_write_at_once(self):
        self.ok("start", *self.UNITS, timeout=240)
        for name in self.UNITS:
            self.assertEqual(len(self.ok("logs", name).splitlines()), 100, name)
        merged = self.ok("logs", *self.UNITS).splitlines()
        self.assertEqual(len(merged), 100 * self.COUNT)
        stamps = [line[:27] for line in merged]
        self.assertEqual(stamps, sorted(stamps))


if __name__ == "__main__":
    main()
