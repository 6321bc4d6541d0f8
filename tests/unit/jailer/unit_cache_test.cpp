#include "jailer/loop/unit_cache.hpp"

#include <sys/resource.h>

#include <catch2/catch.hpp>
#include <filesystem>

#include "plugin_files.hpp"

using namespace jailsvc;
using namespace jailsvc::jailer;
using namespace jailsvc::test;

namespace {

/// Units and empty profiles in a folder of their own, no plugins, a loop.
struct World {
    World() {
        for (const char* name : {"units", "state"}) folder.make_folder(name);
        for (const char* name : {"default", "host"}) {
            folder.write("profiles/" + std::string(name) + ".toml", "\n");
        }
        auto found = Places::from_arguments({"--config", folder.path(), "--state",
                                             folder.at("state"), "--plugins", library.path()});
        REQUIRE(found);
        places = *found;
        sources.unit_dirs = places.unit_dirs;
        sources.profile_dirs = places.profile_dirs;
        begin();
    }
    ~World() {
        cache.reset();
        ev_loop_destroy(loop);
    }
    World(const World&) = delete;
    World& operator=(const World&) = delete;
    /// As a jailer does, which loads plugins once.
    void begin() {
        cache.reset();
        plugins.emplace(PluginHost::load(places));
        cache.emplace(loop, *plugins, sources);
    }
    void break_plugin(const std::string& name) const {
        std::filesystem::resize_file(library.add("crash", name), 40);
    }
    void write(const std::string& program, const std::string& more = {}) const {
        folder.write("units/web.toml", "[service]\nexec_start = [\"" + program + "\"]\n" + more);
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
    TempFolder folder{"cache"};
    PluginDirectory library;
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

TEST_CASE("unit cache: where a shipped plugin is lacking, no unit that wants a jail loads",
          "[jailer][plugins]") {
    World world;
    world.write("/bin/one");
    const Digest digest = world.digest();
    std::vector<Result<LoadedPtr>> results;
    world.cache->get("web", digest, world.into(results));
    world.run_until(results, 1);
    REQUIRE(results[0]);  // control: with no plugins at all nothing is lacking
    const auto refused = [&] {
        world.cache->get("web", digest, world.into(results));
        REQUIRE(results.size() == 2);
        REQUIRE_FALSE(results[1]);
        return results[1].error().message;
    };
    SECTION("none that another jailer started, either, so long as its file is read") {
        world.break_plugin("cgroups");
        world.begin();
        world.cache->remember(*results[0]);
        world.cache->invalidate();
        CHECK_THAT(refused(), Catch::Contains("plugin cgroups was refused: ") &&
                                  Catch::Contains("reinstall jailsvc"));
    }
    SECTION("nor does what was planned before, if its file does not load") {
        world.break_plugin("cgroups");
        world.begin();
        world.cache->remember(*results[0]);
        world.write("\"");
        CHECK_THAT(refused(), Catch::Contains("web: the unit does not load"));
    }
    SECTION("nor of the text that was kept of it, what its tables say of the plugin") {
        world.break_plugin("cgroups");
        world.begin();
        world.cache->get_from_text("web", "[jail.cgroups]\ntasks_max = 7\n", world.into(results));
        REQUIRE(results.size() == 2);
        REQUIRE_FALSE(results[1]);
        CHECK_THAT(results[1].error().message, Catch::Contains("plugin cgroups was refused: "));
    }
    SECTION("control: one that wants no jail does") {
        world.break_plugin("cgroups");
        world.begin();
        world.write("/bin/one", "[jail]\nprofile = \"host\"\n");
        world.cache->get("web", world.digest(), world.into(results));
        world.run_until(results, 2);
        CHECK(results[1]);
    }
    SECTION("control: a plugin that is none of the shipped is missed by nobody") {
        world.break_plugin("good");
        world.begin();
        world.cache->get("web", digest, world.into(results));
        world.run_until(results, 2);
        CHECK(results[1]);
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
