#include "verify/verify.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/places.hpp"
#include "config/diagnostic.hpp"
#include "config/load.hpp"
#include "config/names.hpp"
#include "jailer/plugin/plugin_host.hpp"
#include "jailer/plugin/refusal.hpp"
#include "jailer/tools/tool_arguments.hpp"
#include "verify/relations.hpp"
#include "verify/weaknesses.hpp"

namespace jailsvc::verify {
namespace {

using jailer::PluginHost;

constexpr int kValid = 0;
constexpr int kInvalid = 1;
constexpr int kUsage = 2;
constexpr std::string_view kSuffix = ".toml";

void complain(const std::string& text) {
    std::fprintf(stderr, "%s\n", text.c_str());
}

enum class Severity { kWarning, kError };

/// What is found, told as it comes, or all of it as one JSON object at the end.
class Report {
public:
    explicit Report(bool json) : json_(json) {}

    /// Whether there was nothing to tell.
    bool tell(const config::Diagnostics& diagnostics, Severity severity = Severity::kError) {
        const bool warns = severity == Severity::kWarning;
        for (const auto& one : diagnostics) {
            if (!json_) {
                complain((warns ? "warning: " : "") + config::to_string(one));
                continue;
            }
            list_.push_back({{"file", one.file},
                             {"line", one.line},
                             {"column", one.column},
                             {"severity", warns ? "warning" : "error"},
                             {"message", one.message}});
        }
        if (!diagnostics.empty() && !warns) valid_ = false;
        return diagnostics.empty();
    }

    [[nodiscard]] bool finish() const {
        if (!json_) return valid_;
        const nlohmann::json all{{"valid", valid_}, {"diagnostics", list_}};
        const auto replace = nlohmann::json::error_handler_t::replace;
        std::printf("%s\n", all.dump(2, ' ', false, replace).c_str());
        return valid_;
    }

private:
    bool json_;
    bool valid_ = true;
    nlohmann::json list_ = nlohmann::json::array();
};

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
    const std::string own_file = jailer::own_file(unit);
    auto job = host.begin_plan(unit, std::move(places));
    if (!job) return {{.file = own_file, .message = job.error().message}};
    pollfd watched{.fd = job->fd(), .events = POLLIN, .revents = 0};
    const auto limit = std::chrono::milliseconds(jailer::kPlanTimeout);
    static_cast<void>(::poll(&watched, 1, static_cast<int>(limit.count())));
    auto plan = host.finish_checked(std::move(*job));
    if (plan) return {};
    for (config::Diagnostic& one : plan.error()) {
        if (one.file.empty()) one.file = own_file;
    }
    return std::move(plan).error();
}

/// The files given, one after the other, then what they are to each other.
class Verifier {
public:
    Verifier(PluginHost& host, config::Sources sources, Report& report)
        : host_(host), sources_(std::move(sources)), report_(report) {}

    void add(const std::string& path) {
        if (!report_.tell(config::verify_file(sources_, host_.schema(), path))) return;
        const auto name = unit_name_of(path);
        if (!name || config::is_profile_file(sources_, path) ||
            config::is_ceiling_file(sources_, path)) {
            return;
        }
        folders_.push_back(folder_of(path));
        Known known;
        auto unit =
            config::load_unit(sources_from(folders_.back()), host_.schema(), *name, &known.places);
        if (!unit) return static_cast<void>(report_.tell(unit.error()));
        known.unit = std::move(*unit);
        known.file = path;
        check(known);
        given_.push_back(std::move(known));
    }

    /// After the last file: whether all are fit to be loaded together.
    void finish() {
        const auto lookup = [this](const std::string& name) { return look_up(name); };
        report_.tell(check_relations(given_, lookup));
        report_.tell(find_missing_wants(given_, lookup), Severity::kWarning);
    }

private:
    [[nodiscard]] config::Sources sources_from(const std::string& folder) const {
        config::Sources sources = sources_;
        sources.unit_dirs.insert(sources.unit_dirs.begin(), folder);
        return sources;
    }
    void check(const Known& known) {
        report_.tell(find_weaknesses(known.unit, known.places, known.file), Severity::kWarning);
        if (!known.unit.is_target) report_.tell(try_plan(host_, known.unit, known.places));
    }
    /// Beside the files given, or where the installation has it.
    [[nodiscard]] config::Checked<config::Unit> look_up(const std::string& name) const {
        config::Sources sources = sources_;
        sources.unit_dirs.insert(sources.unit_dirs.begin(), folders_.begin(), folders_.end());
        return config::load_unit(sources, host_.schema(), name);
    }

    PluginHost& host_;
    config::Sources sources_;
    std::vector<std::string> folders_;
    std::vector<Known> given_;
    Report& report_;
};

}  // namespace

int verify(const std::vector<std::string>& arguments) {
    const bool json = !arguments.empty() && arguments.front() == "--json";
    const jailer::ToolArguments given =
        jailer::split_arguments({arguments.begin() + (json ? 1 : 0), arguments.end()});
    const auto places = Places::from_arguments(given.options);
    if (!places || given.rest.empty()) {
        complain("jailsvcd: " +
                 (places ? "verify: name at least one file" : places.error().message));
        return kUsage;
    }
    PluginHost host = PluginHost::load(*places);
    Report report(json);
    for (const std::string& refusal : host.refusals()) {
        report.tell({{.message = "plugin " + refusal}}, Severity::kWarning);
    }
    // Who may own a file matters where it is loaded from, not while it is written.
    config::Sources sources = config::sources_of(*places);
    sources.require_trusted_owner = false;
    Verifier verifier(host, std::move(sources), report);
    for (const std::string& file : given.rest) verifier.add(file);
    verifier.finish();
    return report.finish() ? kValid : kInvalid;
}

}  // namespace jailsvc::verify
