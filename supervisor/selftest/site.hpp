#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/places.hpp"
#include "jailer/cgroup/tree.hpp"
#include "jailer/jail/jail.hpp"
#include "jailer/plugin/plugin_host.hpp"

namespace jailsvc::selftest {

/// What a program in a jail said (stdout and stderr) and how it ended; or why it did not run.
struct Ran {
    std::string output{};
    int status = -1;      ///< as wait(2) gives it
    std::string error{};  ///< not empty: the program was not executed

    [[nodiscard]] bool has(std::string_view text) const {
        return output.find(text) != std::string::npos;
    }
};

/// A new directory below /var/lib, which jails see; gone with all that is in it at the end.
class OwnDirectory {
public:
    OwnDirectory();
    ~OwnDirectory();
    OwnDirectory(const OwnDirectory&) = delete;
    OwnDirectory& operator=(const OwnDirectory&) = delete;
    [[nodiscard]] const std::string& path() const { return path_; }

private:
    std::string path_;
};

/// A supervisor's directories below /var/lib, and what runs units from them as the jailer does:
/// load, plan in a worker, jail, attest, execute; without keeper, loop or engine. Root only. What
/// keeps it from its work, other than that a program does not run, it throws as std::runtime_error.
/// Where its process ends, so do its jails (PR_SET_PDEATHSIG of their inits).
class Site {
public:
    /// Whether jails get a control group with the limits of their plan, where it has any.
    enum class Limits { kLeftOut, kSet };

    explicit Site(Limits limits = Limits::kLeftOut);
    ~Site();
    Site(const Site&) = delete;
    Site& operator=(const Site&) = delete;

    /// Runs `/bin/sh -c script` as the service of unit "probe", whose file consists of
    /// [service] and `jail` (tables of TOML), in a jail of its own that is gone afterwards.
    [[nodiscard]] Ran run(const std::string& jail, const std::string& script);

    /// The same with a program of one's own.
    [[nodiscard]] Ran execute(const std::string& jail, const std::vector<std::string>& argv);

    [[nodiscard]] const std::string& directory() const { return directory_.path(); }
    [[nodiscard]] const Places& places() const { return places_; }

private:
    [[nodiscard]] Result<jailer::CompiledPlan> plan(const std::string& jail);

    OwnDirectory directory_;
    Places places_;
    jailer::PluginHost plugins_;
    Fd stub_program_;
    Fd probe_;
    jailer::SpawnContext context_;
    std::optional<jailer::cgroup::Tree> groups_;
};

}  // namespace jailsvc::selftest
