#pragma once

#include <poll.h>
#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "base/places.hpp"
#include "base/sys.hpp"
#include "jailer/plugin/plugin_host.hpp"
#include "temp_folder.hpp"

/// Directories of plugins for tests: copies of what tests/plugins builds.
namespace jailsvc::test {

/// A plugin directory of its own, gone with the test.
class PluginDirectory : public TempFolder {
public:
    PluginDirectory() : TempFolder("plugins") {}

    /// Puts a copy of tests/plugins/NAME there and returns its path.
    std::string add(const std::string& name, const std::string& as = "") const {
        const auto folder = sys::program_directory();
        REQUIRE(folder);
        const std::string to = at((as.empty() ? name : as) + ".so");
        std::filesystem::copy_file(*folder + "/plugins/" + name + ".so", to);
        ::chmod(to.c_str(), 0755);
        return to;
    }

    [[nodiscard]] jailer::PluginHost load() const {
        Places places;
        places.plugins = path();
        places.state_root = "/srv/state";
        return jailer::PluginHost::load(places);
    }
};

/// Whether the job ends within `milliseconds`.
inline bool ends_within(const jailer::PlanJob& job, int milliseconds) {
    pollfd watched{.fd = job.fd(), .events = POLLIN, .revents = 0};
    return ::poll(&watched, 1, milliseconds) == 1;
}

/// A unit with the given effective text.
inline config::Unit unit_of(std::string text) {
    config::Unit unit;
    unit.name = "web";
    unit.files = {SharedPath("/etc/jailsvc/units/web.toml")};
    unit.set_text(text);
    return unit;
}

/// The plan, in bounded time.
inline Result<jailer::Plan> plan_of(jailer::PluginHost& host, const config::Unit& unit) {
    auto job = host.begin_plan(unit);
    if (!job) return std::unexpected(std::move(job).error());
    constexpr int kPatience = 20000;
    REQUIRE(ends_within(*job, kPatience));
    return host.finish_plan(std::move(*job));
}

inline bool has(const jailer::Plan& plan, const std::string& variable) {
    for (const std::string& entry : plan.environment) {
        if (entry == variable) return true;
    }
    return false;
}

}  // namespace jailsvc::test
