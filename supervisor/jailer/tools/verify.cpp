// `jailsvcd verify`: what is wrong with unit files, by the rules of the core and of every plugin
// that loads here, and whether the plugins can make a plan of them.

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <optional>

#include "base/places.hpp"
#include "config/diagnostic.hpp"
#include "config/load.hpp"
#include "config/names.hpp"
#include "jailer/plugin/plugin_host.hpp"
#include "jailer/plugin/refusal.hpp"
#include "jailer/run.hpp"
#include "jailer/tools/tool_arguments.hpp"

namespace jailsvc::jailer {
namespace {

constexpr int kValid = 0;
constexpr int kInvalid = 1;
constexpr int kUsage = 2;
constexpr std::string_view kSuffix = ".toml";

void complain(const std::string& text) {
    std::fprintf(stderr, "%s\n", text.c_str());
}

/// The unit that the file would be, loaded from its own folder; nullopt where its name is no
/// unit's, as a template's and a drop-in's are not.
std::optional<std::string> unit_name_of(const std::string& path) {
    const std::string file = path.substr(path.rfind('/') + 1);
    if (!file.ends_with(kSuffix)) return std::nullopt;
    const std::string name = file.substr(0, file.size() - kSuffix.size());
    if (name.ends_with('@') || !config::is_unit_name(name)) return std::nullopt;
    return name;
}

std::string folder_of(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
    char* whole = ::realpath(folder.c_str(), nullptr);
    if (whole == nullptr) return folder;
    std::string out = whole;
    std::free(whole);
    return out;
}

/// What the plugins have against the unit.
config::Diagnostics try_plan(PluginHost& host, const config::Unit& unit,
                             config::JailPlaces places) {
    auto job = host.begin_plan(unit, std::move(places));
    if (!job) return {{.file = own_file(unit), .message = job.error().message}};
    pollfd watched{.fd = job->fd(), .events = POLLIN, .revents = 0};
    const auto limit = std::chrono::milliseconds(kPlanTimeout);
    static_cast<void>(::poll(&watched, 1, static_cast<int>(limit.count())));
    auto plan = host.finish_checked(std::move(*job));
    if (plan) return {};
    for (config::Diagnostic& one : plan.error()) {
        if (one.file.empty()) one.file = own_file(unit);
    }
    return std::move(plan).error();
}

/// Whether the file is fit to be loaded, after telling what is wrong with it.
bool verify_one(PluginHost& host, config::Sources sources, const std::string& path) {
    const config::Diagnostics found = config::verify_file(sources, host.schema(), path);
    for (const config::Diagnostic& diagnostic : found) complain(config::to_string(diagnostic));
    if (!found.empty()) return false;

    const auto name = unit_name_of(path);
    if (!name || config::is_profile_file(sources, path)) return true;
    sources.unit_dirs.insert(sources.unit_dirs.begin(), folder_of(path));
    config::JailPlaces places;
    const auto unit = config::load_unit(sources, host.schema(), *name, &places);
    if (!unit) {
        for (const auto& diagnostic : unit.error()) complain(config::to_string(diagnostic));
        return false;
    }
    if (unit->is_target) return true;
    const config::Diagnostics refused = try_plan(host, *unit, std::move(places));
    for (const config::Diagnostic& diagnostic : refused) complain(config::to_string(diagnostic));
    return refused.empty();
}

}  // namespace

int verify(const std::vector<std::string>& arguments) {
    const ToolArguments given = split_arguments(arguments);
    const auto places = Places::from_arguments(given.options);
    if (!places || given.rest.empty()) {
        complain("jailsvcd: " +
                 (places ? "verify: name at least one file" : places.error().message));
        return kUsage;
    }
    PluginHost host = PluginHost::load(*places);
    for (const std::string& refusal : host.refusals()) complain("warning: plugin " + refusal);
    // Who may own a file matters where it is loaded from, not while it is written.
    config::Sources sources = config::sources_of(*places);
    sources.require_trusted_owner = false;
    bool valid = true;
    for (const std::string& file : given.rest) {
        valid = verify_one(host, sources, file) && valid;
    }
    return valid ? kValid : kInvalid;
}

}  // namespace jailsvc::jailer
