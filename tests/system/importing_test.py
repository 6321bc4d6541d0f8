"""`jailsvc import`: what others' service files become, and that nothing is silently dropped."""
import json
import pathlib
import re
import subprocess
import tempfile
import unittest

from harness import CLIENT, main

SYSTEMD = pathlib.Path("/lib/systemd/system")

# As the packages have them, for machines without those.
NGINX = """[Unit]
Description=A high performance web server and a reverse proxy server
Documentation=man:nginx(8)
After=network-online.target remote-fs.target nss-lookup.target
Wants=network-online.target

[Service]
Type=forking
PIDFile=/run/nginx.pid
ExecStartPre=/usr/sbin/nginx -t -q -g 'daemon on; master_process on;'
ExecStart=/usr/sbin/nginx -g 'daemon on; master_process on;'
ExecReload=/usr/sbin/nginx -g 'daemon on; master_process on;' -s reload
ExecStop=-/sbin/start-stop-daemon --quiet --stop --retry QUIT/5 --pidfile /run/nginx.pid
TimeoutStopSec=5
KillMode=mixed

[Install]
WantedBy=multi-user.target
"""
CRON = """[Unit]
Description=Regular background program processing daemon
Documentation=man:cron(8)
After=remote-fs.target nss-user-lookup.target

[Service]
EnvironmentFile=-/etc/default/cron
ExecStart=/usr/sbin/cron -f -P $EXTRA_OPTS
IgnoreSIGPIPE=false
KillMode=process
Restart=on-failure
SyslogFacility=cron

[Install]
WantedBy=multi-user.target
"""
SSH = """[Unit]
Description=OpenBSD Secure Shell server
After=network.target auditd.service
ConditionPathExists=!/etc/ssh/sshd_not_to_be_run

[Service]
EnvironmentFile=-/etc/default/ssh
ExecStartPre=/usr/sbin/sshd -t
ExecStart=/usr/sbin/sshd -D $SSHD_OPTS
ExecReload=/usr/sbin/sshd -t
ExecReload=/bin/kill -HUP $MAINPID
KillMode=process
Restart=on-failure
RestartPreventExitStatus=255
Type=notify
RuntimeDirectory=sshd
RuntimeDirectoryMode=0755

[Install]
WantedBy=multi-user.target
Alias=sshd.service
"""
NAMED = {"nginx": NGINX, "cron": CRON, "ssh": SSH}

COMPOSE = r"""
version: "3.8"
x-common: &common
  restart: unless-stopped
  cap_drop: [ALL]
services:
  db:
    <<: *common
    image: postgres:16
    command: ["postgres", "-c", "shared_buffers=${BUFFERS:-128MB}"]
    user: "999:999"
    environment:
      POSTGRES_DB: app
      PERCENT: 50%
      DOLLAR: "$$HOME"
    volumes:
      - data:/var/lib/postgresql/data
      - ./init:/docker-entrypoint-initdb.d:ro
    mem_limit: 512m
    healthcheck:
      test: ["CMD", "pg_isready"]
    stop_grace_period: 1m30s
  web:
    <<: *common
    image: web
    restart: "on-failure:5"
    entrypoint: /srv/web --listen 80
    depends_on:
      db: {condition: service_healthy}
    ports: ["8080:80", "127.0.0.1:53:53/udp"]
    cap_add: [NET_BIND_SERVICE]
    environment: ["MODE=production"]
    ulimits: {nofile: {soft: 1024, hard: -1}}
    deploy: {resources: {limits: {cpus: "1.5", memory: 1G}}, replicas: 2}
    made_up: true
  odd:
    image: odd
    environment: {TOKEN: "${TOKEN}"}
volumes: {data: {}}
"""


class Importing(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="jailsvc-import.")
        self.addCleanup(self.folder.cleanup)
        self.path = pathlib.Path(self.folder.name)
        self.units = self.path / "units"
        self.units.mkdir()

    def run_import(self, kind, *files, code=0):
        result = subprocess.run([CLIENT, "import", kind, "--json", *files], capture_output=True,
                                text=True, timeout=60, check=False, env={"PATH": "/usr/bin:/bin"})
        self.assertEqual(result.returncode, code, result.stderr + result.stdout)
        return {one["unit"]: one for one in json.loads(result.stdout)["units"]} if code == 0 \
            else result.stderr

    def verified(self, units):
        """Written, and read by our own parser."""
        paths = []
        for name, unit in units.items():
            path = self.units / f"{name}.toml"
            path.write_text(unit["text"])
            paths.append(path)
        result = subprocess.run([CLIENT, "--config", self.path, "verify", "--json", *paths],
                                capture_output=True, text=True, timeout=120, check=False)
        findings = json.loads(result.stdout)
        entries = next(value for value in findings.values() if isinstance(value, list))
        return [one for one in entries if one.get("severity") == "error"]

    def unit_file(self, name):
        """The machine's own, or a copy."""
        path = SYSTEMD / f"{name}.service"
        if path.exists():
            return path
        path = self.path / f"{name}.service"
        path.write_text(NAMED[name])
        return path

    def directives(self, path):
        text = re.sub(r"\\\n\s*", " ", path.read_text())
        return [line for line in text.splitlines()
                if "=" in line and not line.strip().startswith(("#", ";"))]

    def test_units_of_packages_become_units_that_load(self):  # [S0.19]
        for name in NAMED:
            path = self.unit_file(name)
            units = self.run_import("systemd", path)
            self.assertIn(name, units)
            notes = [one for one in units[name]["notes"] if one["place"] != "(none)"]
            self.assertEqual(len(notes), len(self.directives(path)), "each directive has its fate")
            for note in notes:
                if note["outcome"] != "translated":
                    self.assertTrue(note["text"], note)
            self.assertEqual(self.verified(units), [], units[name]["text"])

    def test_what_directives_mean(self):
        for name, text in NAMED.items():
            (self.path / f"{name}.service").write_text(text)
        units = self.run_import("systemd", *[self.path / f"{name}.service" for name in NAMED])
        nginx, ssh, cron = (units[name]["text"] for name in ("nginx", "ssh", "cron"))
        self.assertIn('exec_start = ["/usr/sbin/nginx", "-g", "daemon on; master_process on;"]',
                      nginx)
        self.assertIn('pid_file = "/run/nginx.pid"', nginx)
        self.assertIn('kill_mode = "mixed"', nginx)
        self.assertIn('wanted_by = ["default"]', nginx)
        self.assertIn("over when units start here", nginx)
        self.assertIn('alias = ["sshd"]', ssh)
        self.assertIn("""["/bin/sh", "-fc", "exec '/usr/sbin/sshd' '-D' $SSHD_OPTS"]""", ssh)
        self.assertIn('runtime_directory = ["sshd"]', ssh)
        self.assertIn("RestartPreventExitStatus=255", ssh)
        self.assertIn('after = ["auditd"]', ssh)
        self.assertIn("ConditionPathExists", ssh)
        self.assertIn("SyslogFacility=cron", cron)

    def test_every_unit_of_this_machine_is_taken_and_loads(self):
        files = sorted(path for kind in ("service", "socket", "timer")
                       for path in SYSTEMD.glob(f"*.{kind}") if path.is_file())
        if not files:
            self.skipTest("skipped: no unit files of systemd here")
        seen, wrong = 0, []
        for path in files:
            units = self.run_import("systemd", path)
            seen += len(units)
            for name, unit in units.items():
                wrong += [f"{path.name}: {note['directive']}: {note['text']}"
                          for note in unit["notes"] if "no such directive" in note["text"]]
                if name.endswith("@"):
                    continue
                wrong += [f"{path.name}: {one['message']}" for one in self.verified({name: unit})]
                (self.units / f"{name}.toml").unlink()
        # What they need of each other, and of the machine, is not there.
        alone = re.compile(r"requires|binds to|no such user|no user|no group|not there|No such file")
        self.assertEqual([one for one in wrong if not alone.search(one)], [])
        self.assertGreater(seen, 10)

    def test_a_socket_and_a_timer_belong_to_their_service(self):
        (self.path / "x.service").write_text(
            "[Service]\nExecStart=/usr/bin/x \\\n  -a \"b c\" ; /bin/y\nType=oneshot\n"
            "Environment=A=1 \"B=2 3\"\nMemoryMax=64M\nUser=nobody\nX-Own=1\nMade=Up\n")
        (self.path / "x.socket").write_text(
            "[Socket]\nListenStream=8080\nListenStream=/run/x\nListenDatagram=127.0.0.1:53\n")
        (self.path / "x.timer").write_text("[Timer]\nOnCalendar=daily\nPersistent=yes\n"
                                           "RandomizedDelaySec=1h\n")
        drop_ins = self.path / "x.service.d"
        drop_ins.mkdir()
        (drop_ins / "a.conf").write_text("[Service]\nNice=5\nExecStartPre=/bin/true\n")
        units = self.run_import("systemd", self.path / "x.socket", self.path / "x.timer")
        self.assertEqual(list(units), ["x"])
        text = units["x"]["text"]
        for line in ('exec_start = ["/bin/y"]',
                     '["/usr/bin/x", "-a", "b c"]', 'B = "2 3"', 'memory_max = "64M"',
                     'listen = ["tcp:8080", "unix:/run/x", "udp:127.0.0.1:53"]',
                     'on_calendar = ["daily"]', "persistent = true", 'jitter = "1h"', "nice = 5",
                     'activation = "on_demand"', 'user = "nobody"'):
            self.assertIn(line, text)
        left = {one["directive"] for one in units["x"]["notes"]
                if one["outcome"] == "not-translated"}
        self.assertEqual(left, {"X-Own=1", "Made=Up"})

    def test_a_compose_file_becomes_units_that_load(self):  # [S0.19]
        path = self.path / "compose.yaml"
        path.write_text(COMPOSE)
        units = self.run_import("compose", path)
        self.assertEqual(set(units), {"db", "web", "odd"})
        db, web = units["db"]["text"], units["web"]["text"]
        for line in ('"shared_buffers=128MB"', 'restart = "unless-stopped"', 'user = "999"',
                     'group = "999"', 'PERCENT = "50%%"', 'DOLLAR = "$HOME"',
                     '"/var/lib/volumes/data:/var/lib/postgresql/data"', 'memory_max = "512M"',
                     f'binds_ro = ["{self.path}/init:/docker-entrypoint-initdb.d"]',
                     'timeout_stop = "1m30s"'):
            self.assertIn(line, db)
        for line in ('exec_start = ["/srv/web", "--listen", "80"]', 'requires = ["db"]',
                     'restart = "on-failure"', 'forwards = ["8080:80", "53:53/udp"]',
                     'capabilities = ["net_bind_service"]', 'cpu_quota = "150%"',
                     'memory_max = "1G"', 'nofile = "1024:infinity"'):
            self.assertIn(line, web)
        fates = {(name, one["directive"].split(":")[0]): one for name, unit in units.items()
                 for one in unit["notes"]}
        self.assertEqual(fates["db", "healthcheck"]["outcome"], "not-translated")
        self.assertIn("no such key", fates["web", "made_up"]["text"])
        self.assertIn("service_healthy", fates["web", "depends_on"]["text"])
        self.assertIn("replicas", fates["web", "deploy"]["text"])
        self.assertIn("needs the variable TOKEN", fates["odd", "environment"]["text"])
        self.assertIn("every address", fates["web", "ports"]["text"])
        errors = [one for one in self.verified(units)
                  if not re.search(r"No such file|not there|does not exist|no user", one["message"])]
        self.assertEqual(errors, [])

    def test_hostile_files_are_refused_or_harmless(self):
        (self.path / "a.service").write_text(
            '[Service]\nExecStart=/bin/echo "]\\n[jail]\\nprofile = \\"host\\""\n'
            'Description=x\nSyslogIdentifier=\x1b]0;evil\x07\n')
        units = self.run_import("systemd", self.path / "a.service")
        self.assertNotIn("\x1b", units["a"]["text"])
        self.assertNotIn('\nprofile = "host"', units["a"]["text"])
        self.assertEqual(self.verified(units), [])
        for name, text in (("b.service", "[Service]\nno equals sign\n"),
                           ("..service", "[Service]\n"), ("c.mount", "[Mount]\n")):
            path = self.path / name
            path.write_text(text)
            self.run_import("systemd", path, code=1)
        for text in ("services: [", "services: {'../x': {image: a}}", "a: b", "- 1",
                     "services: {a: *nowhere}", "services: {a: {b: " + "[" * 10000,
                     "services: {a: &a {image: x, <<: *a}}"):
            path = self.path / "bad.yaml"
            path.write_text(text)
            self.run_import("compose", path, code=1)

    def test_files_are_written_once(self):
        source = self.path / "cron.service"
        source.write_text(CRON)
        command = [CLIENT, "import", "systemd", "--output", self.units, source]
        first = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
        self.assertEqual(first.returncode, 0, first.stderr)
        self.assertIn("SyslogFacility=cron: not translated: ", first.stderr)
        self.assertTrue((self.units / "cron.toml").exists())
        again = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
        self.assertEqual(again.returncode, 1)
        self.assertIn("--force", again.stderr)
        self.assertEqual(subprocess.run([*command, "--force"], capture_output=True, check=False,
                                        timeout=30).returncode, 0)


if __name__ == "__main__":
    main()
