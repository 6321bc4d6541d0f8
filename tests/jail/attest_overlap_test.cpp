// The first program of a jail goes to its gate while the jail is attested: it must not pass unless
// the jail holds, whichever gate it has.
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <filesystem>

#include "base/sys.hpp"
#include "jailer_world.hpp"

using namespace jailsvc;
using namespace jailsvc::test;

namespace {

constexpr const char* kEcho = "[service]\nexec_start = [\"/bin/echo\", \"ran\"]\n";
constexpr const char* kExecIsGate = "[jail.pledge]\npromises = \"stdio rpath prot_exec\"\n";
constexpr int kTries = 50;

/// Once the jail's init is executed, all its mounts are made. No event tells of another's exec.
void await_mounts(const JailerWorld& world, pid_t init) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    const std::string exe = "/proc/" + std::to_string(init) + "/exe";
    std::error_code error;
    while (!std::filesystem::equivalent(exe, world.places.stub, error)) {
        if (std::chrono::steady_clock::now() > deadline) FAIL("the jail's init was not executed");
        ::sched_yield();
    }
}

/// Another tmpfs over the jail's /tmp, with more than its plan says.
void tamper(pid_t init) {
    const pid_t helper = ::fork();
    if (helper == 0) {
        const std::string mounts = "/proc/" + std::to_string(init) + "/ns/mnt";
        const int fd = ::open(mounts.c_str(), O_RDONLY | O_CLOEXEC);
        const bool done =
            ::setns(fd, CLONE_NEWNS) == 0 && ::mount("stranger", "/tmp", "tmpfs", 0, nullptr) == 0;
        ::_exit(done ? 0 : 1);
    }
    int status = -1;
    REQUIRE(::waitpid(helper, &status, 0) == helper);
    REQUIRE(status == 0);
}

std::string output_of(const JailerWorld& world) {
    for (const KeptFd& item : world.kept) {
        if (item.kind != ipc::Kept::kLogPipe) continue;
        char text[64];
        REQUIRE(::fcntl(item.fd.get(), F_SETFL, O_NONBLOCK) == 0);
        const ssize_t count = ::read(item.fd.get(), text, sizeof text);
        return {text, count > 0 ? static_cast<std::size_t>(count) : 0};
    }
    return {};
}

/// Starts the unit and stops the jailer after it has cloned the jail's init and before it has
/// cloned the program; in `tries`, since nothing makes the jailer wait there. The token.
ipc::Token start_and_pause(JailerWorld& world) {
    for (ipc::Token token = 1; token < kTries; ++token) {
        world.start(token, "web");
        const auto is_begun = [&] { return world.registered_stub(token) > 0; };
        world.wait_until(is_begun, "the jail's init was registered");
        world.pause_jailer();
        if (!world.registered.contains(token)) return token;
        world.resume_jailer();
        world.wait_answered(token);
        world.wait_exit(token);
        (void)output_of(world);
        world.teardown(token, "web");
        world.wait_torn_down(token);
    }
    FAIL("the jailer was always faster");
    return 0;
}

}  // namespace

TEST_CASE("attest: no program runs in a jail that does not hold", "[jail][S2.10]") {
    if (::geteuid() != 0) {
        WARN("skipped: jails need root");
        return;
    }
    const bool exec_is_gate = GENERATE(false, true);
    const bool tampered = GENERATE(false, true);
    CAPTURE(exec_is_gate, tampered);
    JailerWorld world;
    world.write_unit("web", std::string(kEcho) + (exec_is_gate ? kExecIsGate : ""));
    world.start_jailer();
    const ipc::Token token = start_and_pause(world);
    const pid_t init = world.registered_stub(token);
    await_mounts(world, init);
    if (tampered) tamper(init);
    world.resume_jailer();
    CHECK(world.wait_answered(token) == !tampered);
    CHECK(world.registered.contains(token));  // it was on its way in any case
    world.wait_exit(token);
    CHECK(output_of(world) == (tampered ? "" : "ran\n"));
    if (tampered) {
        const std::string text(ipc::get_text(world.wait_failed(token).text));
        CHECK_THAT(text, Catch::Contains("/tmp"));
    }
    world.teardown(token, "web");
    world.wait_torn_down(token);
}
