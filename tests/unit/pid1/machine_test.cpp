#include "pid1/machine.hpp"

#include <linux/reboot.h>
#include <signal.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cerrno>

using namespace jailsvc::pid1;
using jailsvc::ipc::ShutdownKind;

TEST_CASE("machine: only PID 1 may signal all, and only the machine's init unmounts and reboots",
          "[pid1]") {
    for (const Act act : {Act::kSignalAll, Act::kUnmountAll, Act::kReboot}) {
        CHECK_FALSE(may_act(Rank::kSubreaper, act));
        CHECK(may_act(Rank::kMachineInit, act));
    }
    CHECK(may_act(Rank::kContainerInit, Act::kSignalAll));
    CHECK_FALSE(may_act(Rank::kContainerInit, Act::kUnmountAll));
    CHECK_FALSE(may_act(Rank::kContainerInit, Act::kReboot));
}

TEST_CASE("machine: the function refuses in any other process", "[pid1]") {
    REQUIRE(::getpid() != 1);
    CHECK(own_rank() == Rank::kSubreaper);
    // Signal 0 tests for existence only: harmless even if the refusal were missing.
    errno = 0;
    CHECK_FALSE(signal_all(0));
    CHECK(errno == EPERM);
    for (const Act act : {Act::kSignalAll, Act::kUnmountAll, Act::kReboot})
        CHECK_FALSE(may_act(act));
    // The negative control: others do run, and a signal to one of them is not refused.
    CHECK(::kill(::getppid(), 0) == 0);
}

TEST_CASE("machine: signals mean the end to a container and power to a machine", "[pid1]") {
    CHECK(kind_of_signal(Rank::kSubreaper, SIGINT) == ShutdownKind::kExit);
    CHECK(kind_of_signal(Rank::kContainerInit, SIGPWR) == ShutdownKind::kExit);
    CHECK(kind_of_signal(Rank::kMachineInit, SIGINT) == ShutdownKind::kReboot);
    CHECK(kind_of_signal(Rank::kMachineInit, SIGTERM) == ShutdownKind::kPowerOff);
    CHECK(reboot_command(ShutdownKind::kReboot) == static_cast<int>(LINUX_REBOOT_CMD_RESTART));
    CHECK(reboot_command(ShutdownKind::kExit) == static_cast<int>(LINUX_REBOOT_CMD_POWER_OFF));
}
