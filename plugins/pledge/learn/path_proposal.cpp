// From single files to lines of [jail.unveil].
#include <algorithm>
#include <string_view>
#include <vector>

#include "proposal.hpp"

namespace pledge::learn {
namespace {

/// So many files of one directory that the directory is what is meant.
constexpr std::size_t kManyFiles = 6;
/// Too much to show for the sake of some files in it.
constexpr std::string_view kNeverWhole[] = {
    "/",     "/etc",  "/usr", "/usr/bin", "/usr/sbin",  "/usr/lib", "/usr/share",
    "/bin",  "/sbin", "/lib", "/var",     "/var/lib",   "/run",     "/home",
    "/root", "/dev",  "/sys", "/opt",     "/usr/local", "/srv"};

using Paths = std::map<std::string, PathUse>;

std::string parent_of(const std::string& path) {
    return path.substr(0, std::max<std::size_t>(path.rfind('/'), 1));
}

bool is_below(std::string_view path, std::string_view outer) {
    return path.size() > outer.size() && path.starts_with(outer) &&
           (outer == "/" || path[outer.size()] == '/');
}

bool may_be_whole(const std::string& path) {
    return std::ranges::find(kNeverWhole, path) == std::end(kNeverWhole);
}

void add(Paths& paths, const std::string& path, const PathUse& use) {
    PathUse& there = paths[path];
    there.uses |= use.uses;
    there.count += use.count;
}

/// /proc/self leads elsewhere for each process: /proc is what can be listed.
Paths without_processes(const Record& record) {
    Paths paths;
    for (const auto& [path, use] : record.paths) {
        if (record.libraries.contains(path)) continue;
        const bool process = path == "/proc" || is_below(path, "/proc");
        add(paths, process ? "/proc" : path, use);
    }
    return paths;
}

/// Files come and go in a directory where names are made: it speaks for all of them.
void absorb(Paths& paths) {
    for (auto outer = paths.begin(); outer != paths.end(); ++outer) {
        for (auto inner = std::next(outer); inner != paths.end();) {
            const unsigned more = inner->second.uses & ~outer->second.uses;
            const bool makes = (outer->second.uses & kCreate) != 0;
            const bool listed = (outer->second.uses & kRead) != 0 && may_be_whole(outer->first);
            if (!is_below(inner->first, outer->first) || !(makes || (listed && more == 0))) {
                ++inner;
                continue;
            }
            outer->second.uses |= inner->second.uses;
            outer->second.count += inner->second.count;
            inner = paths.erase(inner);
        }
    }
}

/// Directories of which many files were read, and nothing else was done in them.
void gather(Paths& paths) {
    std::map<std::string, std::size_t> files;
    for (const auto& [path, use] : paths) {
        if (use.uses == kRead && may_be_whole(parent_of(path))) ++files[parent_of(path)];
    }
    for (const auto& [directory, count] : files) {
        if (count >= kManyFiles) add(paths, directory, {kRead, 0});
    }
}

/// A directory on the way to another path is there without being listed.
void drop_ancestors(Paths& paths) {
    std::erase_if(paths, [&](const auto& entry) {
        if (entry.second.uses != kRead || may_be_whole(entry.first)) return false;
        if (entry.first == "/") return true;
        const auto next = paths.upper_bound(entry.first + "/");
        return next != paths.end() && is_below(next->first, entry.first);
    });
}

std::string letters(unsigned uses) {
    std::string text;
    for (const auto& [use, letter] :
         {std::pair{kRead, 'r'}, {kWrite, 'w'}, {kExecute, 'x'}, {kCreate, 'c'}}) {
        if ((uses & use) != 0) text += letter;
    }
    return text;
}

/// A basic string of TOML. Other control characters do not come this far from a sane service; they
/// are written so that they cannot leave the string.
std::string quoted(const std::string& path) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string text = "\"";
    for (const char byte : path) {
        const auto code = static_cast<unsigned char>(byte);
        if (byte == '"' || byte == '\\') text += '\\';
        if (code >= 0x20 && code != 0x7f) {
            text += byte;
            continue;
        }
        text += "\\u00";
        text += kDigits[code >> 4];
        text += kDigits[code & 0xfU];
    }
    return text + '"';
}

}  // namespace

std::string propose_paths(const Record& record) {
    Paths paths = without_processes(record);
    gather(paths);
    absorb(paths);
    drop_ancestors(paths);
    std::string text;
    if (!record.libraries.empty()) text += "libraries = true\n";
    for (const auto& [path, use] : paths) {
        text += quoted(path) + " = \"" + letters(use.uses) + "\"  # " + std::to_string(use.count) +
                (use.count == 1 ? " time\n" : " times\n");
    }
    return text;
}

}  // namespace pledge::learn
