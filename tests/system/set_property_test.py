"""`jailsvc set-property`: limits of a unit changed at once, kept over its restarts, all or none."""
import json
import os
import pathlib
import signal

from harness import SystemTest, await_true, main
from limits_test import has_controller

SLEEP = '[service]\nexec_start = ["/bin/sleep", "1000"]\nexec_reload = ["/bin/true"]\n'
# Forks as many as it may, whenever it is told.
FORKS = '''[service]
restart = "always"
restart_delay = "50ms"
exec_start = ["/usr/bin/python3", "-c", """
import os, signal, sys, time
def fork(*_):
    made = 0
    for i in range(10):
        try:
            if os.fork() == 0:
                time.sleep(1000)
            made += 1
        except OSError:
            break
    print('made', made, flush=True)
signal.signal(signal.SIGUSR1, fork)
print('here', flush=True)
while True:
    time.sleep(1000)
"""]
'''
LIMIT_FILES = {"memory": ("memory.limit_in_bytes", "memory.max"), "pids": ("pids.max",) * 2,
               "cpu": ("cpu.cfs_quota_us", "cpu.max"),
               "blkio": ("blkio.throttle.read_bps_device", "io.max"), "io": ("", "io.max")}


def group_file(pid, controller):
    """The file of the limit in the group that the process is in."""
    for line in pathlib.Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            return pathlib.Path(f"/sys/fs/cgroup/{controller}{path}/{LIMIT_FILES[controller][0]}")
        if controllers == "" and not pathlib.Path(f"/sys/fs/cgroup/{controller}").is_dir():
            return pathlib.Path(f"/sys/fs/cgroup{path}/{LIMIT_FILES[controller][1]}")
    raise AssertionError(f"pid {pid} is in no group of {controller}")


class SetProperty(SystemTest):
    UNITS = {
        "web": SLEEP + '[jail.cgroups]\nmemory_max = "256M"\n',
        "forks": FORKS,
        "edited": SLEEP,
        "bounded": SLEEP + '[jail.cgroups]\nmemory_max = "32M"\n',
        "strict": SLEEP,
        "at-rest": SLEEP,
        "survivor": SLEEP,
        "worker@": SLEEP,
        "disk": SLEEP,
    }

    def setUp(self):
        if not all(has_controller(name) for name in ("memory", "pids", "cpu")):
            self.skipTest("skipped: no memory, pids and cpu controllers here")

    def limit(self, unit, controller):
        return group_file(self.supervisor.pid(unit), controller).read_text().split()[0]

    def set(self, *arguments):
        return self.ok("set-property", *arguments)

    def drop_in(self, unit):
        return self.supervisor.state / f"run/units/{unit}.toml.d/zz-set-property.toml"

    def test_a_running_unit_has_it_at_once_and_after_a_restart(self):  # [S4.10]
        self.ok("start", "web")
        pid = self.supervisor.pid("web")
        self.assertEqual(self.limit("web", "memory"), str(256 << 20))
        self.set("web", "memory_max=128M", "cpu_quota=50%")
        self.assertEqual(self.supervisor.pid("web"), pid)
        self.assertEqual(self.limit("web", "memory"), str(128 << 20))
        self.assertEqual(self.limit("web", "cpu"), "50000")
        status = self.supervisor.status("web")
        self.assertFalse(status["stale"])
        self.assertIn(str(self.drop_in("web")), status["files"])
        self.assertIn('memory_max = "128M"', self.ok("show", "web"))
        self.ok("reload", "web")  # a program that enters the jail finds the limits as they are
        self.ok("restart", "web")
        self.assertEqual(self.limit("web", "memory"), str(128 << 20))
        self.assertEqual(self.limit("web", "cpu"), "50000")
        # Up again and without a limit, in one go.
        self.set("web", "memory_max=0", "cpu_quota=20%")
        self.assertGreater(int(self.limit("web", "memory").replace("max", "9" * 19)), 1 << 60)
        self.assertEqual(self.limit("web", "cpu"), "20000")
        self.ok("reload", "web")

    def test_a_limit_it_had_no_group_for_counts_what_already_runs(self):
        self.ok("start", "forks")
        await_true("forks to be there", lambda: "here" in self.ok("logs", "forks"))
        before = self.supervisor.status("forks")
        self.set("forks", "tasks_max=6")
        self.assertEqual(self.supervisor.pid("forks"), before["pid"])
        os.kill(before["pid"], signal.SIGUSR1)
        await_true("what it forked", lambda: "made " in self.ok("logs", "forks"))
        self.assertEqual(self.supervisor.status("forks")["tasks"], 6)
        self.assertGreater(self.supervisor.status("forks")["refused_tasks"], 0)
        # It restarts by itself with the limit, as with one of its file.
        os.kill(before["pid"], signal.SIGKILL)
        again = await_true("its restart", lambda: (lambda s: s if s["restarts"] > 0 and s["pid"]
                                                   else None)(self.supervisor.status("forks")))
        self.assertEqual(self.limit("forks", "pids"), "6")
        # Control: without it all ten come.
        self.set("forks", "tasks_max=0")
        await_true("it to be there again", lambda: self.ok("logs", "forks").count("here") > 1)
        os.kill(again["pid"], signal.SIGUSR1)
        def last_line():
            return self.ok("logs", "forks").splitlines()[-1]
        try:
            await_true("what it forked now", lambda: "made" in last_line())
        except AssertionError:
            self.fail(self.ok("logs", "forks") + self.ok("status", "forks"))
        self.assertTrue(last_line().endswith("made 10"), last_line())
        self.ok("stop", "forks")

    def test_all_or_none(self):
        self.ok("start", "strict")
        self.set("strict", "memory_max=300M")
        v2 = os.path.exists("/sys/fs/cgroup/cgroup.controllers")
        before = self.drop_in("strict").read_text()
        refused = ("use 2 to 4194304", "\"much\" is no share", "exists in cgroup v2")
        for bad, words in [(["memory_max=100M", "memory_hihg=1M"], "did you mean \"memory_high\""),
                           (["memory_max=100M", "tasks_max=many"], "tasks_max: \"many\" is no integer"),
                           (["memory_max=100M", "tasks_max=1"], "use 2 to 4194304"),
                           (["memory_max=100M", "cpu_quota=much"], "\"much\" is no share"),
                           (["memory_max=64 potatoes"], "memory_max")] + (
                               [] if v2 else
                               [(["memory_max=100M", "memory_high=90M"], "exists in cgroup v2")]):
            result = self.supervisor.run("set-property", "strict", *bad)
            # What is no key or no value of its key is wrong usage; the rest the plugin refuses.
            self.assertEqual(result.returncode, 1 if words in refused else 2, result.stderr)
            self.assertIn(words, result.stderr)
            self.assertEqual(self.limit("strict", "memory"), str(300 << 20), bad)
            self.assertEqual(self.drop_in("strict").read_text(), before)
        self.assertIn("jailsvc: ", self.fails(2, "set-property", "strict", "memory_max"))
        self.fails(5, "set-property", "nobody", "memory_max=1G")
        self.assertFalse(list((self.supervisor.state / "run/set-property").iterdir()))

    def test_one_limit_of_a_disk_is_lifted_and_the_other_stays(self):  # [S4.10]
        disks = [path.read_text().strip() for path in pathlib.Path("/sys/block").glob("*/dev")]
        name = next((one for one in ("blkio", "io") if has_controller(one)), None)
        if name is None or not disks:
            self.skipTest("skipped: no blkio or io controller, or no disk here")
        self.ok("start", "disk")

        def limits():
            file = group_file(self.supervisor.pid("disk"), name)
            text = file.read_text()
            if name == "blkio":
                text += file.with_name("blkio.throttle.read_iops_device").read_text()
            return text

        def set_disk(words):
            self.set("disk", f'io_max={{"{disks[0]}" = "{words}"}}')

        set_disk("rbps=10M riops=500")
        self.assertIn("10485760", limits())
        set_disk("rbps=max riops=500")
        self.assertNotIn("10485760", limits())
        self.assertIn("500", limits())  # control
        set_disk("rbps=20M")
        self.assertIn("20971520", limits())
        self.assertNotIn("500", limits())
        set_disk("max")
        self.assertNotIn("20971520", limits())

    def test_what_it_uses_cannot_be_taken_from_it(self):
        if os.path.exists("/sys/fs/cgroup/cgroup.controllers"):
            self.skipTest("skipped: cgroup v2 takes it, and ends processes if it has to")
        self.ok("start", "bounded")
        said = self.fails(1, "set-property", "bounded", "tasks_max=50", "memory_max=4096")
        self.assertIn("uses more than that", said)
        self.assertEqual(self.limit("bounded", "memory"), str(32 << 20))
        self.ok("stop", "bounded")

    def test_the_ceiling_holds(self):
        self.ok("start", "web")
        ceiling = self.supervisor.folder / "config/ceiling.toml"
        ceiling.write_text('[jail.cgroups]\nmemory_max = "512M"\n')
        try:
            for value in ("513M", "0"):
                said = self.fails(1, "set-property", "web", f"memory_max={value}")
                self.assertIn("the site allows at most 512M", said)
            self.set("web", "memory_max=511M")  # control
            self.assertEqual(self.limit("web", "memory"), str(511 << 20))
        finally:
            ceiling.unlink()

    def test_a_unit_whose_file_has_changed_runs_on_as_it_was(self):
        self.ok("start", "edited")
        self.supervisor.write("edited", SLEEP.replace("1000", "2000"))
        self.ok("daemon-reload")
        self.set("edited", "memory_max=200M")
        status = self.supervisor.status("edited")
        self.assertTrue(status["stale"])
        self.assertEqual(self.limit("edited", "memory"), str(200 << 20))
        self.ok("reload", "edited")
        self.ok("restart", "edited")
        status = self.supervisor.status("edited")
        self.assertFalse(status["stale"])
        self.assertEqual(self.limit("edited", "memory"), str(200 << 20))
        self.assertIn(b"2000", pathlib.Path(f"/proc/{status['pid']}/cmdline").read_bytes())

    def test_a_unit_at_rest_has_it_at_its_start(self):
        self.set("at-rest", "memory_max=100M")
        self.ok("start", "at-rest")
        self.assertEqual(self.limit("at-rest", "memory"), str(100 << 20))
        # Taken back as it says.
        self.drop_in("at-rest").unlink()
        self.ok("daemon-reload")
        self.ok("restart", "at-rest")
        self.assertNotEqual(self.limit("at-rest", "memory"), str(100 << 20))
        self.ok("stop", "at-rest")

    def test_an_instance_of_a_template(self):
        self.ok("start", "worker@1", "worker@2")
        self.set("worker@1", "memory_max=100M")
        self.assertEqual(self.limit("worker@1", "memory"), str(100 << 20))
        self.assertNotEqual(self.limit("worker@2", "memory"), str(100 << 20))
        self.ok("stop", "worker@1", "worker@2")

    def test_neither_engine_nor_jailer_forget_it(self):  # [S4.10]
        self.ok("start", "survivor")
        pid = self.supervisor.pid("survivor")
        self.set("survivor", "memory_max=222M")
        for role in ("jailer", "engine", "jailer"):
            old = self.supervisor.role(role)
            os.kill(old, signal.SIGKILL)
            await_true(f"another {role}", lambda: self.supervisor.role(role) != old)
            await_true("an answer", self.supervisor.answers)
            self.ok("reload", "survivor")  # enters the jail: its limits are attested
            status = self.supervisor.status("survivor")
            self.assertEqual(status["pid"], pid)
            self.assertFalse(status["stale"])
        self.set("survivor", "memory_max=223M")  # in a jail that was adopted
        self.assertEqual(self.limit("survivor", "memory"), str(223 << 20))
        self.ok("reload", "survivor")
        self.ok("restart", "survivor")
        self.assertEqual(self.limit("survivor", "memory"), str(223 << 20))

    def test_only_root_may(self):
        self.ok("start", "web")
        result = self.supervisor.run("set-property", "web", "memory_max=1G", user=65534, group=65534,
                                     extra_groups=[])
        self.assertEqual(result.returncode, 4, result.stderr)
        self.assertNotEqual(self.limit("web", "memory"), str(1 << 30))

    def test_nothing_else_can_be_set(self):
        self.ok("start", "web")
        for key in ("user=root", "jail.identity.user=root", "devices=[\"/dev/mem\"]",
                    "tasks_max=5 \n[jail.identity]\ndynamic_user = false"):
            said = self.fails(1 if key.startswith("devices") else 2, "set-property", "web", key)
            self.assertTrue(said.startswith("jailsvc: "), said)


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("skipped: needs root")
    else:
        main()
