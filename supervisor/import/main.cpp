// jailsvc-import: foreign service files as unit files of ours. For `jailsvc import`.
//   jailsvc-import systemd|compose [--output DIR] [--force] [--json] FILE...

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>

#include "base/sys.hpp"
#include "import/compose.hpp"
#include "import/systemd.hpp"

namespace {

using namespace jailsvc;
using namespace jailsvc::import;
using Json = nlohmann::json;

constexpr int kFailure = 1;
constexpr int kUsage = 2;
constexpr std::size_t kMaxFile = 1U << 20;  ///< [bytes]

struct Options {
    std::string kind;
    std::string output;  ///< a directory; empty: standard output
    bool force = false;
    bool json = false;
    std::vector<std::string> files;
};

int complain(const std::string& message, int code = kFailure) {
    std::fprintf(stderr, "jailsvc: import: %s\n", plain(message).c_str());
    return code;
}

Result<Options> read_options(const std::vector<std::string>& words) {
    Options options;
    for (std::size_t i = 0; i < words.size(); ++i) {
        if (words[i] == "--json") {
            options.json = true;
        } else if (words[i] == "--force") {
            options.force = true;
        } else if (words[i] == "--output" && i + 1 < words.size()) {
            options.output = words[++i];
        } else if (options.kind.empty()) {
            options.kind = words[i];
        } else {
            options.files.push_back(words[i]);
        }
    }
    const bool known = options.kind == "systemd" || options.kind == "compose";
    if (!known || options.files.empty()) return fail("systemd or compose, and files");
    return options;
}

/// NAME=VALUE lines of a ".env" beside the file.
std::map<std::string, std::string> variables_beside(const std::string& directory) {
    std::map<std::string, std::string> found;
    std::string text = sys::read_file(directory + "/.env", kMaxFile).value_or("");
    while (!text.empty()) {
        const std::string line = text.substr(0, text.find('\n'));
        text.erase(0, line.size() + 1);
        const std::size_t equals = line.find('=');
        if (line.starts_with('#') || equals == std::string::npos || equals == 0) continue;
        found.insert_or_assign(line.substr(0, equals), line.substr(equals + 1));
    }
    return found;
}

Result<void> read_compose(const std::string& path, Drafts& drafts) {
    TRY(const std::string text, sys::read_file(path, kMaxFile));
    std::error_code ignored;
    const std::string directory =
        std::filesystem::absolute(path, ignored).lexically_normal().parent_path();
    const auto beside = variables_beside(directory);
    const ComposeContext context{
        .file_name = path.substr(path.rfind('/') + 1),
        .directory = directory,
        .variable = [&beside](const std::string& name) -> std::optional<std::string> {
            if (const char* set = std::getenv(name.c_str())) return std::string(set);
            const auto at = beside.find(name);
            return at == beside.end() ? std::nullopt : std::optional(at->second);
        }};
    return import_compose(text, context, drafts);
}

Result<void> write_unit(const std::string& path, const std::string& text, bool force) {
    const int flags = O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC | (force ? O_TRUNC : O_EXCL);
    const Fd file(::open(path.c_str(), flags, 0644));
    if (!file && errno == EEXIST) return fail(path + ": is there already; --force overwrites it");
    if (!file) return fail_errno(path);
    std::string_view rest = text;
    while (!rest.empty()) {
        const ssize_t count = ::write(file.get(), rest.data(), rest.size());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return fail_errno(path);
        rest.remove_prefix(static_cast<std::size_t>(count));
    }
    return {};
}

const char* name_of(Outcome outcome) {
    switch (outcome) {
        case Outcome::kTranslated:
            return "translated";
        case Outcome::kNoted:
            return "noted";
        case Outcome::kLeftOut:
            return "not-translated";
    }
    return "";
}

void tell_notes(const Drafts& drafts) {
    for (const auto& [unit, draft] : drafts) {
        for (const Note& note : draft.notes) {
            if (note.outcome == Outcome::kTranslated) continue;
            std::fprintf(stderr, "%s: %s: %s: %s%s\n", plain(unit).c_str(),
                         plain(note.place).c_str(), plain(note.directive).c_str(),
                         note.outcome == Outcome::kLeftOut ? "not translated: " : "",
                         plain(note.text).c_str());
        }
    }
}

Json to_json(const std::string& unit, const Draft& draft, const std::string& text) {
    Json notes = Json::array();
    for (const Note& note : draft.notes) {
        notes.push_back({{"place", note.place},
                         {"directive", note.directive},
                         {"outcome", name_of(note.outcome)},
                         {"text", note.text}});
    }
    return {{"unit", unit}, {"text", text}, {"notes", std::move(notes)}};
}

int give_out(const Options& options, const Drafts& drafts) {
    std::string made_of;
    for (const std::string& file : options.files) {
        made_of += (made_of.empty() ? "" : ", ") + file.substr(file.rfind('/') + 1);
    }
    Json units = Json::array();
    for (const auto& [unit, draft] : drafts) {
        const std::string text = to_file(draft, made_of);
        units.push_back(to_json(unit, draft, text));
        if (!options.output.empty()) {
            const auto done =
                write_unit(options.output + "/" + unit + ".toml", text, options.force);
            if (!done) return complain(done.error().message);
        } else if (!options.json) {
            std::printf("%s# %s.toml\n%s", &unit == &drafts.begin()->first ? "" : "\n",
                        unit.c_str(), text.c_str());
        }
    }
    if (options.json) {
        std::puts(
            Json{{"units", units}}.dump(-1, ' ', false, Json::error_handler_t::replace).c_str());
    } else {
        tell_notes(drafts);
    }
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    const auto options = read_options({argv + 1, argv + argc});
    if (!options) return complain(options.error().message, kUsage);
    Drafts drafts;
    if (options->kind == "systemd") {
        if (const auto read = import_systemd(options->files, drafts); !read) {
            return complain(read.error().message);
        }
        return give_out(*options, drafts);
    }
    for (const std::string& file : options->files) {
        if (const auto read = read_compose(file, drafts); !read) {
            return complain(read.error().message);
        }
    }
    return give_out(*options, drafts);
}
