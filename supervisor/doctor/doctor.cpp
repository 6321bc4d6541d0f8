#include "doctor/doctor.hpp"

#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/places.hpp"
#include "doctor/core_probes.hpp"
#include "doctor/probe.hpp"
#include "doctor/trial.hpp"
#include "jailer/plugin/plugin_host.hpp"

namespace jailsvc::doctor {
namespace {

constexpr int kUsage = 2;
constexpr std::size_t kMostProbes = 64;  ///< of one plugin
constexpr const char* kCore = "core";

using Findings = std::vector<Finding>;

struct Look {
    const char* sign;
    const char* colour;
    const char* word;
};
constexpr Look look_of(Finding::Outcome outcome) {
    switch (outcome) {
        case Finding::Outcome::kWorks:
            return {"✓", "\033[32m", "works"};
        case Finding::Outcome::kFails:
            return {"✗", "\033[31m", "fails"};
        case Finding::Outcome::kAbsent:
            return {"─", "\033[90m", "absent"};
    }
    return {};
}

/// Takes the word out of the arguments, and says whether it was there.
bool take(std::vector<std::string>& arguments, const char* word) {
    return std::erase(arguments, word) > 0;
}

void examine_core(const Places& places, Findings& findings) {
    for (const Attempt& attempt : core_probes(places)) {
        static_cast<void>(try_apart(kCore, attempt, findings.emplace_back()));
    }
}

void examine_plugins(const Places& places, Findings& findings) {
    const auto host = jailer::PluginHost::load(places);
    for (const std::string& refusal : host.refusals()) {
        findings.push_back({kCore, "plugin", Finding::Outcome::kFails, refusal});
    }
    for (const auto& [name, probe_of] : host.doctors()) {
        for (std::size_t i = 0; i < kMostProbes; ++i) {
            Finding finding;
            const auto attempt = [&](jsv_probe& probe) { return probe_of(i, &probe); };
            if (try_apart(name, attempt, finding) == -ENOENT) break;
            findings.push_back(std::move(finding));
        }
    }
}

/// A real jail of each shipped profile.
void examine_profiles(const Places& places, Findings& findings) {
    std::vector<std::string> profiles;
    std::error_code none;
    for (const auto& entry :
         std::filesystem::directory_iterator(places.profile_dirs.back(), none)) {
        if (entry.path().extension() == ".toml") profiles.push_back(entry.path().stem());
    }
    std::ranges::sort(profiles);
    for (const std::string& profile : profiles) {
        const Attempt attempt = jailed_trial(places, profile);
        static_cast<void>(try_apart(kCore, attempt, findings.emplace_back()));
    }
}

void print_text(const Findings& findings, bool colour) {
    for (const Finding& one : findings) {
        const Look look = look_of(one.outcome);
        std::printf("%s%s%s %-12s %s%s%s\n", colour ? look.colour : "", look.sign,
                    colour ? "\033[0m" : "", one.owner.c_str(), one.name.c_str(),
                    one.hint.empty() ? "" : ": ", one.hint.c_str());
    }
}

void print_json(const Findings& findings, std::size_t failed) {
    auto probes = nlohmann::json::array();
    for (const Finding& one : findings) {
        probes.push_back({{"owner", one.owner},
                          {"name", one.name},
                          {"outcome", look_of(one.outcome).word},
                          {"hint", one.hint}});
    }
    const nlohmann::json all{{"probes", probes}, {"failed", failed}};
    // A plugin's text is not ours to trust with the encoding.
    const auto text = all.dump(2, ' ', false, nlohmann::json::error_handler_t::replace);
    std::printf("%s\n", text.c_str());
}

}  // namespace

int doctor(std::vector<std::string> arguments) {
    const bool json = take(arguments, "--json");
    const bool colour = take(arguments, "--colour");
    const auto places = Places::from_arguments(arguments);
    if (!places) {
        std::fprintf(stderr, "jailsvcd: %s\n", places.error().message.c_str());
        return kUsage;
    }
    Findings findings;
    examine_core(*places, findings);
    examine_plugins(*places, findings);
    examine_profiles(*places, findings);
    const auto failed = static_cast<std::size_t>(
        std::ranges::count(findings, Finding::Outcome::kFails, &Finding::outcome));
    json ? print_json(findings, failed) : print_text(findings, colour);
    return failed == 0 ? 0 : 1;
}

}  // namespace jailsvc::doctor
