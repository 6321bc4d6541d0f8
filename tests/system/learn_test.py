"""on_violation = "log": what real programs use is recorded; what comes of it, pasted, lets them work."""
import http.server
import os
import re
import threading

from harness import SystemTest, await_true, main
from redis_server import ask_redis, free_port

REDIS = "/usr/bin/redis-server"
CURL = "/usr/bin/curl"
LEARN = '[jail.pledge]\non_violation = "log"\n'


def redis_unit(port):
    return f'''[service]
exec_start = ["{REDIS}", "--port", "{port}", "--bind", "127.0.0.1", "--save", "", "--dir", "/tmp"]
'''


def curl_unit(port):
    return f'''[service]
type = "oneshot"
exec_start = ["{CURL}", "-sS", "-o", "/tmp/page", "http://127.0.0.1:{port}/"]
'''


def without(toml, word):
    changed = re.sub(rf'^(promises = ".*?) ?\b{word}\b', r"\1", toml, flags=re.M)
    assert changed != toml
    return changed


class Learn(SystemTest):
    def setUp(self):
        for program in (REDIS, CURL):
            if not os.path.exists(program):
                self.skipTest(f"skipped: no {program}")

    def learned(self, unit, call):
        """The proposal, once it has this call: the record is written when the service is quiet."""
        def look():
            said = self.supervisor.run("pledge", "learn", unit).stdout
            return said if re.search(rf"^# .*\b{call}\b", said, re.M) else None
        return await_true(f"{call} in the record", look)

    def use_redis(self, port):
        await_true("redis to answer", lambda: ask_redis(port, "PING") == b"+PONG\r\n")
        return ask_redis(port, "SAVE")

    def reload(self, name, text):
        self.supervisor.write(name, text)
        self.ok("daemon-reload")

    def test_a_server_under_what_was_learned_of_it(self):
        port = free_port()
        unit = redis_unit(port)
        self.reload("store", unit + LEARN)
        self.ok("start", "store")
        self.assertIn("not pledged (learning)", self.supervisor.status("store")["jail"])
        self.assertEqual(self.use_redis(port), b"+OK\r\n")
        self.ok("stop", "store")
        proposal = self.learned("store", "rename")
        self.assertNotIn("proc", re.search(r'^promises = "(.*)"', proposal, re.M)[1].split())
        self.assertIn("libraries = true", proposal)

        self.reload("store", unit + proposal)
        self.ok("start", "store")
        self.assertEqual(self.use_redis(port), b"+OK\r\n")
        self.assertIn("pledge stdio", self.supervisor.status("store")["jail"])
        self.ok("stop", "store")

        with self.subTest("control: without cpath it cannot save"):
            self.reload("store", unit + without(proposal, "cpath"))
            self.ok("start", "store")
            self.assertTrue(self.use_redis(port).startswith(b"-ERR"))
            self.ok("stop", "store")
        with self.subTest("control: without tcp it does not run"):
            self.reload("store", unit + without(proposal, "tcp"))
            self.supervisor.run("start", "store")
            await_true("its end", lambda: self.supervisor.status("store")["state"] == "failed")
        with self.subTest("control: without a path it had"):
            self.reload("store", unit + proposal.replace('"/tmp" = "rwc"', '"/tmp" = "r"'))
            self.ok("start", "store")
            self.assertTrue(self.use_redis(port).startswith(b"-ERR"))
            self.ok("stop", "store")

    def test_a_client_under_what_was_learned_of_it(self):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
        server.RequestHandlerClass.log_message = lambda *_: None
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        unit = curl_unit(server.server_address[1])
        self.reload("fetch", unit + LEARN)
        self.ok("start", "fetch")
        proposal = self.learned("fetch", "connect")
        self.reload("fetch", unit + proposal)
        self.ok("start", "fetch")
        self.reload("fetch", unit + without(proposal, "tcp"))
        self.fails(1, "start", "fetch")

    def test_forgotten_is_unknown(self):
        self.assertIn("nothing has been learned", self.fails(1, "pledge", "learn", "nobody"))
        self.reload("brief", '[service]\nexec_start = ["/bin/true"]\ntype = "oneshot"\n' + LEARN)
        self.ok("start", "brief")
        self.learned("brief", "openat")
        record = self.supervisor.state / "lib/learned/brief.learned"
        self.assertEqual(record.stat().st_mode & 0o777, 0o600)
        self.assertEqual(record.parent.stat().st_mode & 0o777, 0o700)
        self.ok("pledge", "forget", "brief")
        self.assertIn("nothing has been learned", self.fails(1, "pledge", "learn", "brief"))
        self.assertIn("no unit's name", self.fails(1, "pledge", "learn", "../brief"))

    def test_it_goes_on_without_the_jailer(self):
        port = free_port()
        self.reload("lasting", redis_unit(port) + LEARN)
        self.ok("start", "lasting")
        await_true("redis to answer", lambda: ask_redis(port, "PING") == b"+PONG\r\n")
        os.kill(self.supervisor.role("jailer"), 9)
        self.assertEqual(self.use_redis(port), b"+OK\r\n")
        self.ok("stop", "lasting")
        self.learned("lasting", "rename")


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("skipped: needs root")
    else:
        main()
