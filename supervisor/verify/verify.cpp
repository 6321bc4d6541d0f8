#include "verify/verify.hpp"
#include "verify/alias_names.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <optional>

#include "base/places.hpp"
#include "base/privilege.hpp"
#include "config/checks.hpp"
#include "config/load.hpp"
#include "config/names.hpp"
#include "jailer/plugin/plugin_host.hpp"
#include "jailer/plugin/refusal.hpp"
#include "jailer/tools/tool_arguments.hpp"
#include "verify/missing.hpp"
#include "verify/pointless.hpp"
#include "verify/relations.hpp"
#include "verify/report.hpp"
#include "verify/sockets.hpp"
#include "verify/sources.hpp"
#include "verify/weaknesses.hpp"

namespace jailsvc::verify {
namespace {

using jailer::PluginHost;

constexpr int kValid = 0;
constexpr int kInvalid = 1;
constexpr int kUsage = 2;
constexpr std::string_view kSuffix = ".toml";
constexpr std::string_view kDropIns = ".toml.d";

std::string file_of(const std::string& path) {
    return path.substr(path.rfind('/') + 1);
}

/// Lets the unit's own file be called as the user did.
void rename(const std::string& from, const std::string& to, config::Inspection& seen) {
    const auto rename_one = [&](config::Diagnostic& one) {
        if (one.file == from) one.file = to;
    };
    std::ranges::for_each(seen.errors, rename_one);
    for (auto& [key, place] : seen.places) rename_one(place);
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

/// Why the supervisor of root could not read the file though root can; empty: it could.
std::string unreadable(const std::string& path) {
    struct stat info{};
    if (::geteuid() != 0 || ::stat(path.c_str(), &info) == -1) return {};
    if ((info.st_mode & S_IROTH) != 0) return {};
    return fmt::format(
        "mode {:04o}: the supervisor reads it as uid {}, so everybody must be able "
        "to; run: chmod 0644 {}",
        info.st_mode & 07777U, kEngineUid, path);
}

/// The unit that the file would be, or whose drop-in it is, and the folder that a supervisor would
/// load that unit from. A template stands for an instance.
struct Owner {
    std::string unit;
    std::string folder;
    bool is_template = false;
};
/// nullopt where its name is no unit's.
std::optional<Owner> owner_of(const std::string& path) {
    Owner owner{.unit = file_of(path), .folder = folder_of(path)};
    if (owner.folder.ends_with(kDropIns)) {
        owner.unit = file_of(owner.folder.substr(0, owner.folder.size() - 2));
        owner.folder = owner.folder.substr(0, owner.folder.rfind('/'));
    }
    if (!owner.unit.ends_with(kSuffix)) return std::nullopt;
    owner.unit.resize(owner.unit.size() - kSuffix.size());
    owner.is_template = config::is_template_name(owner.unit);
    if (owner.is_template) owner.unit += config::kStandIn;
    if (!config::is_unit_name(owner.unit)) return std::nullopt;
    return owner;
}

/// What the plugins have against the unit, or its plan.
config::Checked<jailer::Plan> try_plan(PluginHost& host, const Known& known) {
    const auto own = [&](std::string message) {
        return std::unexpected(
            config::Diagnostics{{.file = known.file, .message = std::move(message)}});
    };
    auto job = host.begin_plan(known.unit, known.places);
    if (!job) return own(job.error().message);
    pollfd watched{.fd = job->fd(), .events = POLLIN, .revents = 0};
    const auto limit = std::chrono::milliseconds(jailer::kPlanTimeout);
    static_cast<void>(::poll(&watched, 1, static_cast<int>(limit.count())));
    auto plan = host.finish_checked(std::move(*job));
    if (plan) return plan;
    for (config::Diagnostic& one : plan.error()) {
        if (one.file.empty()) one.file = known.file;
    }
    return plan;
}

/// Plugins see a unit with errors without what is wrong in it. So they are believed about what is
/// written, and not about what a table with errors lacks.
bool is_sound(const config::Diagnostic& refusal, const config::Inspection& seen) {
    if (seen.errors.empty()) return true;
    if (refusal.line == 0) return false;
    return std::ranges::none_of(seen.flawed, [&](const std::string& table) {
        const auto place = seen.places.find(table);
        return place != seen.places.end() && place->second.file == refusal.file &&
               place->second.line == refusal.line && place->second.column == refusal.column;
    });
}

/// The files given, one after the other, then what they are to each other.
class Verifier {
public:
    Verifier(PluginHost& host, config::Sources sources, Report& report)
        : host_(host), sources_(std::move(sources)), report_(report) {}

    void add(const std::string& path) {
        report_.begin(path);
        const config::Diagnostics errors = config::verify_file(sources_, host_.schema(), path);
        report_.tell(errors);
        check_trust(path);
        const auto owner = owner_of(path);
        const bool readable = errors.empty() || errors.front().line != 0;
        if (!owner || !readable || config::is_profile_file(sources_, path) ||
            config::is_ceiling_file(sources_, path)) {
            return;
        }
        add_unit(*owner, path);
    }

    /// After the last file: whether all are fit to be loaded together.
    void finish() {
        const AliasNames aliases(with_given_folders(), host_.schema());
        const auto lookup = [&](const std::string& name) { return look_up(name, aliases); };
        for (const Known& known : given_) report_.tell(aliases.conflicts(known));
        report_.tell(check_relations(given_, lookup));
        report_.tell(find_missing_wants(given_, lookup), Severity::kWarning);
        report_.tell(find_missing_units(given_, named_, lookup), Severity::kWarning);
        report_.tell(check_sockets(given_, lookup), Severity::kWarning);
    }

private:
    [[nodiscard]] config::Sources sources_from(const std::string& folder) const {
        config::Sources sources = sources_;
        sources.unit_dirs.insert(sources.unit_dirs.begin(), folder);
        return sources;
    }
    void add_unit(const Owner& owner, const std::string& path) {
        auto seen = config::inspect_unit(sources_from(owner.folder), host_.schema(), owner.unit);
        rename(folder_of(path) + "/" + file_of(path), path, seen);
        if (owner.is_template) std::erase_if(seen.errors, config::names_instance);
        report_.tell(seen.errors);
        if (!seen.unit) return;
        Known known{.unit = *seen.unit, .places = seen.places, .file = path, .fault = {}};
        if (!seen.errors.empty()) known.fault = seen.errors.front();
        check(known, seen, owner.is_template);
        if (owner.is_template) return;
        folders_.push_back(owner.folder);
        given_.push_back(std::move(known));
    }
    /// Who may write and read a file matters where it is loaded from; while it is written it is
    /// worth a word.
    void check_trust(const std::string& path) {
        const std::string folder = folder_of(path);
        const auto is_source = [&](const std::string& dir) {
            return folder_of(dir + "/") == folder || folder.starts_with(folder_of(dir + "/") + "/");
        };
        const bool loaded = std::ranges::any_of(sources_.unit_dirs, is_source) ||
                            std::ranges::any_of(sources_.profile_dirs, is_source);
        const auto tell = [&](const std::string& what) {
            const std::string why = objection_to(what);
            if (why.empty()) return;
            report_.tell({{.file = what, .message = why}},
                         loaded ? Severity::kError : Severity::kWarning);
        };
        tell(path);
        if (loaded) tell(folder);
        const std::string unread = unreadable(path);
        if (unread.empty()) return;
        report_.tell({{.file = path, .message = unread}},
                     loaded ? Severity::kError : Severity::kWarning);
    }
    void check(const Known& known, const config::Inspection& seen, bool is_template) {
        const auto tell = [&](config::Diagnostics found, Severity severity) {
            if (is_template) std::erase_if(found, config::names_instance);
            report_.tell(found, severity);
        };
        tell(find_weaknesses(known.unit, known.places, known.file), Severity::kWarning);
        tell(find_pointless(known), Severity::kWarning);
        tell(find_untrusted_environment(known), Severity::kWarning);
        if (known.unit.is_target) return;
        auto plan = try_plan(host_, known);
        if (plan) return check_plan(known, *plan, tell);
        std::erase_if(plan.error(), [&](const auto& one) { return !is_sound(one, seen); });
        tell(std::move(plan).error(), Severity::kError);
    }
    void check_plan(const Known& known, const jailer::Plan& plan, const auto& tell) {
        tell(find_missing_files(known, plan), Severity::kWarning);
        tell(find_missing_sources(known, plan), Severity::kWarning);
        std::ranges::move(find_network_units(known, plan), std::back_inserter(named_));
    }
    [[nodiscard]] config::Sources with_given_folders() const {
        config::Sources sources = sources_;
        sources.unit_dirs.insert(sources.unit_dirs.begin(), folders_.begin(), folders_.end());
        return sources;
    }
    /// Beside the files given, or where the installation has it. What stands under another name is
    /// that unit by this name: it needs and conflicts with the same.
    [[nodiscard]] config::Checked<config::Unit> look_up(const std::string& name,
                                                        const AliasNames& aliases) const {
        const config::Sources sources = with_given_folders();
        auto unit = config::load_unit(sources, host_.schema(), name);
        if (unit || unit.error().front().line != 0) return unit;
        const auto owner = aliases.owner_of(name);
        if (!owner) return unit;
        auto other = config::load_unit(sources, host_.schema(), *owner);
        if (other) other->name = name;
        return other;
    }

    PluginHost& host_;
    config::Sources sources_;
    std::vector<std::string> folders_;
    std::vector<Known> given_;
    std::vector<NamedUnit> named_;
    Report& report_;
};

/// `[--json] [--strict]`, in any order, before everything else.
struct Wishes {
    bool json = false;
    bool strict = false;  ///< warnings count as errors
};
Wishes take_wishes(std::vector<std::string>& arguments) {
    Wishes wishes;
    while (!arguments.empty()) {
        if (arguments.front() == "--json") {
            wishes.json = true;
        } else if (arguments.front() == "--strict") {
            wishes.strict = true;
        } else {
            break;
        }
        arguments.erase(arguments.begin());
    }
    return wishes;
}

}  // namespace

int verify(std::vector<std::string> arguments) {
    const Wishes wishes = take_wishes(arguments);
    const jailer::ToolArguments given = jailer::split_arguments(arguments);
    const auto places = Places::from_arguments(given.options);
    if (!places || given.rest.empty()) {
        std::fprintf(stderr, "jailsvcd: %s\n",
                     places ? "verify: name at least one file" : places.error().message.c_str());
        return kUsage;
    }
    PluginHost host = PluginHost::load(*places);
    Report report;
    for (const std::string& refusal : host.refusals()) {
        report.tell({{.message = "plugin " + refusal}}, Severity::kWarning);
    }
    // Who may own a file matters where it is loaded from, not while it is written.
    config::Sources sources = config::sources_of(*places);
    sources.require_trusted_owner = false;
    Verifier verifier(host, std::move(sources), report);
    for (const std::string& file : given.rest) verifier.add(file);
    verifier.finish();
    wishes.json ? report.print_json() : report.print();
    const bool refused =
        report.has(Severity::kError) || (wishes.strict && report.has(Severity::kWarning));
    return refused ? kInvalid : kValid;
}

}  // namespace jailsvc::verify
