"""Debian's nginx, redis and curl under the promises that plugins/pledge/README.md has for them."""
import http.server
import os
import pathlib
import re
import shutil
import tempfile
import threading
import urllib.request

from harness import ROOT, SystemTest, await_true, main
from redis_server import ask_redis, free_port

PROGRAMS = {"nginx": "/usr/sbin/nginx", "redis": "/usr/bin/redis-server", "curl": "/usr/bin/curl"}
README = (ROOT / "plugins/pledge/README.md").read_text()
NGINX = """daemon off; pid /tmp/nginx.pid; error_log stderr; worker_processes 2;
events { worker_connections 64; }
http {
    access_log off;
    client_body_temp_path /tmp/body; proxy_temp_path /tmp/proxy; fastcgi_temp_path /tmp/fastcgi;
    uwsgi_temp_path /tmp/uwsgi; scgi_temp_path /tmp/scgi;
    server { listen 127.0.0.1:PORT; root ROOT; }
}
"""


def promises_of(name):
    """As the README has them: | nginx | `stdio …` | … |"""
    return re.search(rf"^\| {name} \| `(stdio [a-z_ ]*)` \|", README, re.M)[1]


def pledge(promises, stage="main"):
    return f'[jail.pledge]\npromises = "{promises}"\nstage = "{stage}"\n'


def whole(promises):
    """For a program whose loader goes by the same promises."""
    return pledge(promises + " rpath prot_exec", "exec")


def less(promises, word):
    words = promises.split()
    words.remove(word)
    return " ".join(words)


def fetch(url):
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.read()
    except OSError:
        return None


class Pledged(SystemTest):
    def setUp(self):
        for path in PROGRAMS.values():
            if not os.path.exists(path):
                self.skipTest(f"skipped: no {path}")

    def reload(self, name, text):
        self.supervisor.write(name, text)
        self.ok("daemon-reload")

    def await_failure(self, name):
        await_true(f"the end of {name}",
                   lambda: self.supervisor.status(name)["state"] == "failed")

    def test_nginx(self):  # [S0.13]
        folder = pathlib.Path(tempfile.mkdtemp(prefix="jailsvc-test.", dir="/var/lib"))
        self.addCleanup(shutil.rmtree, folder)
        folder.chmod(0o755)
        port = free_port()
        (folder / "page").write_text("hello\n")
        (folder / "nginx.conf").write_text(
            NGINX.replace("PORT", str(port)).replace("ROOT", str(folder)))
        unit = f'[service]\nexec_start = ["{PROGRAMS["nginx"]}", "-c", "{folder}/nginx.conf"]\n'
        promises = promises_of("nginx")
        for table in (pledge(promises), whole(promises)):
            self.reload("nginx", unit + table)
            self.ok("start", "nginx")
            await_true("a page", lambda: fetch(f"http://127.0.0.1:{port}/page") == b"hello\n")
            self.ok("stop", "nginx")
        for word in ("tcp", "cpath"):
            with self.subTest(f"control: without {word}"):
                self.reload("nginx", unit + pledge(less(promises, word)))
                self.supervisor.run("start", "nginx")
                self.await_failure("nginx")

    def test_redis(self):  # [S0.13]
        port = free_port()
        unit = f'''[service]
exec_start = ["{PROGRAMS["redis"]}", "--port", "{port}", "--bind", "127.0.0.1", "--save", "",
              "--dir", "/tmp"]
'''
        promises = promises_of("redis")
        for table in (pledge(promises), whole(promises)):
            self.reload("redis", unit + table)
            self.ok("start", "redis")
            await_true("redis to answer", lambda: ask_redis(port, "PING") == b"+PONG\r\n")
            self.assertEqual(ask_redis(port, "SAVE"), b"+OK\r\n")
            self.assertIn(b"started", ask_redis(port, "BGSAVE"))
            self.ok("stop", "redis")
        with self.subTest("control: without proc it cannot save in the background"):
            self.reload("redis", unit + pledge(less(promises, "proc")))
            self.ok("start", "redis")
            await_true("redis to answer", lambda: ask_redis(port, "PING") == b"+PONG\r\n")
            self.assertTrue(ask_redis(port, "BGSAVE").startswith(b"-ERR"))
            self.ok("stop", "redis")

    def test_curl(self):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0),
                                                 http.server.SimpleHTTPRequestHandler)
        server.RequestHandlerClass.log_message = lambda *_: None
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        unit = f'''[service]
type = "oneshot"
exec_start = ["{PROGRAMS["curl"]}", "-sSf", "-o", "/tmp/page",
              "http://localhost:{server.server_address[1]}/"]
'''
        promises = promises_of("curl")
        for table in (pledge(promises), whole(promises)):
            self.reload("curl", unit + table)
            self.ok("start", "curl")
        for word in ("dns", "cpath"):
            self.reload("curl", unit + pledge(less(promises, word)))
            self.fails(1, "start", "curl")


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("skipped: needs root")
    else:
        main()
