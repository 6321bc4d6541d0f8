#include "config/presets.hpp"

#include <fmt/format.h>
#include <fnmatch.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <map>
#include <utility>

#include "config/nearest.hpp"

namespace jailsvc::config {
namespace {

constexpr std::string_view kSuffix = ".preset";
constexpr std::string_view kBlank = " \t\r";

/// Takes the first word off the text.
std::string_view take_word(std::string_view& text) {
    const std::size_t begin = text.find_first_not_of(kBlank);
    if (begin == std::string_view::npos) return text = {};
    const std::size_t end = std::min(text.find_first_of(kBlank, begin), text.size());
    const std::string_view word = text.substr(begin, end - begin);
    text.remove_prefix(end);
    return word;
}

}  // namespace

Presets Presets::read(const std::vector<std::string>& dirs, Trust trust, Diagnostics& problems) {
    std::vector<TrustedDir> opened;
    opened.reserve(dirs.size());  // `chosen` points into it
    std::map<std::string, const TrustedDir*> chosen;
    for (const std::string& path : dirs) {
        auto dir = TrustedDir::open(path, trust);
        const auto names = dir ? dir->list() : std::unexpected(dir.error());
        if (!names) {
            if (names.error().code == ENOENT) continue;
            problems.push_back({.file = path, .message = names.error().message});
            continue;
        }
        opened.push_back(std::move(*dir));
        for (const std::string& name : *names) {
            if (name.ends_with(kSuffix)) chosen.try_emplace(name, &opened.back());
        }
    }
    Presets all;
    for (const auto& [name, dir] : chosen) {
        const auto text = dir->read(name);
        if (text) {
            all.add(dir->path_of(name), *text, problems);
        } else {
            problems.push_back({.file = dir->path_of(name), .message = text.error().message});
        }
    }
    return all;
}

void Presets::add(const std::string& file, std::string_view text, Diagnostics& problems) {
    const std::pair<std::string_view, Policy> words[] = {
        {"enable", Policy::kEnable}, {"disable", Policy::kDisable}, {"ignore", Policy::kNone}};
    for (unsigned number = 1; !text.empty(); ++number) {
        const std::size_t end = text.find('\n');
        std::string_view rest = text.substr(0, end);
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
        const std::string_view word = take_word(rest);
        if (word.empty() || word.starts_with('#') || word.starts_with(';')) continue;
        const std::string_view glob = take_word(rest);
        const bool whole = !glob.empty() && take_word(rest).empty();
        const auto* known =
            std::ranges::find(words, word, &std::pair<std::string_view, Policy>::first);
        if (whole && known != std::end(words)) {
            lines_.push_back({.policy = known->second, .glob = std::string(glob)});
            continue;
        }
        problems.push_back(
            {.file = file,
             .line = number,
             .column = 1,
             .message = fmt::format("{}: no line of a preset file; write \"enable GLOB\", "
                                    "\"disable GLOB\" or \"ignore GLOB\"",
                                    shown(word))});
    }
}

Presets::Policy Presets::of(const std::string& unit) const {
    for (const Line& line : lines_) {
        if (::fnmatch(line.glob.c_str(), unit.c_str(), FNM_NOESCAPE) == 0) return line.policy;
    }
    return Policy::kNone;
}

}  // namespace jailsvc::config
