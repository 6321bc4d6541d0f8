// For plugins written in C++: the host's functions as plain values, and one list of operations.
// Header only, nothing of jailsvc but its C interface, nothing to link.
//
// A Planner remembers refusals: `plan` reads as a list of what it wants, goes on after the first
// thing that is wrong, so that the user sees all of it, and returns planner.result() at the end.
#ifndef JAILSVC_PLUGIN_HPP
#define JAILSVC_PLUGIN_HPP

#include <jailsvc_plugin.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace jsv {

/// One row of a plugin's constexpr key table.
constexpr jsv_key key(jsv_type type, const char* name, const char* fallback, const char* doc,
                      const char* choices = nullptr) {
    return {sizeof(jsv_key), type, name, fallback, doc, choices};
}

/// Fills in a probe; the texts are cut to fit. Returns 0, as `doctor` does for a probe there is.
/// Outcome: 1 works, 0 does not and the hint is the cure, -1 does not apply here.
inline int report(jsv_probe& probe, int outcome, std::string_view name, std::string_view hint) {
    probe.outcome = outcome;
    probe.name[name.copy(probe.name, sizeof probe.name - 1)] = '\0';
    probe.hint[hint.copy(probe.hint, sizeof probe.hint - 1)] = '\0';
    return 0;
}

/// What a plugin is; the functions are those of jsv_plugin.
struct Plugin {
    const char* name;
    const char* version;
    const char* doc;
    int (*plan)(const jsv_host* host);
    int (*prepare)(const char* unit) = nullptr;
    int (*started)(const char* unit, std::int32_t pid) = nullptr;
    int (*stats)(const char* unit, std::int32_t pid, char* text, std::size_t size) = nullptr;
    int (*doctor)(std::size_t i, jsv_probe* probe) = nullptr;
    int (*teardown)(const char* unit) = nullptr;
    const char* table = nullptr;
    const char* companion = nullptr;
};

/// What jailsvc_plugin_entry() returns a pointer to, in the ABI of this header. `keys` is a
/// constant of the plugin.
template <std::size_t kCount>
constexpr jsv_plugin plugin(const jsv_key (&keys)[kCount], const Plugin& it) {
    return {.size = sizeof(jsv_plugin),
            .abi_major = JSV_ABI_MAJOR,
            .abi_minor = JSV_ABI_MINOR,
            .key_count = kCount,
            .name = it.name,
            .version = it.version,
            .doc = it.doc,
            .keys = keys,
            .plan = it.plan,
            .prepare = it.prepare,
            .started = it.started,
            .stats = it.stats,
            .doctor = it.doctor,
            .teardown = it.teardown,
            .table = it.table,
            .companion = it.companion};
}

/// The stage of a kind: the numbering of jsv_kind has one range per stage.
constexpr jsv_stage stage_of(jsv_kind kind) {
    if (kind < JSV_OP_NAMESPACE) return JSV_STAGE_PARENT;
    if (kind < JSV_OP_HOSTNAME) return JSV_STAGE_NAMESPACES;
    if (kind < JSV_OP_RLIMIT) return JSV_STAGE_MOUNTS;
    if (kind < JSV_OP_IDS) return JSV_STAGE_PROCESS;
    if (kind < JSV_OP_NO_NEW_PRIVS) return JSV_STAGE_IDENTITY;
    return JSV_STAGE_LOCKDOWN;
}

/// One operation in C++ terms; see jsv_kind for what the fields mean.
struct Op {
    jsv_kind kind;
    const char* key = nullptr;  ///< of the plugin's table; what `optional` in [jail] goes by
    std::array<std::string, 2> text{};
    std::array<std::uint64_t, 3> number{};
    std::uint32_t flags = 0;
    std::vector<std::uint32_t> blob{};
};

/// Reads a decimal number and nothing else: no sign, blank, prefix or leading zero.
inline std::optional<std::uint64_t> parse_decimal(std::string_view text, std::uint64_t largest) {
    if (text.empty() || (text.size() > 1 && text.front() == '0')) return std::nullopt;
    std::uint64_t value = 0;
    for (const char c : text) {
        if (c < '0' || c > '9') return std::nullopt;
        const auto digit = static_cast<std::uint64_t>(c - '0');
        if (value > (largest - digit) / 10) return std::nullopt;
        value = value * 10 + digit;
    }
    return value;
}

/// "64M": a decimal number with an optional K, M, G or T (powers of 1024).
inline std::optional<std::uint64_t> parse_bytes(std::string_view text) {
    constexpr std::string_view kSuffixes = "KMGT";
    unsigned shift = 0;
    if (!text.empty()) {
        if (const auto at = kSuffixes.find(text.back()); at != std::string_view::npos) {
            shift = 10 * (static_cast<unsigned>(at) + 1);
            text.remove_suffix(1);
        }
    }
    const auto value = parse_decimal(text, UINT64_MAX >> shift);
    if (!value) return std::nullopt;
    return *value << shift;
}

/// No empty, "." or ".." component: what such a path means does not depend on what it passes.
inline bool is_plain(std::string_view path) {
    while (true) {
        const auto end = path.find('/');
        const std::string_view part = path.substr(0, end);
        if (part.empty() || part == "." || part == "..") return false;
        if (end == std::string_view::npos) return true;
        path.remove_prefix(end + 1);
    }
}

/// Octal file mode of three to five digits: "0755", "01777".
inline std::optional<std::uint32_t> parse_mode(std::string_view text) {
    if (text.size() < 3 || text.size() > 5) return std::nullopt;
    std::uint32_t mode = 0;
    for (const char c : text) {
        if (c < '0' || c > '7') return std::nullopt;
        mode = mode * 8 + static_cast<std::uint32_t>(c - '0');
    }
    return mode;
}

class Planner {
public:
    explicit Planner(const jsv_host* host) : host_(*host) {}

    /// What `plan` returns: 0, or why not.
    [[nodiscard]] int result() const { return error_; }
    [[nodiscard]] bool failed() const { return error_ != 0; }

    /// Refuses the unit: `key` is the offender, the message ends with the cure. Planning goes on,
    /// so that a user sees everything that is wrong at once, and each of it once. An entry of a
    /// table is named with it ("limits.nofile"), and then its own line is shown.
    void fail(const char* key, const std::string& message) {
        std::string refusal = std::string(key == nullptr ? "" : key) + '\n' + message;
        if (broken_ || std::ranges::find(refused_, refusal) != refused_.end()) return;
        refused_.push_back(std::move(refusal));
        error_ = host_.fail(host_.ctx, key, message.c_str());
    }

    void add(const Op& op) {
        if (failed()) return;  // what would be planned for a refused unit is nobody's business
        const jsv_op raw{.size = sizeof(jsv_op),
                         .kind = static_cast<std::uint16_t>(op.kind),
                         .stage = static_cast<std::uint16_t>(stage_of(op.kind)),
                         .flags = op.flags,
                         .blob_size = static_cast<std::uint32_t>(op.blob.size() * sizeof(uint32_t)),
                         .number = {op.number[0], op.number[1], op.number[2]},
                         .text = {op.text[0].c_str(), op.text[1].c_str()},
                         .blob = op.blob.data(),
                         .key = op.key};
        note(host_.add_op(host_.ctx, &raw));
    }

    [[nodiscard]] std::optional<bool> flag(const char* name) {
        int value = 0;
        if (!note(host_.get_bool(host_.ctx, name, &value))) return std::nullopt;
        return value != 0;
    }
    [[nodiscard]] std::optional<std::string> text(const char* name) {
        const char* value = nullptr;
        if (!note(host_.get_string(host_.ctx, name, &value))) return std::nullopt;
        return value;
    }
    [[nodiscard]] std::optional<std::int64_t> integer(const char* name) {
        std::int64_t value = 0;
        if (!note(host_.get_integer(host_.ctx, name, &value))) return std::nullopt;
        return value;
    }
    [[nodiscard]] std::optional<std::uint64_t> bytes(const char* name) {
        std::uint64_t value = 0;
        if (!note(host_.get_bytes(host_.ctx, name, &value))) return std::nullopt;
        return value;
    }
    [[nodiscard]] std::optional<std::uint64_t> duration(const char* name) {
        std::uint64_t nanoseconds = 0;
        if (!note(host_.get_duration(host_.ctx, name, &nanoseconds))) return std::nullopt;
        return nanoseconds;
    }
    /// Elements of a list; nullopt for an absent key. (To a core before 1.1 a list of no elements
    /// is absent too.)
    [[nodiscard]] std::optional<std::vector<std::string>> list(const char* name) {
        std::vector<std::string> all;
        const char* value = nullptr;
        while (note(host_.get_element(host_.ctx, name, all.size(), &value)))
            all.emplace_back(value);
        if (all.empty() && !has(name)) return std::nullopt;
        return all;
    }
    /// Entries of a map, sorted by name.
    [[nodiscard]] std::vector<std::pair<std::string, std::string>> entries(const char* name) {
        std::vector<std::pair<std::string, std::string>> all;
        const char* entry = nullptr;
        const char* value = nullptr;
        while (note(host_.get_entry(host_.ctx, name, all.size(), &entry, &value))) {
            all.emplace_back(entry, value);
        }
        return all;
    }
    [[nodiscard]] std::optional<bool> other_flag(const char* table, const char* name) {
        int value = 0;
        if (!note(host_.get_other_bool(host_.ctx, table, name, &value))) return std::nullopt;
        return value != 0;
    }
    [[nodiscard]] std::optional<std::string> other_text(const char* table, const char* name) {
        const char* value = nullptr;
        if (!note(host_.get_other_string(host_.ctx, table, name, &value))) return std::nullopt;
        return value;
    }

    /// The profile's name; empty where the core is older than 1.1.
    [[nodiscard]] std::string profile_name() {
        return offers(offsetof(jsv_host, profile_name)) ? host_.profile_name(host_.ctx) : "";
    }
    /// Programs of the unit's commands; none where the core is older than 1.2.
    [[nodiscard]] std::vector<std::string> programs() {
        std::vector<std::string> all;
        const char* path = nullptr;
        if (!offers(offsetof(jsv_host, program))) return all;
        while (note(host_.program(host_.ctx, all.size(), &path))) all.emplace_back(path);
        return all;
    }
    [[nodiscard]] std::string unit_name() { return host_.unit_name(host_.ctx); }
    [[nodiscard]] std::vector<std::string> private_directories() {
        std::vector<std::string> all;
        const char* path = nullptr;
        while (note(host_.private_directory(host_.ctx, all.size(), &path))) all.emplace_back(path);
        return all;
    }
    /// Where the jail has the directory "preload": in a mount namespace with a root of its own it
    /// is bound there, see JSV_OP_SECCOMP_MAIN.
    [[nodiscard]] std::string preload_directory() {
        const bool rooted = other_text("chroot", "mode").value_or("host") != "none";
        const bool bound = rooted && other_flag("namespaces", "mount").value_or(false);
        return bound ? "/run/jailsvc" : directory_root("preload");
    }
    [[nodiscard]] std::string directory_root(const char* what) {
        const char* path = nullptr;
        return note(host_.directory_root(host_.ctx, what, &path)) ? path : "";
    }

private:
    /// Whether the call gave something. -ENOENT says "absent"; any other error ends the plan.
    bool note(int rc) {
        if (broken_ || rc == -ENOENT) return false;
        if (rc >= 0) return true;
        broken_ = true;
        error_ = rc;
        return false;
    }

    /// Whether the core's table of functions reaches as far as this member.
    [[nodiscard]] bool offers(std::size_t offset) const {
        return host_.size >= offset + sizeof(void*);
    }
    bool has(const char* name) {
        if (broken_ || !offers(offsetof(jsv_host, has_key))) return false;
        const int rc = host_.has_key(host_.ctx, name);
        return note(rc) && rc == 1;
    }

    const jsv_host& host_;
    int error_ = 0;
    bool broken_ = false;                 ///< the host would not answer: no more questions
    std::vector<std::string> refused_{};  ///< keys and messages
};

}  // namespace jsv

#endif  // JAILSVC_PLUGIN_HPP
