// Where the keeper refuses to start.
#include <sys/stat.h>
#include <unistd.h>

#include "three.hpp"

using namespace jailsvc;
using test::Keeper;

TEST_CASE("keeper: refuses to start beside a living one and replaces a dead one's socket",
          "[keeper]") {
    Keeper keeper;
    (void)keeper.started("engine");
    CHECK(test::run(keeper.program(), {"--state", keeper.state()}) == 1);
    CHECK(test::run(keeper.program(), {"--frob"}) == 2);
    CHECK(test::run(keeper.program(), {"--state", "relative"}) == 2);
    CHECK(test::run(keeper.program(), {"--version"}) == 0);
    CHECK(test::run(keeper.program(), {"--help"}) == 0);

    keeper.crash();
    REQUIRE(::access((keeper.state() + "/run/control").c_str(), F_OK) == 0);
    keeper.start();
    (void)keeper.started("engine");
}

TEST_CASE("keeper: refuses directories in which others could exchange its own", "[keeper]") {
    Keeper keeper;
    (void)keeper.started("engine");
    keeper.crash();
    const std::string config = keeper.folder() + "/config";
    REQUIRE(::mkdir(config.c_str(), 0755) == 0);
    REQUIRE(::chmod(config.c_str(), 0775) == 0);
    CHECK(test::run(keeper.program(), {"--state", keeper.state(), "--config", config}) == 1);
    REQUIRE(::chmod(keeper.state().c_str(), 0777) == 0);
    CHECK(test::run(keeper.program(), {"--state", keeper.state()}) == 1);

    // Whose names cannot be exchanged may be written to, as /tmp may.
    REQUIRE(::chmod(keeper.state().c_str(), 01777) == 0);
    keeper.start();
    (void)keeper.started("engine");
}

TEST_CASE("keeper: refuses directories that its engine and logger cannot get through", "[keeper]") {
    Keeper keeper;
    (void)keeper.started("engine");
    keeper.crash();
    const std::string closed = keeper.folder() + "/closed";
    REQUIRE(::mkdir(closed.c_str(), 0700) == 0);
    for (const char* option : {"--state", "--config"}) {
        if (::geteuid() != 0) continue;  // all of it runs as one user then
        CHECK(test::run(keeper.program(), {"--state", keeper.state(), option, closed + "/inner"}) ==
              1);
    }
    REQUIRE(::chmod(closed.c_str(), 0711) == 0);  // the control
    keeper.start(closed + "/inner");
    (void)keeper.started("engine");
}
