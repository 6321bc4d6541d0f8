#include "verify/transient.hpp"

#include <fmt/format.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "base/places.hpp"
#include "base/result.hpp"
#include "config/job_file.hpp"
#include "config/names.hpp"
#include "config/nearest.hpp"
#include "config/unit_files.hpp"
#include "jailer/loop/program.hpp"
#include "jailer/plugin/plugin_host.hpp"
#include "jailer/tools/tool_arguments.hpp"

namespace jailsvc::verify {
namespace {

using Json = nlohmann::json;
using Strings = std::vector<std::string>;

constexpr int kUsage = 2;
constexpr int kNotFound = 127;

int say(const Json& told, int code) {
    std::puts(told.dump(-1, ' ', false, Json::error_handler_t::replace).c_str());
    return code;
}
int refuse(const std::string& error, int code = kUsage) {
    return say({{"errors", {error}}}, code);
}

/// Told apart well enough: 48 bits of chance.
std::string drawn_name() {
    unsigned char bytes[6] = {};
    if (::getrandom(bytes, sizeof bytes, 0) != sizeof bytes) return "run";
    std::string name = "run-";
    for (const unsigned char byte : bytes) name += fmt::format("{:02x}", byte);
    return name;
}

bool is_program(const std::string& path) {
    struct stat info{};
    return ::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode) &&
           ::access(path.c_str(), X_OK) == 0;
}

/// A bare name is looked up here, along the PATH that jails have.
Result<std::string> path_of_program(const std::string& name) {
    if (name.starts_with('/')) return name;
    if (name.find('/') != std::string::npos) {
        return fail(name + ": use an absolute path or a bare name: a jail has a tree of its own");
    }
    std::string_view path = jailer::kDefaultPath;
    while (!path.empty()) {
        const std::string_view folder = path.substr(0, path.find(':'));
        path.remove_prefix(std::min(path.size(), folder.size() + 1));
        std::string candidate = fmt::format("{}/{}", folder, name);
        if (is_program(candidate)) return candidate;
    }
    return fail(fmt::format("{}: no such program in {}; give its path in the jail", name,
                            jailer::kDefaultPath));
}

/// From a client of our own version; what is missing has its default.
config::JobWish wish_of(const Json& asked, Strings command) {
    config::JobWish wish{.command = std::move(command)};
    wish.profile = asked.value("profile", wish.profile);
    wish.keep = asked.value("keep", wish.keep);
    wish.output_cap = asked.value("output_cap", wish.output_cap);
    wish.environment = asked.value("environment", Strings());
    wish.properties = asked.value("properties", Strings());
    wish.timer = asked.value("timer", Strings());
    wish.stdin_ = asked.value("stdin", false);
    wish.terminal = asked.value("terminal", false);
    return wish;
}

/// Why no job can have the name; empty: it can.
std::string fault_of_name(const std::string& name, const config::Sources& sources) {
    const bool plain = config::is_unit_name(name) && name.find('@') == std::string::npos;
    if (!plain) {
        return fmt::format("{} is no name of a job; use letters, digits and :_.-, {} bytes",
                           config::shown(name), config::kMaxName);
    }
    const config::UnitFiles files(sources, config::UnitFiles::Look::kByName);
    const auto file = files.find_unit(name);
    if (!file) return {};
    const bool is_job = file->dir->path() == sources.unit_dirs.front();
    return fmt::format("{}: there is {} of that name, {}{}", name, is_job ? "a job" : "a unit",
                       file->path(), is_job ? "; `jailsvc job remove` it" : "");
}

Result<config::JobWish> read_wish(const Strings& rest, std::string& name) {
    if (rest.size() < 2) return fail("a wish and a program are needed");
    const Json asked = Json::parse(rest.front(), nullptr, false);
    if (!asked.is_object()) return fail("the wish is no JSON object");
    name = asked.value("name", "");
    return wish_of(asked, Strings(rest.begin() + 1, rest.end()));
}

}  // namespace

int transient(const Strings& arguments) {
    const jailer::ToolArguments given = jailer::split_arguments(arguments);
    const auto places = Places::from_arguments(given.options);
    if (!places) return refuse(places.error().message);
    std::string name;
    auto wish = read_wish(given.rest, name);
    if (!wish) return refuse(wish.error().message);
    if (name.empty()) name = drawn_name();
    const config::Sources sources = config::sources_of(*places);
    if (const auto fault = fault_of_name(name, sources); !fault.empty()) return refuse(fault);
    auto program = path_of_program(wish->command.front());
    if (!program) return refuse(program.error().message, kNotFound);
    wish->command.front() = std::move(*program);
    const jailer::PluginHost host = jailer::PluginHost::load(*places);
    const auto text = config::job_file(host.schema(), *wish);
    if (text) {
        return say({{"name", name},
                    {"directory", sources.unit_dirs.front()},
                    {"file", name + ".toml"},
                    {"text", *text}},
                   0);
    }
    Json errors = Json::array();
    for (const auto& one : text.error()) errors.push_back(one.message);
    return say({{"errors", errors}}, kUsage);
}

}  // namespace jailsvc::verify
