// The jailer is killed at each step of a start in a private network; the next one leaves nothing.

#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <filesystem>

#include "base/sys.hpp"
#include "jailer/net/links.hpp"
#include "jailer/net/nft.hpp"
#include "private_network.hpp"
#include "step_tracer.hpp"

using namespace jailsvc;
using namespace jailsvc::test;

namespace {

bool has_files(const std::string& folder) {
    std::error_code none;
    return std::filesystem::directory_iterator(folder, none) !=
           std::filesystem::directory_iterator();
}

}  // namespace

TEST_CASE("private network: a jailer killed at any step of a start leaves nothing to the next",
          "[jail][network][chaos]") {
    NEED_NETWORKS;
    const Machine machine;
    Chain chain;
    JailerWorld& world = chain.world;
    const std::string mapped =
        "user = true\n[jail.identity]\ndynamic_user = false\nuser = \"root\"\n";
    world.write_unit("web", serving("web", 8000,
                                    "mode = \"private\"\nedges = [\"api:8080\"]\n"
                                    "forwards = [\"8088:8000\"]\n[jail.chroot]\n"
                                    "state_directory = [\"web\"]\n[jail.namespaces]\n" +
                                        mapped));
    const std::string before = everything();
    ipc::Token token = 1;
    int step = 1, left = 0;
    for (bool killed = true; killed; ++step) {
        INFO("killed at step " << step);
        world.start_jailer();
        (void)world.count_processes("web");  // it has begun
        {
            StepTracer tracer(world.jailer(), step);
            world.start(token, "web");
            killed = tracer.killed();
        }
        if (!killed) break;
        left += everything() != before ? 1 : 0;
        world.kill_jailer();
        world.start_jailer();
        world.teardown(token, "web");
        world.wait_torn_down(token++);
        world.start(token, "db");  // after whatever is swept
        world.wait_started(token);
        chain.down(token++, "db");
        CHECK(everything() == before);
        CHECK_FALSE(has_files(world.places.hosts_root()));
        world.kill_jailer();
    }
    CHECK(step > 20);
    CHECK(left > 3);  // control: there was something to sweep
    world.wait_started(token);
    chain.down(token, "web");
    CHECK(everything() == before);
}

TEST_CASE("private network: what a worker leaves that was killed in a teardown is taken away",
          "[jail][network][chaos][S4.15]") {
    NEED_NETWORKS;
    const Machine machine;
    Chain chain;
    JailerWorld& world = chain.world;
    const std::string before = everything();
    world.start_jailer();
    const auto end_web = [&](ipc::Token token, int killed) {
        chain.up(token, "web", 8000);
        StepTracer tracer = StepTracer::of_workers(world.jailer(), killed);
        world.teardown(token, "web");
        world.wait_torn_down(token);
        REQUIRE(tracer.killed());
    };
    end_web(1, 1);  // by the next worker, before the end is told
    CHECK(everything() == before);
    end_web(2, 2);
    CHECK(everything() != before);  // control: it is what they have left
    world.start(3, "db");
    world.wait_started(3);
    chain.down(3, "db");
    CHECK(everything() == before);
}
