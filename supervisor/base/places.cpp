#include "base/places.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <iterator>

#include "base/sys.hpp"

namespace jailsvc {
namespace {

/// lib/jailsvc of the prefix this program runs from: PREFIX/lib/jailsvc/jailsvcd when installed,
/// PREFIX/bin/NAME in a build tree.
std::string library_of(const std::string& program_folder) {
    if (program_folder.ends_with("/lib/jailsvc")) return program_folder;
    return program_folder.substr(0, program_folder.rfind('/')) + "/lib/jailsvc";
}

void keep_below(Places& places, const std::string& state) {
    places.run = state + "/run";
    places.lib = state + "/lib";
    places.log = state + "/log";
    places.state_root = state + "/units/state";
    places.cache_root = state + "/units/cache";
    places.logs_root = state + "/units/logs";
    places.runtime_root = state + "/units/run";
}

Result<std::uint64_t> parse_files(const std::string& text) {
    std::uint64_t files = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), files);
    if (error == std::errc() && end == text.data() + text.size()) return files;
    return fail(fmt::format("--files: \"{}\" is no number", text));
}

/// "--config=DIR" as "--config DIR".
std::vector<std::string> with_values_apart(const std::vector<std::string>& arguments) {
    std::vector<std::string> apart;
    for (const std::string& argument : arguments) {
        const auto equals = argument.starts_with("--") ? argument.find('=') : std::string::npos;
        apart.push_back(argument.substr(0, equals));
        if (equals != std::string::npos) apart.push_back(argument.substr(equals + 1));
    }
    return apart;
}

/// Where the site's files are, by --config or without it.
void find_files(Places& places, const std::string& library) {
    const std::string& config = places.config;
    places.ceiling = (config.empty() ? "/etc/jailsvc" : config) + "/ceiling.toml";
    if (config.empty()) {
        places.unit_dirs = {places.run + "/units", "/etc/jailsvc/units", library + "/units"};
        places.profile_dirs = {"/etc/jailsvc/profiles", library + "/units/profiles"};
    } else {
        places.unit_dirs = {places.run + "/units", config + "/units"};
        places.profile_dirs = {config + "/profiles", library + "/units/profiles"};
    }
}

/// Takes the options into `places`, and returns the --state directory, "" without one.
Result<std::string> take_options(const std::vector<std::string>& arguments, Places& places) {
    std::string state;
    const struct {
        std::string_view name;
        std::string* value;
    } directories[] = {
        {"--config", &places.config}, {"--state", &state}, {"--plugins", &places.plugins}};
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        const std::string& option = arguments[i];
        if (option == "--quiet") {
            places.quiet = true;
            continue;
        }
        const bool has_value = i + 1 < arguments.size();
        if (option == "--files") {
            TRY(places.files, parse_files(has_value ? arguments[++i] : ""));
            continue;
        }
        const auto* found =
            std::ranges::find(directories, option, [](const auto& each) { return each.name; });
        if (found == std::end(directories))
            return fail(fmt::format("unknown option \"{}\"", option));
        if (!has_value || !arguments[i + 1].starts_with('/')) {
            return fail(fmt::format("{}: give an absolute path", option));
        }
        *found->value = arguments[++i];
    }
    return state;
}

}  // namespace

Result<Places> Places::from_arguments(const std::vector<std::string>& given) {
    Places places;
    TRY(const std::string state, take_options(with_values_apart(given), places));
    TRY(const std::string folder, sys::program_directory());
    const std::string library = library_of(folder);
    if (places.plugins.empty()) places.plugins = library + "/plugins";
    places.stub = library + "/jailsvc-stub";
    places.probe = library + "/jailsvc-probe";
    places.preload = library + "/preload";
    places.learner = library + "/jailsvc-learn";
    if (!state.empty()) keep_below(places, state);
    find_files(places, library);
    return places;
}

}  // namespace jailsvc
