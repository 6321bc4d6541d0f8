// `jailsvcd creds`: encrypted credentials made and read, and which ones units ask for. Needs no
// running supervisor. Root's alone: the host's key is.

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "base/places.hpp"
#include "base/sys.hpp"
#include "config/load.hpp"
#include "jailer/credentials/declared.hpp"
#include "jailer/credentials/host_key.hpp"
#include "jailer/plan/credential_limits.hpp"
#include "jailer/plugin/plugin_host.hpp"
#include "jailer/run.hpp"
#include "jailer/tools/tool_arguments.hpp"

namespace jailsvc::jailer {
namespace {

constexpr int kFailure = 1;
constexpr int kUsage = 2;

using Words = std::vector<std::string>;

int complain(const Error& error) {
    std::fprintf(stderr, "jailsvc: %s\n", error.message.c_str());
    return kFailure;
}

int usage() {
    std::fputs(
        "usage: jailsvc creds encrypt NAME [INPUT [OUTPUT]]\n"
        "       jailsvc creds decrypt [INPUT [OUTPUT]]\n"
        "       jailsvc creds list [--json] [UNIT...]\n"
        "\"-\" and nothing mean standard input and output.\n",
        stderr);
    return kUsage;
}

std::string word(const Words& words, std::size_t i) {
    return i < words.size() ? words[i] : "-";
}

Result<Secret> read_input(const std::string& path, std::size_t limit) {
    if (path == "-") return read_secret(STDIN_FILENO, limit, "standard input");
    TRY(const Fd file, sys::open(path, O_RDONLY));
    return read_secret(file.get(), limit, path);
}

Result<void> write_output(const std::string& path, std::span<const unsigned char> bytes) {
    if (path == "-") return write_secret(STDOUT_FILENO, bytes, "standard output");
    TRY(const Fd file, sys::open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600));
    return write_secret(file.get(), bytes, path);
}

Result<void> encrypt(const Places& places, const Words& words) {
    TRY(const HostKey key, HostKey::open(HostKey::path(places), HostKey::Absent::kIsMade));
    TRY(const Secret plain, read_input(word(words, 1), kMaxCredential));
    TRY(const std::string text, key.encrypt(words[0], plain.bytes()));
    return write_output(word(words, 2),
                        {reinterpret_cast<const unsigned char*>(text.data()), text.size()});
}

Result<void> decrypt(const Places& places, const Words& words) {
    const std::string path = word(words, 0);
    TRY(const Secret text, read_input(path, kMaxEncrypted));
    TRY(const HostKey key, HostKey::open(HostKey::path(places), HostKey::Absent::kIsError));
    const std::string shown = path == "-" ? "standard input" : path;
    TRY(const Secret plain,
        key.decrypt({reinterpret_cast<const char*>(text.bytes().data()), text.bytes().size()},
                    shown));
    return write_output(word(words, 1), plain.bytes());
}

struct Line {
    std::string unit;
    DeclaredCredential credential;
    std::string fault;  ///< empty: it can be had
};

Result<std::vector<Line>> find_lines(const Places& places, const Words& wanted) {
    const PluginHost host = PluginHost::load(places);
    const auto loaded = config::load_all(config::sources_of(places), host.schema(), wanted);
    std::vector<Line> lines;
    for (const config::Unit& unit : loaded.units) {
        if (!wanted.empty() && std::ranges::find(wanted, unit.name) == wanted.end()) continue;
        TRY(const auto all, declared_credentials(unit));
        for (const DeclaredCredential& one : all) {
            const auto checked = check_declared(places, one);
            lines.push_back({unit.name, one, checked ? "" : checked.error().message});
        }
    }
    for (const std::string& name : wanted) {
        const bool known =
            std::ranges::find(loaded.units, name, &config::Unit::name) != loaded.units.end();
        if (!known) return fail(name + ": there is no such unit, or it does not load; try verify");
    }
    return lines;
}

void print_json(const std::vector<Line>& lines) {
    nlohmann::json all = nlohmann::json::array();
    for (const Line& line : lines) {
        all.push_back({{"unit", line.unit},
                       {"credential", line.credential.name},
                       {"from", line.credential.from},
                       {"source", line.credential.where},
                       {"fault", line.fault}});
    }
    const auto text = all.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    std::printf("%s\n", text.c_str());
}

void print_table(const std::vector<Line>& lines) {
    for (const Line& line : lines) {
        const std::string text = fmt::format(
            "{:<20} {:<20} {:<9} {}  {}\n", line.unit, line.credential.name, line.credential.from,
            line.credential.where, line.fault.empty() ? "ok" : line.fault);
        std::fputs(text.c_str(), stdout);
    }
}

int list(const Places& places, const Words& words, bool json) {
    const auto lines = find_lines(places, words);
    if (!lines) return complain(lines.error());
    json ? print_json(*lines) : print_table(*lines);
    const bool good = std::ranges::all_of(*lines, [](const Line& l) { return l.fault.empty(); });
    return good ? 0 : kFailure;
}

}  // namespace

int creds(const std::vector<std::string>& arguments) {
    Words given = arguments;
    const bool json = std::erase(given, "--json") > 0;
    const ToolArguments split = split_arguments(given);
    const auto places = Places::from_arguments(split.options);
    if (!places) {
        complain(places.error());
        return kUsage;
    }
    if (split.rest.empty()) return usage();
    const std::string& verb = split.rest.front();
    const Words words(split.rest.begin() + 1, split.rest.end());
    const bool encrypts = verb == "encrypt" && !words.empty() && words.size() <= 3;
    const bool decrypts = verb == "decrypt" && words.size() <= 2;
    if (!encrypts && !decrypts && verb != "list") return usage();
    if (::geteuid() != 0) {
        return complain(
            {"creds: the host's key and the files of credentials are root's; run it as "
             "root",
             EPERM});
    }
    if (verb == "list") return list(*places, words, json);
    const auto done = encrypts ? encrypt(*places, words) : decrypt(*places, words);
    return done ? 0 : complain(done.error());
}

}  // namespace jailsvc::jailer
