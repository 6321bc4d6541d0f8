#include <catch2/catch.hpp>

#include "config/load.hpp"
#include "unit_tree.hpp"

using namespace jailsvc;
using namespace jailsvc::config;
using namespace jailsvc::config::test;

namespace {

constexpr const char* kService = "[service]\nexec_start = [\"/bin/x\"]\n";

std::string errors_of(const std::string& text) {
    return told(verify_text(test_schema(), "web.toml", text));
}

}  // namespace

TEST_CASE("socket table: a unit has what its file says of its sockets", "[config]") {
    const UnitTree tree;
    tree.write("etc/web.toml", std::string(kService) +
                                   "[socket]\nlisten = [\"tcp:80\", \"unix:/run/w\"]\n"
                                   "names = [\"http\", \"local\"]\nactivation = \"on_demand\"\n"
                                   "mode = \"0660\"\nbacklog = 7\ntrigger_limit_interval = \"1s\"");
    tree.write("etc/plain.toml", kService);
    const Unit web = loaded(tree, "web");
    CHECK(web.socket->listen == List<std::string>{"tcp:80", "unix:/run/w"});
    CHECK(web.socket->names.size() == 2);
    CHECK(web.socket->activation == Activation::kOnDemand);
    CHECK(web.socket->waits_for_connections());
    CHECK(web.socket->backlog == 7);
    CHECK(web.socket->trigger_limit_interval == std::chrono::seconds(1));
    const Unit plain = loaded(tree, "plain");
    CHECK_FALSE(plain.socket->present());
    CHECK(*plain.socket == SocketTable{});
}

TEST_CASE("socket table: a unit that only accepts has no service of its own", "[config]") {
    const UnitTree tree;
    tree.write("etc/echo.toml", "[socket]\nlisten = [\"tcp:7\"]\naccept = true\n");
    const Unit echo = loaded(tree, "echo");
    CHECK(echo.is_target);
    CHECK(echo.socket->waits_for_connections());
    CHECK(errors_of("[socket]\nlisten = [\"tcp:7\"]\naccept = true\n" + std::string(kService))
              .find("move this table there") != std::string::npos);
    CHECK(errors_of("[socket]\nlisten = [\"tcp:7\"]\n").find("there is no [service]") !=
          std::string::npos);
    CHECK(errors_of("[socket]\nlisten = [\"udp:7\"]\naccept = true\n").find("no connections") !=
          std::string::npos);
}

TEST_CASE("socket table: each mistake is told with its place and the cure", "[config]") {
    const std::pair<const char*, const char*> cases[] = {
        {"backlog = 5", "listen: missing"},
        {"listen = []", "listen: missing"},
        {"listen = [\"tcp:http\"]", "web.toml:4:11: listen: \"tcp:http\": the port has to be"},
        {"listen = [\"tcp:80\", \"tcp:080\"]", "is there twice"},
        {"listen = [\"tcp:80\"]\nnames = [\"a\", \"b\"]", "names: 2 for 1 addresses"},
        {"listen = [\"tcp:80\"]\nnames = [\"a:b\"]", "is no name of a socket"},
        {"listen = [\"tcp:80\"]\nmode = \"888\"", "is no mode"},
        {"listen = [\"tcp:80\"]\nmode = \"4755\"", "is no mode"},
        {"listen = [\"tcp:80\"]\nbacklog = 0", "out of range"},
        {"listen = [\"tcp:80\"]\nstdio = true", "stdio: only with accept"},
        {"listen = [\"tcp:80\"]\nactivation = \"lazy\"", "on_demand"},
        {"listen = [\"tcp:80\"]\nbind_to_device = \"a/b\"", "no name of an interface"},
        {"lisen = [\"tcp:80\"]", "listen"},
    };
    for (const auto& [lines, wanted] : cases) {
        const std::string errors = errors_of(std::string(kService) + "[socket]\n" + lines + "\n");
        INFO(errors);
        CHECK(errors.find(wanted) != std::string::npos);
    }
    CHECK(
        errors_of(std::string(kService) + "[socket]\nlisten = [\"tcp:80\"]\n").empty());  // control
}
