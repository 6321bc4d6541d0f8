#include "jailer/loop/program.hpp"

#include <catch2/catch.hpp>
#include <csignal>
#include <cstdlib>

using namespace jailsvc;
using namespace jailsvc::jailer;

TEST_CASE("program: each purpose has its own commands", "[jailer]") {
    config::Unit unit;
    unit.name = "web";
    unit.service.exec_start = {"/bin/web"};
    unit.service.exec_stop = {{"/bin/one"}, {"/bin/two"}};
    CHECK(command_of(unit.service, ipc::Purpose::kMain, 0).value()[0] == "/bin/web");
    CHECK(command_of(unit.service, ipc::Purpose::kStop, 1).value()[0] == "/bin/two");
    CHECK_FALSE(command_of(unit.service, ipc::Purpose::kStop, 2));
    CHECK_FALSE(command_of(unit.service, ipc::Purpose::kReload, 0));
    CHECK_FALSE(command_of(unit.service, ipc::Purpose::kClient, 0));
}

TEST_CASE("program: the environment is clean but for what the plan names", "[jailer][S4.12]") {
    REQUIRE(::setenv("JAILSVC_TEST_SECRET", "x", 1) == 0);
    Plan plan;
    plan.environment = {"HOME=/var/lib/web", "PORT=80"};
    CHECK(to_strings(base_environment(plan)) ==
          std::vector<std::string>{"HOME=/var/lib/web", "PATH=" + std::string(kDefaultPath),
                                   "PORT=80"});
    plan.environment = {"PATH=/opt/bin"};
    CHECK(to_strings(base_environment(plan)) == std::vector<std::string>{"PATH=/opt/bin"});
}

TEST_CASE("program: exec_stop_post is told how the service ended", "[jailer]") {
    config::Unit unit;
    unit.service.success_exit_status = {3};
    const struct {
        int status;
        const char *result, *code, *exit;
    } cases[] = {{0, "success", "exited", "0"},        {3 << 8, "success", "exited", "3"},
                 {1 << 8, "exit-code", "exited", "1"}, {15, "success", "killed", "TERM"},
                 {9, "signal", "killed", "KILL"},      {11 | 0x80, "core-dump", "dumped", "SEGV"}};
    for (const auto& c : cases) {
        Environment environment;
        add_exit_variables(environment, unit.service, c.status);
        CHECK(environment["SERVICE_RESULT"] == c.result);
        CHECK(environment["EXIT_CODE"] == c.code);
        CHECK(environment["EXIT_STATUS"] == c.exit);
    }
    Environment environment;
    add_exit_variables(environment, unit.service, SIGKILL, "oom-kill");
    CHECK(environment["SERVICE_RESULT"] == "oom-kill");
    CHECK(environment["EXIT_CODE"] == "killed");
}
