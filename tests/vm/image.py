"""Makes the disk of the virtual machine: programs of this Debian, the kernel's modules, our build.

usage: image.py BUILD KERNEL IMAGE     (root: the files in it belong to root)
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
VERSION = sysconfig.get_python_version()
# What units and tests execute. Whatever else a shell may want is busybox's.
PACKAGES = ["dash", "coreutils", "util-linux", "grep", "procps", "kmod", "busybox-static",
            "libnftables1", "musl", "python3-minimal", f"python{VERSION}-minimal",
            f"libpython{VERSION}-minimal", f"libpython{VERSION}-stdlib"]
UNUSED = re.compile(r"/usr/share/(doc|man|locale|info|lintian|bash-completion)/|\.pyc$"
                    r"|/(idlelib|lib2to3|ensurepip|pydoc_data|unittest/test)/")
# Modules beside those of networks and file systems; the kernel has the disk's built in.
MODULES = ["fs/overlayfs", "fs/fuse", "net/bridge", "net/802", "net/llc", "net/netfilter",
           "net/ipv4", "net/ipv6", "lib", "crypto", "drivers/net/veth.ko", "drivers/net/tun.ko",
           "drivers/watchdog/softdog.ko"]
# What some tests run where it is installed, and say so where it is not.
DAEMONS = ["/usr/sbin/nginx", "/usr/bin/curl"]
PROGRAMS = ["test-jail", "test-escape", "test-pledge", "test-keeper-process", "fake-role",
            "escape-attacker", "pledge-*", "plugins/*.so"]
SIZE = 600 << 20  # of which files take a sixth; the rest is a hole
PASSWD = "root:x:0:0:root:/root:/bin/sh\nwww-data:x:33:33::/var/www:/bin/false\n" \
         "nobody:x:65534:65534::/nonexistent:/bin/false\n"
GROUP = "root:x:0:\ntty:x:5:\nwww-data:x:33:\nnogroup:x:65534:\n"


def output_of(*command):
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def copy(source, root, target=None):
    """One file, link or tree of links' ends, at the same place below `root`."""
    to = root / (target or str(source).lstrip("/"))
    to.parent.mkdir(parents=True, exist_ok=True)
    if to.exists() or to.is_symlink():
        return
    if source.is_symlink():
        to.symlink_to(os.readlink(source))
    elif source.is_file():
        shutil.copy2(source, to)


def make_skeleton(root):
    for name in ("proc", "sys", "dev", "run", "tmp", "var/log", "var/lib/nginx", "var/log/nginx", "var/tmp", "home",
                 "mnt", "srv", "root", "etc", "usr/bin", "usr/sbin", "usr/lib", "usr/lib64"):
        (root / name).mkdir(parents=True)
    (root / "tmp").chmod(0o1777)
    (root / "var/tmp").chmod(0o1777)
    (root / "root").chmod(0o700)
    for name in ("bin", "sbin", "lib", "lib64"):
        (root / name).symlink_to(f"usr/{name}")
    (root / "etc/passwd").write_text(PASSWD)
    (root / "etc/group").write_text(GROUP)
    (root / "etc/shadow").write_text("root:*:19000::::::\n")
    (root / "etc/shadow").chmod(0o600)
    (root / "etc/hostname").write_text("machine\n")
    (root / "etc/hosts").write_text("127.0.0.1 localhost machine\n")


def copy_packages(root):
    for package in PACKAGES:
        listed = output_of("dpkg", "-L", package).splitlines()
        if not listed:
            raise SystemExit(f"image: the package {package} is not installed")
        for name in listed:
            path = pathlib.Path(name)
            if not UNUSED.search(name) and (path.is_symlink() or path.is_file()):
                copy(path, root)
    for daemon in map(pathlib.Path, DAEMONS):
        if daemon.exists():
            copy(daemon.resolve(), root, str(daemon).lstrip("/"))
    for applet in output_of("busybox", "--list").split():
        if not any((root / "usr" / folder / applet).is_symlink()
                   or (root / "usr" / folder / applet).exists() for folder in ("bin", "sbin")):
            (root / "usr/bin" / applet).symlink_to("/bin/busybox")


def copy_build(root, build):
    """As installed, below /usr; and what the tests were built with, where it lies here."""
    subprocess.run(["cmake", "--install", build, "--prefix", "/usr"], check=True,
                   env=os.environ | {"DESTDIR": str(root)}, stdout=subprocess.DEVNULL)
    for folder in ("bin", "lib"):
        shutil.copytree(build / folder, root / str(build / folder).lstrip("/"), symlinks=True)
    for pattern in PROGRAMS:
        for program in (build / "tests").glob(pattern):
            copy(program, root)
    shutil.copytree(ROOT / "tests", root / str(ROOT / "tests").lstrip("/"))
    shutil.copytree(ROOT / "tests/vm/guest", root / "vm")
    shutil.copy2(build / "tests/vm-orphans", root / "vm/orphans")


def copy_modules(root, kernel):
    version = next((kernel / "lib/modules").iterdir())
    target = root / "usr/lib/modules" / version.name
    for name in MODULES:
        for path in [version / "kernel" / name, *version.glob(f"kernel/{name}.xz")]:
            if path.is_dir():
                shutil.copytree(path, target / "kernel" / name)
            elif path.exists():
                copy(path, root, f"usr/lib/modules/{version.name}/{path.relative_to(version)}")
    for path in version.glob("modules.*"):
        shutil.copy2(path, target)
    subprocess.run(["/sbin/depmod", "-b", root, version.name], check=True)


def is_elf(path):
    with open(path, "rb") as file:
        return file.read(4) == b"\x7fELF"


def copy_libraries(root):
    """Every shared object that one in the tree names, as the loader finds it here."""
    programs = [path for path in root.rglob("*")
                if path.is_file() and not path.is_symlink() and path.suffix != ".ko"
                and is_elf(path)]
    found = set(re.findall(r"(/\S+) \(0x", output_of("ldd", *programs)))
    for name in sorted(found):
        if name.startswith(str(root)):
            continue
        source = pathlib.Path(name)
        copy(source, root)
        if source.is_symlink():
            copy(source.resolve(), root)


def make(build, kernel, image):
    with tempfile.TemporaryDirectory(prefix="jailsvc-image.", dir=image.parent) as folder:
        root = pathlib.Path(folder) / "root"
        root.mkdir(mode=0o755)
        make_skeleton(root)
        copy_packages(root)
        copy_build(root, build)
        copy_modules(root, kernel)
        copy_libraries(root)
        subprocess.run(["/sbin/ldconfig", "-r", root], check=True)
        image.write_bytes(b"")
        os.truncate(image, SIZE)
        subprocess.run(["/sbin/mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", "-d", root, image],
                       check=True)


if __name__ == "__main__":
    make(*(pathlib.Path(argument).resolve() for argument in sys.argv[1:4]))
