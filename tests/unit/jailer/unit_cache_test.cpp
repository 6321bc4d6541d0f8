#include "jailer/loop/unit_cache.hpp"

#include <sys/resource.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>

#include "base/sys.hpp"

using namespace jailsvc;
using namespace jailsvc::jailer;

namespace {

/// Units and an empty profile in a folder of their own, no plugins, a loop.
struct World {
    World() {
        REQUIRE(::mkdtemp(path) != nullptr);
        for (const char* folder : {"/units", "/profiles", "/plugins", "/state"}) {
            REQUIRE(sys::make_directories(path + std::string(folder)));
        }
        REQUIRE(sys::replace_file(path + std::string("/profiles/default.toml"), "\n"));
        auto found =
            Places::from_arguments({"--config", path, "--state", path + std::string("/state"),
                                    "--plugins", path + std::string("/plugins")});
        REQUIRE(found);
        places = *found;
        plugins.emplace(PluginHost::load(places));
        sources.unit_dirs = places.unit_dirs;
        sources.profile_dirs = places.profile_dirs;
        cache.emplace(loop, *plugins, sources);
    }
    ~World() {
        cache.reset();
        ev_loop_destroy(loop);
        std::filesystem::remove_all(path);
    }
    void write(const std::string& program) const {
        REQUIRE(sys::replace_file(path + std::string("/units/web.toml"),
                                  "[service]\nexec_start = [\"" + program + "\"]\n"));
    }
    [[nodiscard]] Digest digest() const {
        const auto unit = config::load_unit(sources, plugins->schema(), "web");
        if (!unit) FAIL(config::to_string(unit.error().front()));
        return unit->digest;
    }
    UnitCache::Done into(std::vector<Result<LoadedPtr>>& results) {
        return [&results](Result<LoadedPtr> result) { results.push_back(std::move(result)); };
    }
    void run_until(const std::vector<Result<LoadedPtr>>& results, std::size_t count) const {
        bool late = false;
        TimerWatch limit(loop);
        limit.start(10, [&] { late = true; });
        while (results.size() < count && !late) ev_run(loop, EVRUN_ONCE);
        REQUIRE(results.size() == count);
    }
    char path[40] = "/tmp/jailsvc-cache-XXXXXX";
    struct ev_loop* loop = ev_loop_new(EVFLAG_AUTO);
    Places places;
    std::optional<PluginHost> plugins;
    config::Sources sources;
    std::optional<UnitCache> cache;
};

}  // namespace

TEST_CASE("unit cache: one plan serves all who ask for the same version", "[jailer]") {
    World world;
    world.write("/bin/one");
    const Digest digest = world.digest();
    std::vector<Result<LoadedPtr>> results;
    world.cache->get("web", digest, world.into(results));
    world.cache->get("web", digest, world.into(results));
    world.run_until(results, 2);
    REQUIRE(results[0]);
    REQUIRE(results[1]);
    CHECK(*results[0] == *results[1]);
    world.cache->get("web", digest, world.into(results));
    REQUIRE(results.size() == 3);  // at once: it was there
    CHECK(*results[2] == *results[0]);
    SECTION("until the units are read again") {
        world.cache->invalidate();
        world.cache->get("web", digest, world.into(results));
        world.run_until(results, 4);
        CHECK(*results[3] != *results[0]);
    }
}

TEST_CASE("unit cache: a file that is not what the engine read is refused", "[jailer]") {
    World world;
    world.write("/bin/one");
    const Digest before = world.digest();
    world.write("/bin/two");
    std::vector<Result<LoadedPtr>> results;
    world.cache->get("web", before, world.into(results));
    REQUIRE(results.size() == 1);
    REQUIRE_FALSE(results[0]);
    CHECK(results[0].error().message.find("daemon-reload") != std::string::npos);
    world.cache->get("web", world.digest(), world.into(results));
    world.run_until(results, 2);
    REQUIRE(results[1]);
    CHECK((*results[1])->unit.service.exec_start.front() == "/bin/two");
}

TEST_CASE("unit cache: what was started starts again whatever its file says by now", "[jailer]") {
    World world;
    world.write("/bin/one");
    const Digest before = world.digest();
    std::vector<Result<LoadedPtr>> results;
    world.cache->get("web", before, world.into(results));
    world.run_until(results, 1);
    REQUIRE(results[0]);
    world.write("\"");
    world.cache->invalidate();

    SECTION("a file that does not load") {
        world.cache->get("web", before, world.into(results));
        REQUIRE(results.size() == 2);
        REQUIRE(results[1]);
        CHECK(*results[1] == *results[0]);
        SECTION("and is planned anew once it does again") {
            world.write("/bin/one");
            world.cache->get("web", before, world.into(results));
            world.run_until(results, 3);
            REQUIRE(results[2]);
            CHECK(*results[2] != *results[0]);
        }
    }
    SECTION("a file that says something else") {
        world.write("/bin/two");
        world.cache->get("web", before, world.into(results));
        REQUIRE(results.size() == 2);
        REQUIRE(results[1]);
        CHECK(*results[1] == *results[0]);
        world.cache->get("web", world.digest(), world.into(results));
        world.run_until(results, 3);
        REQUIRE(results[2]);  // who asks for the new one gets that
        CHECK((*results[2])->unit.service.exec_start.front() == "/bin/two");
    }
    SECTION("control: another digest than that of the start") {
        Digest other = before;
        other[0] ^= decltype(other)::value_type{1};
        world.cache->get("web", other, world.into(results));
        REQUIRE(results.size() == 2);
        CHECK_FALSE(results[1]);
    }
    SECTION("control: a unit that left memory") {
        world.cache->forget("web");
        world.cache->get("web", before, world.into(results));
        REQUIRE(results.size() == 2);
        CHECK_FALSE(results[1]);
    }
    SECTION("also what an earlier jailer started") {
        world.cache->forget("web");
        world.cache->remember(*results[0]);
        world.cache->get("web", before, world.into(results));
        REQUIRE(results.size() == 2);
        REQUIRE(results[1]);
        CHECK(*results[1] == *results[0]);
    }
}

TEST_CASE("unit cache: a unit is planned again from the text that was kept of it", "[jailer]") {
    World world;
    world.write("/bin/one");
    const auto unit = config::load_unit(world.sources, world.plugins->schema(), "web");
    REQUIRE(unit);
    world.write("/bin/two");
    std::vector<Result<LoadedPtr>> results;
    world.cache->get_from_text("web", unit->text.str(), world.into(results));
    world.run_until(results, 1);
    REQUIRE(results[0]);
    CHECK((*results[0])->unit.service.exec_start.front() == "/bin/one");
    CHECK((*results[0])->plan.digest() == unit->digest);
}

TEST_CASE("unit cache: no plan lets a program inherit the jailer's descriptor limit", "[jailer]") {
    Plan plan;
    Op last;
    last.kind = JSV_OP_NO_NEW_PRIVS;
    last.stage = JSV_STAGE_LOCKDOWN;
    plan.ops = {last};
    add_core_operations(plan, 1024, 4096);
    REQUIRE(plan.ops.size() == 2);
    CHECK(plan.ops[0].kind == JSV_OP_RLIMIT);
    CHECK(plan.ops[0].number == std::array<std::uint64_t, 3>{RLIMIT_NOFILE, 1024, 4096});
    const Plan once = plan;
    add_core_operations(plan, 7, 7);  // a limit the unit names stays
    CHECK(plan.ops == once.ops);
}
