"""The walls of a jail, one after the other: what each costs a start."""

# Each rung has all of the ones before it. Where a profile's default would bring a wall early, the
# rung says that it is not there yet.
RUNGS = [
    ("no jail", 'profile = "host"', ""),
    ("pid, ipc, uts and cgroup namespaces", "", """
[jail.namespaces]
mount = true
pid = true
ipc = true
uts = true
cgroup = true
"""),
    ("the host's tree read-only, own /proc, /dev, /run, /tmp", "", """
[jail.chroot]
mode = "host"
proc = "invisible"
tmp = true
"""),
    ("a user of its own, no capability, no new privileges", "", """
[jail.identity]
user = "daemon"
capabilities = []
no_new_privileges = true
umask = "0077"
[jail.identity.limits]
nofile = "1024:4096"
fsize = "1G"
core = "0"
"""),
    ("a network of its own, without interfaces", "", '[jail.network]\nmode = "none"\n'),
    ("memory, tasks and processor limited", "", """
[jail.cgroups]
memory_max = "512M"
tasks_max = 256
cpu_quota = "100%"
"""),
    ("promises: a filter of system calls", "", """
[jail.pledge]
promises = "stdio rpath wpath cpath dpath fattr flock tcp dns proc exec prot_exec"
"""),
    ("Landlock: no abstract sockets or signals to others", "", '[jail.unveil]\nscope = "auto"\n'),
    ("homes and data of others hidden: profile untrusted", "", None),
]

HEAD = """
[unit]
start_limit_burst = 100000
[service]
type = "oneshot"
exec_start = ["/bin/true"]
[jail]
profile = "{profile}"
"""


def units():
    """Name of the unit -> what it adds, and name -> TOML, from the lowest rung up."""
    titles, texts = {}, {}
    walls = ""
    for number, (title, _, wall) in enumerate(RUNGS):
        name = f"rung{number}"
        titles[name] = title
        if wall is None:
            texts[name] = HEAD.format(profile="untrusted")
            continue
        walls += wall
        texts[name] = HEAD.format(profile="host") + walls
    return titles, texts
