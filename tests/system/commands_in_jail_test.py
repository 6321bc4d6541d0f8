"""The commands beside exec_start: in the service's own jail, told how the service ended."""
import os
import signal
import unittest

from harness import SystemTest, alive, await_true, children, main

NAMESPACES = ("mnt", "pid", "ipc", "uts", "cgroup")
SAY = ("""echo "NAME uid=$(id -u) ns=$(echo $(for n in %s; do readlink /proc/self/ns/$n; done) """
       """| tr ' ' ,) main=$MAINPID result=$SERVICE_RESULT code=$EXIT_CODE status=$EXIT_STATUS """
       """seen=$(cat /tmp/mark)" """ % " ".join(NAMESPACES))


def say(name, more=""):
    return f'["/bin/sh", "-c", \'\'\'{SAY.replace("NAME", name)}{more}\'\'\']'


WAITS = "; sleep infinity"
STOP_POST = f"exec_stop_post = {say('stop_post')}\n"
MAIN = f"exec_start = {say('main', WAITS)}\n"


class CommandsInJail(SystemTest):
    UNITS = {
        "all": "[service]\n"
               f"exec_start_pre = [{say('pre', '; echo pre > /tmp/mark')}, {say('pre2')}]\n" + MAIN +
               f"exec_start_post = {say('post')}\n"
               f"exec_reload = {say('reload')}\n"
               f"exec_stop = {say('stop', '; kill $MAINPID')}\n" + STOP_POST,
        "badpre": '[service]\nexec_start_pre = ["/bin/false"]\n' + MAIN + STOP_POST,
        "crash": f"[service]\nexec_start = {say('main', '; exit 3')}\n" + STOP_POST,
        "killed": "[service]\n" + MAIN + STOP_POST,
        "stubborn": f"""[service]\nexec_start = {say('main', "; trap '' TERM; echo deaf; "
                                                     "while :; do sleep 1; done")}\n"""
                    'timeout_stop = "2s"\n' + STOP_POST,
        "twice": "[service]\n" + MAIN,
        "killed_whole": "[service]\n" + MAIN + STOP_POST,
        "changes": "[service]\n" + MAIN + STOP_POST,
        "bomb": f"""[service]\nexec_start = {say('main', "; (while :; do sleep 9 & done) & "
                                                 "echo armed; sleep infinity")}\n"""
                'timeout_stop = "2s"\n' + STOP_POST + "[jail.identity.limits]\nnproc = 400\n",
    }

    def said_by(self, unit):
        """What the commands said since the start of the log: {name: {key: value}}."""
        said = {}
        for line in self.ok("logs", unit).splitlines():
            words = line.split(" ")[1:]
            if len(words) > 2 and words[1].startswith("uid="):
                said[words[0]] = dict(word.split("=", 1) for word in words[1:])
        return said

    def await_said(self, unit, name):
        return await_true(f"{unit}'s {name}", lambda: self.said_by(unit).get(name))

    def check_same_jail(self, *commands):
        for command in commands:
            self.assertEqual(command["ns"], commands[0]["ns"])
            self.assertEqual(command["uid"], commands[0]["uid"])
        self.assertNotEqual(commands[0]["uid"], "0")
        self.assertEqual(commands[0]["ns"].count("["), len(NAMESPACES))

    def test_all_run_in_one_jail(self):
        self.ok("start", "all")
        self.await_said("all", "main")
        self.ok("reload", "all")
        self.ok("stop", "all")
        said = self.await_said("all", "stop_post") and self.said_by("all")
        self.assertEqual(set(said), {"pre", "pre2", "main", "post", "reload", "stop", "stop_post"})
        self.check_same_jail(*said.values())
        # What one left in the private /tmp the others find.
        self.assertEqual([said[name]["seen"] for name in ("pre", "pre2", "main", "stop_post")],
                         ["", "pre", "pre", "pre"])
        pid = said["post"]["main"]
        self.assertTrue(0 < int(pid) < 1000, "MAINPID is not of the jail's own namespace")
        self.assertEqual([said[name]["main"] for name in ("reload", "stop")], [pid, pid])
        self.assertEqual((said["pre"]["main"], said["stop_post"]["main"]), ("", ""))
        self.assertEqual(said["pre"]["code"], "")
        end = said["stop_post"]
        self.assertEqual((end["result"], end["code"], end["status"]), ("success", "killed", "TERM"))

    def test_another_start_is_another_jail(self):
        """The control of the test above: equality is no accident."""
        self.ok("start", "twice")
        first = self.await_said("twice", "main")["ns"]
        self.ok("stop", "twice")
        self.ok("start", "twice")
        await_true("another jail", lambda: self.said_by("twice")["main"]["ns"] != first)
        self.ok("stop", "twice")

    def test_a_failing_pre_prevents_the_start(self):
        self.fails(1, "start", "badpre")
        self.assertEqual(self.supervisor.status("badpre")["state"], "failed")
        self.await_said("badpre", "stop_post")
        self.assertNotIn("main", self.said_by("badpre"))
        self.ok("reset-failed", "badpre")

    def test_stop_post_is_told_of_a_crash(self):
        self.supervisor.run("start", "crash")
        self.supervisor.await_state("crash", "failed")
        said = self.said_by("crash")
        end = said["stop_post"]
        self.assertEqual((end["result"], end["code"], end["status"]), ("exit-code", "exited", "3"))
        self.check_same_jail(said["main"], end)
        self.ok("reset-failed", "crash")

    def test_stop_post_runs_after_a_kill(self):
        self.ok("start", "killed")
        self.await_said("killed", "main")
        self.ok("kill", "-s", "KILL", "killed")
        self.supervisor.await_state("killed", "failed")
        said = self.said_by("killed")
        self.assertEqual([said["stop_post"][key] for key in ("result", "code", "status")],
                         ["signal", "killed", "KILL"])
        self.check_same_jail(said["main"], said["stop_post"])
        self.ok("reset-failed", "killed")

    def test_stop_post_runs_in_a_new_jail_when_the_old_one_is_killed_whole(self):
        self.ok("start", "killed_whole")
        first = self.await_said("killed_whole", "main")["ns"]
        pid = self.supervisor.pid("killed_whole")
        signal.pidfd_send_signal(self.init_of(pid), signal.SIGKILL)
        self.supervisor.await_state("killed_whole", "failed")
        said = self.said_by("killed_whole")
        self.assertEqual(said["stop_post"]["status"], "KILL")
        self.assertNotEqual(said["stop_post"]["ns"], first)
        self.assertEqual(said["stop_post"]["uid"], said["main"]["uid"])
        self.ok("reset-failed", "killed_whole")

    def init_of(self, pid):
        """pidfd of the jail's init: the keeper's child that is 1 in the namespace of `pid`."""
        for child in children(self.supervisor.keeper.pid):
            try:
                inside = os.readlink(f"/proc/{child}/ns/pid") == os.readlink(f"/proc/{pid}/ns/pid")
                with open(f"/proc/{child}/status", encoding="ascii") as file:
                    numbers = next(line for line in file if line.startswith("NSpid:")).split()
            except OSError:
                continue
            if inside and numbers[-1] == "1":
                return os.pidfd_open(child)
        self.fail("the jail has no init")

    def test_stop_post_runs_after_a_stop_timeout(self):
        self.ok("start", "stubborn")
        await_true("deafness", lambda: "deaf" in self.ok("logs", "stubborn"))
        pid = self.supervisor.pid("stubborn")
        self.supervisor.run("stop", "stubborn")
        self.assertFalse(alive(pid))
        said = self.said_by("stubborn")
        self.assertEqual([said["stop_post"][key] for key in ("code", "status")],
                         ["killed", "KILL"])
        self.check_same_jail(said["main"], said["stop_post"])
        self.supervisor.run("reset-failed", "stubborn")

    def test_stop_post_runs_as_the_service_began_though_its_file_has_changed(self):
        self.ok("start", "changes")
        self.supervisor.write("changes", '[service]\nexec_start = ["/bin/true"]\n')
        self.ok("daemon-reload")
        signal.pidfd_send_signal(self.init_of(self.supervisor.pid("changes")), signal.SIGKILL)
        self.supervisor.await_state("changes", "failed")
        self.assertIn("stop_post", self.said_by("changes"))
        self.ok("reset-failed", "changes")

    def test_stop_post_runs_after_a_fork_bomb(self):
        self.ok("start", "bomb")
        await_true("the bomb", lambda: "armed" in self.ok("logs", "bomb"))
        self.supervisor.run("stop", "bomb")
        self.await_said("bomb", "stop_post")
        self.supervisor.run("reset-failed", "bomb")


if __name__ == "__main__":
    main()
