// A program without the promise exec is executed, and can then never execute another: tried in
// every way, by programs of both C libraries.

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

#include "jailed.hpp"
#include "jailer_world.hpp"

using namespace jailsvc;
using namespace jailsvc::test;

#define NEED_ROOT \
    if (!can_jail()) return

namespace {

constexpr const char* kForever = "stdio rpath prot_exec proc";

std::string pledge(const std::string& promises) {
    return "[jail.pledge]\npromises = \"" + promises + "\"\n";
}

/// A Site with one of the programs in it.
struct Trying {
    Site site;
    std::string program = site.directory() + "/open/once";

    explicit Trying(const std::string& built) {
        std::filesystem::copy_file(built, program);
        REQUIRE(::chmod(program.c_str(), 0755) == 0);
    }
    std::string try_ways(const std::string& promises, std::vector<std::string> ways) {
        ways.insert(ways.begin(), program);
        const Ran ran = site.execute(pledge(promises), ways);
        REQUIRE(ran.error == "");
        return ran.output;
    }
};

/// Whether the process comes to catch SIGUSR1; it says so to nobody.
bool catches_signal(pid_t pid) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (std::chrono::steady_clock::now() < end) {
        std::ifstream file("/proc/" + std::to_string(pid) + "/status");
        const std::string text((std::istreambuf_iterator<char>(file)), {});
        if (text.find("SigCgt:\t0000000000000200") != std::string::npos) return true;
        std::this_thread::yield();
    }
    return false;
}

void try_all(const std::string& built) {
    Trying trying(built);
    CHECK(trying.try_ways(kForever, {"fork", "vfork", "thread", "spawn", "execveat", "self"}) ==
          "fork ENOSYS\nvfork ENOSYS\nthread ENOSYS\nspawn ENOSYS\nexecveat ENOSYS\nself ENOSYS\n");
    // The control: with the promise all of them work.
    const std::string exec = std::string(kForever) + " exec";
    CHECK(trying.try_ways(exec, {"fork", "vfork", "spawn", "execveat", "self"}) ==
          "fork executed\nvfork executed\nspawn executed\nexecveat executed\nself executed\n");
    CHECK(trying.try_ways(exec, {"thread"}) == "thread executed\n");
}

}  // namespace

TEST_CASE("exec once: a static program of glibc's", "[pledge][once]") {
    NEED_ROOT;
    try_all(JAILSVC_ONCE "-static");
}

TEST_CASE("exec once: a dynamic program of glibc's", "[pledge][once]") {
    NEED_ROOT;
    try_all(JAILSVC_ONCE "-dynamic");
}

TEST_CASE("exec once: programs of musl's", "[pledge][once]") {
    NEED_ROOT;
    for (const char* kind : {"-musl-static", "-musl-dynamic"}) {
        const std::string built = std::string(JAILSVC_ONCE) + kind;
        if (!std::filesystem::exists(built)) {
            WARN("skipped: " << built << " was not built; install musl-tools");
            continue;
        }
        try_all(built);
    }
}

TEST_CASE("exec once: the program cannot answer its own exec with a listener of its own",
          "[pledge][once]") {
    NEED_ROOT;
    Trying trying(JAILSVC_ONCE "-static");
    CHECK(trying.try_ways(std::string(kForever) + " unveil", {"override"}) == "override EPERM\n");
    // The control: where execs are permitted it may do no more with no filter in the way.
    const Ran open = trying.site.execute("[jail.pledge]\npromises = \"any\"\n", {trying.program, "override"});
    CHECK(open.output == "override executed\n");
}

TEST_CASE("exec once: a script is executed, by its interpreter, within the one exec",
          "[pledge][once]") {
    NEED_ROOT;
    Site site;
    const std::string script = site.directory() + "/open/script";
    REQUIRE(::system(("printf '#!/bin/sh\\necho ran; /bin/true; echo $?\\n' >" + script +
                      "; chmod 755 " + script)
                         .c_str()) == 0);
    const Ran ran = site.execute(pledge("stdio rpath prot_exec proc"), {script});
    CHECK(ran.error == "");
    CHECK(ran.has("ran\n"));
    CHECK(ran.has("126\n"));  // as a shell reports a program that could not be executed
    const Ran control = site.execute(pledge("stdio rpath prot_exec proc exec"), {script});
    CHECK(control.output == "ran\n0\n");
}

TEST_CASE("exec once: a program that cannot be executed says why", "[pledge][once]") {
    NEED_ROOT;
    Site site;
    const Ran ran = site.execute(pledge("stdio"), {"/nonexistent"});
    CHECK(ran.error.find("No such file") != std::string::npos);
}

TEST_CASE("pledge: Python works with what it needs, and fails softly at what it did not promise",
          "[pledge]") {
    NEED_ROOT;
    Site site;
    const std::string script = R"(
import os, socket, threading, subprocess
threads = [threading.Thread(target=lambda: None) for _ in range(4)]
[t.start() for t in threads]; [t.join() for t in threads]
print('threads', open('/etc/hostname').read() != '')
for name, act in (('write', lambda: open('/tmp/f', 'w')), ('socket', socket.socket),
                  ('fork', os.fork), ('exec', lambda: os.execv('/bin/true', ['true']))):
    try: act(); print(name, 'done')
    except OSError as error: print(name, error.errno)
)";
    const std::vector<std::string> argv = {"/usr/bin/python3", "-SIc", script};
    const Ran held = site.execute(pledge("stdio rpath prot_exec"), argv);
    CHECK(held.error == "");
    CHECK(held.output == "threads True\nwrite 1\nsocket 1\nfork 1\nexec 38\n");
    const Ran more = site.execute(pledge("stdio rpath wpath cpath inet prot_exec"), argv);
    CHECK(more.has("write done\nsocket done\nfork 1\nexec 38\n"));
}

TEST_CASE("pledge: a server and its client talk over TCP with inet, and not without",
          "[pledge][S0.13]") {
    NEED_ROOT;
    Site site;
    const std::string script = R"(
import http.server, threading, urllib.request
server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), http.server.SimpleHTTPRequestHandler)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = 'http://127.0.0.1:%d/etc/passwd' % server.server_port
print(urllib.request.urlopen(url).status)
)";
    const std::vector<std::string> argv = {"/usr/bin/python3", "-SIc", script};
    CHECK(site.execute(pledge("stdio rpath inet prot_exec"), argv).has("\n200\n"));
    CHECK(site.execute(pledge("stdio rpath tcp prot_exec"), argv).has("\n200\n"));
    CHECK(site.execute(pledge("stdio rpath unix prot_exec"), argv).has("PermissionError"));
}

TEST_CASE("exec once: holds under the jailer, and after its death", "[pledge][once]") {
    NEED_ROOT;
    Trying trying(JAILSVC_ONCE "-static");
    JailerWorld world;
    const auto unit = [&](const std::string& promises) {
        return "[service]\nexec_start = [\"" + trying.program + "\", \"wait\"]\n" +
               pledge(promises);
    };
    world.write_unit("held", unit("stdio rpath"));
    world.write_unit("open", unit("stdio rpath exec"));
    world.write_unit("absent", "[service]\nexec_start = [\"/nonexistent\"]\n" + pledge("stdio"));
    world.start_jailer();
    world.start(1, "held");
    world.start(2, "open");
    const pid_t held = world.wait_started(1).pid;
    const pid_t open = world.wait_started(2).pid;
    world.start(3, "absent");
    CHECK(world.wait_failed(3).code == ENOENT);
    world.kill_jailer();
    for (const pid_t pid : {held, open}) {
        REQUIRE(catches_signal(pid));
        REQUIRE(::kill(pid, SIGUSR1) == 0);
    }
    CHECK(world.wait_exit(1) == 0);
    CHECK(WEXITSTATUS(world.wait_exit(2)) == 9);  // the control: it was executed again
}
