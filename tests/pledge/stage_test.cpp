// The second stage: what the loader needs is permitted until main, and not from there on; a program
// that does not come there that way does not go on.

#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <filesystem>

#include "jailed.hpp"
#include "jailer_world.hpp"

using namespace jailsvc;
using namespace jailsvc::test;

#define NEED_ROOT \
    if (!can_jail()) return

namespace {

constexpr const char* kStage = "[jail.pledge]\nstage = \"main\"\npromises = \"stdio\"\n";
constexpr const char* kNoStage = "[jail.pledge]\npromises = \"stdio rpath prot_exec\"\n";

struct Trying {
    Site site;
    std::string program = site.directory() + "/open/staged";

    explicit Trying(const std::string& kind) {
        std::filesystem::copy_file(JAILSVC_STAGED + kind, program);
        REQUIRE(::chmod(program.c_str(), 0755) == 0);
    }
    Ran run(const std::string& jail, const std::vector<std::string>& more = {}) {
        std::vector<std::string> argv{program};
        argv.insert(argv.end(), more.begin(), more.end());
        return site.execute(jail, argv);
    }
};

bool is_built(const std::string& kind) {
    if (std::filesystem::exists(JAILSVC_STAGED + kind)) return true;
    WARN("skipped: " << JAILSVC_STAGED << kind << " was not built; install musl-tools");
    return false;
}

}  // namespace

TEST_CASE("stage main: what only the loader needs is dropped at main", "[pledge][stage]") {
    NEED_ROOT;
    for (const char* kind : {"-dynamic", "-musl-dynamic"}) {
        if (!is_built(kind)) continue;
        INFO(kind);
        Trying trying(kind);
        const Ran staged = trying.run(kStage);
        CHECK(staged.error == "");
        CHECK(staged.output ==
              "before open yes\nbefore map yes\nmain open EPERM\nmain map EPERM\n"
              "thread open EPERM\nmain clean yes\nmain closed yes\n");
        // Control: promised for good.
        const Ran whole = trying.run(kNoStage);
        CHECK(whole.has("main open yes\nmain map yes\nthread open yes\n"));
    }
}

TEST_CASE("stage main: a program that does not come to it does not go on", "[pledge][stage]") {
    NEED_ROOT;
    for (const char* kind : {"-static", "-musl-static"}) {
        if (!is_built(kind)) continue;
        Trying trying(kind);
        CHECK(trying.run(kStage).error != "");
        CHECK(trying.run(kNoStage).error == "");  // control
    }
    Trying trying("-dynamic");
    CHECK(trying.run(kStage, {"leave"}).error == "it ended before its main");
    const Ran cheat = trying.run(kStage, {"cheat"});
    CHECK(cheat.error.find("Seccomp_filters is ") != std::string::npos);
    CHECK_FALSE(cheat.has("cheated"));
}

TEST_CASE("stage main: the object is there whatever the jail shows", "[pledge][stage]") {
    NEED_ROOT;
    Trying trying("-dynamic");
    const std::string libraries =
        "[jail.unveil]\nlibraries = true\n\"/etc/passwd\" = \"r\"\n\"/etc/ld.so.cache\" = "
        "\"r\"\n\"" +
        trying.program + "\" = \"rx\"\n";
    const auto held = [](const Ran& ran) {
        return ran.error.empty() && ran.has("before map yes\nmain open EPERM\nmain map EPERM\n");
    };
    for (const std::string& jail :
         {libraries, libraries + "view = false\n", libraries + "landlock = false\n",
          std::string("[jail.chroot]\nmode = \"none\"\n"),
          std::string("[jail]\nprofile = \"host\"\n"
                      "[jail.identity]\nno_new_privileges = true\n")}) {
        const Ran ran = trying.run(jail + kStage);
        INFO(jail << ran.error << ran.output);
        CHECK(held(ran));
    }
}

TEST_CASE("stage main: under the jailer a start is done at main", "[pledge][stage]") {
    NEED_ROOT;
    Trying trying("-dynamic"), fixed("-static");
    JailerWorld world;
    const auto unit = [](const std::string& program, const std::string& word) {
        return "[service]\nexec_start = [\"" + program + "\"" + word + "]\n" + kStage;
    };
    world.write_unit("staged", unit(trying.program, ""));
    world.write_unit("leaver", unit(trying.program, ", \"leave\""));
    world.write_unit("cheat", unit(trying.program, ", \"cheat\""));
    world.write_unit("fixed", unit(fixed.program, ""));
    world.start_jailer();
    world.start(1, "staged");
    CHECK(world.wait_started(1).pid > 0);
    CHECK(world.wait_exit(1) == 0);
    world.start(2, "leaver");
    CHECK(std::string(world.wait_failed(2).text).find("did not report from its main") !=
          std::string::npos);
    world.start(3, "cheat");
    CHECK(std::string(world.wait_failed(3).text).find("Seccomp_filters") != std::string::npos);
    world.start(4, "fixed");
    CHECK(std::string(world.wait_failed(4).text).find("is static") != std::string::npos);
}
