#include "permissions.hpp"

#include <algorithm>

namespace unveil {
namespace {

constexpr std::string_view kLetters = "rwxc";

// LANDLOCK_ACCESS_FS_* of linux/landlock.h, whose version here may be older than the kernel.
constexpr std::uint64_t kExecute = 1U << 0, kWriteFile = 1U << 1, kReadFile = 1U << 2,
                        kReadDir = 1U << 3, kRemoveDir = 1U << 4, kRemoveFile = 1U << 5,
                        kMakeDir = 1U << 7, kMakeReg = 1U << 8, kMakeSock = 1U << 9,
                        kMakeFifo = 1U << 10, kMakeSym = 1U << 12, kRefer = 1U << 13,
                        kTruncate = 1U << 14, kIoctlDev = 1U << 15, kResolveUnix = 1U << 16;

/// In the order of kLetters. Nothing gives device nodes. The kernel opens for reading what it
/// executes; connecting to a socket is writing to it (unix(7)).
constexpr std::uint64_t kRights[] = {
    kReadFile | kReadDir,
    kWriteFile | kTruncate | kIoctlDev | kResolveUnix,
    kExecute | kReadFile,
    kRemoveDir | kRemoveFile | kMakeDir | kMakeReg | kMakeSock | kMakeFifo | kMakeSym | kRefer,
};

bool is_absolute(std::string_view path) {
    return path == "/" || (path.starts_with('/') && jsv::is_plain(path.substr(1)));
}

Entry read_entry(jsv::Planner& plan, const std::string& name, const std::string& text) {
    Entry entry{.name = name, .path = name, .permissions = {}, .if_present = name.starts_with('-')};
    if (entry.if_present) entry.path.erase(0, 1);
    if (entry.path.size() > 1 && entry.path.ends_with('/')) entry.path.pop_back();
    if (!is_absolute(entry.path)) {
        plan.fail(name.c_str(),
                  "is no absolute path; write one that begins with / (or -/) and has no \"..\", "
                  "\".\" or \"//\" in it");
    }
    for (const char* own : {"/proc/self", "/proc/thread-self"}) {
        // It leads elsewhere for whoever looks.
        if (is_within(entry.path, own))
            plan.fail(name.c_str(), "is another for each process; use /proc");
    }
    const auto permissions = Permissions::parse(text);
    if (!permissions) {
        plan.fail(name.c_str(), "\"" + text +
                                    "\" are no permissions; write r, w, x and c (create and "
                                    "remove), each at most once, or \"\" for nothing");
    }
    entry.permissions = permissions.value_or(Permissions{});
    return entry;
}

/// What can be taken away below by a mount: writing and making as one, and executing.
bool can_take(Permissions taken, Permissions left) {
    if (left.empty()) return true;
    if (taken.has('r')) return false;
    const bool writes = left.has('w') || left.has('c');
    return !writes || (!taken.has('w') && !taken.has('c'));
}

/// What is shown empty has no place for anything inside.
void check_shown(jsv::Planner& plan, std::span<const Entry> entries, const Entry& inner) {
    if (inner.permissions.empty()) return;
    bool shown = false;
    for (const Entry& outer : entries) {  // outer ones come first
        if (&outer == &inner || !is_within(inner.path, outer.path)) continue;
        if (shown && outer.permissions.empty()) {
            plan.fail(inner.name.c_str(), "lies in \"" + outer.path +
                                              "\", which is shown empty; give that a permission");
        }
        shown = shown || !outer.permissions.empty();
    }
}

}  // namespace

std::optional<Permissions> Permissions::parse(std::string_view text) {
    Permissions permissions;
    for (const char letter : text) {
        const auto at = kLetters.find(letter);
        if (at == std::string_view::npos || permissions.has(letter)) return std::nullopt;
        permissions.bits_ |= 1U << at;
    }
    return permissions;
}

bool Permissions::has(char permission) const {
    return (bits_ >> kLetters.find(permission) & 1U) != 0;
}

Permissions Permissions::minus(Permissions other) const {
    Permissions rest;
    rest.bits_ = bits_ & ~other.bits_;
    return rest;
}

Permissions Permissions::plus(Permissions other) const {
    Permissions sum;
    sum.bits_ = bits_ | other.bits_;
    return sum;
}

std::string Permissions::text() const {
    std::string out;
    for (const char letter : kLetters) {
        if (has(letter)) out += letter;
    }
    return out;
}

std::uint64_t Permissions::landlock_rights() const {
    std::uint64_t rights = 0;
    for (std::size_t i = 0; i < kLetters.size(); ++i) {
        if ((bits_ >> i & 1U) != 0) rights |= kRights[i];
    }
    return rights;
}

bool is_within(std::string_view path, std::string_view folder) {
    if (folder == "/" || path == folder) return true;
    return path.starts_with(folder) && path[folder.size()] == '/';
}

std::vector<Entry> read_entries(jsv::Planner& plan) {
    std::vector<Entry> entries;
    for (const auto& [name, text] : plan.entries("*")) {
        entries.push_back(read_entry(plan, name, text));
    }
    std::ranges::stable_sort(entries, {}, &Entry::path);  // outer ones first
    const auto twice = std::ranges::adjacent_find(entries, {}, &Entry::path);
    if (twice != entries.end()) {
        plan.fail(twice->name.c_str(), "is there twice, as \"" + std::next(twice)->name + "\"");
    }
    return entries;
}

void check_nesting(jsv::Planner& plan, std::span<const Entry> entries, bool view) {
    for (const Entry& inner : entries) {
        Permissions above;
        for (const Entry& outer : entries) {
            const bool is_above = &outer != &inner && is_within(inner.path, outer.path);
            if (is_above) above = above.plus(outer.permissions);
        }
        check_shown(plan, entries, inner);
        const Permissions taken = above.minus(inner.permissions);
        if (taken.empty() || (view && can_take(taken, inner.permissions))) continue;
        plan.fail(inner.name.c_str(),
                  "\"" + inner.permissions.text() + "\" takes \"" + taken.text() +
                      "\" back, which a path above gives; " +
                      (view ? "w and c can be taken together alone, r only with all the rest"
                            : "that needs the view of a mount namespace") +
                      ": give it here too, or name the paths beside it above");
    }
}

}  // namespace unveil
