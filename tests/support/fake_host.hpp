#pragma once

#include <jailsvc_plugin.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

namespace jailsvc::test {

/// A plugin's host made of a map: hands out what a test put into `keys`, collects the operations.
/// Strict as the real one: a key is asked for by the type of its schema, or the plan is off.
class FakeHost {
public:
    using Strings = std::vector<std::string>;
    using Map = std::map<std::string, std::string>;
    using Value = std::variant<bool, std::string, Strings, Map, std::int64_t, std::uint64_t>;

    std::uint32_t size = sizeof(jsv_host);  ///< less: an older core
    std::map<std::string, Value> keys;
    std::map<std::string, bool> other_flags;         ///< "namespaces.mount"
    std::map<std::string, std::string> other_texts;  ///< "chroot.mode"
    Strings private_directories;
    Strings programs;
    std::map<std::string, std::string> roots = {
        {"state", "/var/lib"}, {"cache", "/var/cache"}, {"logs", "/var/log"}, {"runtime", "/run"}};

    struct Added {
        unsigned kind;
        unsigned stage;
        std::uint32_t flags;
        std::uint64_t number[3];
        std::string text[2];
        std::vector<std::uint32_t> blob;
        std::string key;
    };
    std::vector<Added> ops;
    std::size_t refused = 0;  ///< how often the plan was refused
    std::string failed_key;
    std::string failure;

    /// Runs the plugin's plan afresh; what it returned.
    int plan(const jsv_plugin& plugin) {
        ops.clear();
        refused = 0;
        failed_key.clear();
        failure.clear();
        plugin_ = &plugin;
        const jsv_host host = table();
        return plugin.plan(&host);
    }

    [[nodiscard]] std::vector<Added> of_kind(unsigned kind) const {
        std::vector<Added> found;
        std::ranges::copy_if(ops, std::back_inserter(found),
                             [kind](const Added& op) { return op.kind == kind; });
        return found;
    }
    /// The only operation of `kind` with this first text, or nullptr.
    [[nodiscard]] const Added* find(unsigned kind, const std::string& text) const {
        const auto found = std::ranges::find_if(
            ops, [&](const Added& op) { return op.kind == kind && op.text[0] == text; });
        return found == ops.end() ? nullptr : &*found;
    }

private:
    const jsv_plugin* plugin_ = nullptr;

    static FakeHost& self(void* ctx) { return *static_cast<FakeHost*>(ctx); }

    /// 0 with the value found, -ENOENT, or -EINVAL for a key the schema has not, or not so.
    template <typename T>
    static int get(void* ctx, jsv_type type, const char* key, const T*& value) {
        const jsv_plugin& plugin = *self(ctx).plugin_;
        const bool known = std::any_of(plugin.keys, plugin.keys + plugin.key_count, [&](auto& row) {
            return std::string(row.name) == key && row.type == static_cast<unsigned>(type);
        });
        if (!known) return -EINVAL;
        const auto& keys = self(ctx).keys;
        const auto found = keys.find(key);
        if (found == keys.end()) return -ENOENT;
        value = std::get_if<T>(&found->second);
        return value == nullptr ? -EINVAL : 0;
    }

    static int get_bool(void* ctx, const char* key, int* value) {
        const bool* flag = nullptr;
        const int rc = get(ctx, JSV_BOOL, key, flag);
        if (rc == 0) *value = *flag ? 1 : 0;
        return rc;
    }
    static int get_string(void* ctx, const char* key, const char** value) {
        const std::string* text = nullptr;
        const int rc = get(ctx, JSV_STRING, key, text);
        if (rc == 0) *value = text->c_str();
        return rc;
    }
    static int get_integer(void* ctx, const char* key, int64_t* value) {
        const std::int64_t* number = nullptr;
        const int rc = get(ctx, JSV_INTEGER, key, number);
        if (rc == 0) *value = *number;
        return rc;
    }
    static int get_bytes(void* ctx, const char* key, uint64_t* value) {
        const std::uint64_t* number = nullptr;
        const int rc = get(ctx, JSV_BYTES, key, number);
        if (rc == 0) *value = *number;
        return rc;
    }
    static int get_duration(void* ctx, const char* key, uint64_t* nanoseconds) {
        const std::uint64_t* number = nullptr;
        const int rc = get(ctx, JSV_DURATION, key, number);
        if (rc == 0) *nanoseconds = *number;
        return rc;
    }
    static int get_element(void* ctx, const char* key, size_t i, const char** value) {
        const Strings* list = nullptr;
        const int rc = get(ctx, JSV_STRING_LIST, key, list);
        if (rc != 0) return rc;
        if (i >= list->size()) return -ENOENT;
        *value = (*list)[i].c_str();
        return 0;
    }
    static int get_entry(void* ctx, const char* key, size_t i, const char** name,
                         const char** value) {
        const Map* map = nullptr;
        const int rc = get(ctx, JSV_STRING_MAP, key, map);
        if (rc != 0) return rc;
        if (i >= map->size()) return -ENOENT;
        const auto entry = std::next(map->begin(), static_cast<std::ptrdiff_t>(i));
        *name = entry->first.c_str();
        *value = entry->second.c_str();
        return 0;
    }
    static int get_other_bool(void* ctx, const char* table, const char* key, int* value) {
        const auto& flags = self(ctx).other_flags;
        const auto found = flags.find(std::string(table) + "." + key);
        if (found == flags.end()) return -ENOENT;
        *value = found->second ? 1 : 0;
        return 0;
    }
    static int get_other_string(void* ctx, const char* table, const char* key, const char** value) {
        const auto& texts = self(ctx).other_texts;
        const auto found = texts.find(std::string(table) + "." + key);
        if (found == texts.end()) return -ENOENT;
        *value = found->second.c_str();
        return 0;
    }
    static int program(void* ctx, size_t i, const char** path) {
        const auto& all = self(ctx).programs;
        if (i >= all.size()) return -ENOENT;
        *path = all[i].c_str();
        return 0;
    }
    static int private_directory(void* ctx, size_t i, const char** path) {
        const auto& all = self(ctx).private_directories;
        if (i >= all.size()) return -ENOENT;
        *path = all[i].c_str();
        return 0;
    }
    static int directory_root(void* ctx, const char* what, const char** path) {
        const auto& roots = self(ctx).roots;
        const auto found = roots.find(what);
        if (found == roots.end()) return -ENOENT;
        *path = found->second.c_str();
        return 0;
    }
    static int add_op(void* ctx, const jsv_op* op) {
        if (op->size != sizeof(jsv_op)) return -EINVAL;
        Added added{op->kind, op->stage, op->flags, {}, {}, {}, op->key == nullptr ? "" : op->key};
        std::copy_n(op->number, 3, added.number);
        for (int i = 0; i < 2; ++i) added.text[i] = op->text[i] == nullptr ? "" : op->text[i];
        const auto* ids = static_cast<const std::uint32_t*>(op->blob);
        added.blob.assign(ids, ids + op->blob_size / sizeof(std::uint32_t));
        self(ctx).ops.push_back(std::move(added));
        return 0;
    }
    static int fail(void* ctx, const char* key, const char* message) {
        if (self(ctx).refused++ != 0) return -ECANCELED;  // the first is told of, all are counted
        self(ctx).failed_key = key == nullptr ? "" : key;
        self(ctx).failure = message;
        return -ECANCELED;
    }

    jsv_host table() {
        return {
            .size = size,
            .reserved = 0,
            .ctx = this,
            .get_bool = get_bool,
            .get_integer = get_integer,
            .get_string = get_string,
            .get_bytes = get_bytes,
            .get_duration = get_duration,
            .get_element = get_element,
            .get_entry = get_entry,
            .get_other_string = get_other_string,
            .get_other_bool = get_other_bool,
            .unit_name = [](void*) { return "web"; },
            .private_directory = private_directory,
            .directory_root = directory_root,
            .add_op = add_op,
            .fail = fail,
            .has_key = [](void* ctx,
                          const char* key) { return self(ctx).keys.contains(key) ? 1 : 0; },
            .profile_name = [](void*) { return "default"; },
            .program = program,
        };
    }
};

}  // namespace jailsvc::test
