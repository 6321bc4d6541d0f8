#include "jailer/plugin/plugin_bridge.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <set>

#include "jailer/plan/plan_check.hpp"

namespace jailsvc::jailer {
namespace {

constexpr std::size_t kMaxKey = 128;      ///< names of tables and keys [bytes]
constexpr std::size_t kMaxMessage = 512;  ///< of a plugin's refusal [bytes]
/// Fields that were there in the first version of jsv_op: all of them are needed.
constexpr std::size_t kMinOp = offsetof(jsv_op, key);

std::optional<std::string> bounded(const char* text, std::size_t limit) {
    if (text == nullptr) return std::nullopt;
    const std::size_t length = ::strnlen(text, limit + 1);
    if (length > limit) return std::nullopt;
    return std::string(text, length);
}

/// The first words of all commands, sorted, each once.
std::vector<std::string> programs_of(const config::ServiceTable& service) {
    std::set<std::string> programs;
    const auto add = [&programs](const config::Command& command) {
        if (!command.empty()) programs.insert(command.front());
    };
    add(service.exec_start);
    for (const auto* commands :
         {&service.exec_start_pre, &service.exec_start_post, &service.exec_reload,
          &service.exec_stop, &service.exec_stop_post}) {
        std::ranges::for_each(*commands, add);
    }
    return {programs.begin(), programs.end()};
}

/// Stores what a getter found; 0, or -ENOENT for an absent key.
template <typename From, typename To>
int hand_out(const std::optional<From>& found, To* value) {
    if (!found) return -ENOENT;
    *value = static_cast<To>(*found);
    return 0;
}

}  // namespace

/// The functions of jsv_host. They see the bridge through the `ctx` that the plugin passes back.
struct BridgeCalls {
    /// Runs `body` on the bridge, without letting an exception through to the plugin.
    template <typename Body>
    static int guarded(void* ctx, const void* out, Body body) noexcept {
        if (ctx == nullptr || out == nullptr) return -EINVAL;
        try {
            return body(*static_cast<PluginBridge*>(ctx));
        } catch (const std::bad_alloc&) {
            return -ENOMEM;
        } catch (...) {
            return -EINVAL;
        }
    }

    static int get_bool(void* ctx, const char* key, int* value) {
        return guarded(ctx, value, [&](PluginBridge& self) {
            if (!self.in_schema(key, config::KeyType::kBool)) return -EINVAL;
            return hand_out(self.view_->get_bool(key), value);
        });
    }
    static int get_integer(void* ctx, const char* key, std::int64_t* value) {
        return guarded(ctx, value, [&](PluginBridge& self) {
            if (!self.in_schema(key, config::KeyType::kInteger)) return -EINVAL;
            return hand_out(self.view_->get_integer(key), value);
        });
    }
    static int get_string(void* ctx, const char* key, const char** value) {
        return guarded(ctx, value, [&](PluginBridge& self) {
            if (!self.in_schema(key, config::KeyType::kString)) return -EINVAL;
            auto text = self.view_->get_string(key);
            if (!text) return -ENOENT;
            *value = self.keep(std::move(*text));
            return 0;
        });
    }
    static int get_bytes(void* ctx, const char* key, std::uint64_t* value) {
        return guarded(ctx, value, [&](PluginBridge& self) {
            if (!self.in_schema(key, config::KeyType::kBytes)) return -EINVAL;
            return hand_out(self.view_->get_bytes(key), value);
        });
    }
    static int get_duration(void* ctx, const char* key, std::uint64_t* value) {
        return guarded(ctx, value, [&](PluginBridge& self) {
            if (!self.in_schema(key, config::KeyType::kDuration)) return -EINVAL;
            return hand_out(self.view_->get_duration(key), value);
        });
    }
    static int get_element(void* ctx, const char* key, std::size_t i, const char** value) {
        return guarded(ctx, value, [&](PluginBridge& self) {
            if (!self.in_schema(key, config::KeyType::kStringList)) return -EINVAL;
            auto list = self.view_->get_list(key);
            if (!list || i >= list->size()) return -ENOENT;
            *value = self.keep(std::move((*list)[i]));
            return 0;
        });
    }
    static int get_entry(void* ctx, const char* key, std::size_t i, const char** name,
                         const char** value) {
        return guarded(ctx, name == nullptr ? nullptr : value, [&](PluginBridge& self) {
            if (!self.in_schema(key, config::KeyType::kStringMap)) return -EINVAL;
            const auto map =
                key == config::kRestKey ? self.view_->get_rest() : self.view_->get_map(key);
            if (!map || i >= map->size()) return -ENOENT;
            const auto entry = std::next(map->begin(), static_cast<std::ptrdiff_t>(i));
            *name = self.keep(entry->first);
            *value = self.keep(entry->second);
            return 0;
        });
    }
    static int get_other_string(void* ctx, const char* table, const char* key, const char** value) {
        return guarded(ctx, value, [&](PluginBridge& self) {
            const auto table_name = bounded(table, kMaxKey);
            const auto key_name = bounded(key, kMaxKey);
            if (!table_name || !key_name) return -EINVAL;
            const config::JailView* view = self.other_view(*table_name);
            auto text = view != nullptr ? view->get_string(*key_name) : std::nullopt;
            if (!text) return -ENOENT;
            *value = self.keep(std::move(*text));
            return 0;
        });
    }
    static int get_other_bool(void* ctx, const char* table, const char* key, int* value) {
        return guarded(ctx, value, [&](PluginBridge& self) {
            const auto table_name = bounded(table, kMaxKey);
            const auto key_name = bounded(key, kMaxKey);
            if (!table_name || !key_name) return -EINVAL;
            const config::JailView* view = self.other_view(*table_name);
            if (view == nullptr) return -ENOENT;
            return hand_out(view->get_bool(*key_name), value);
        });
    }
    static const char* unit_name(void* ctx) {
        return ctx != nullptr ? static_cast<PluginBridge*>(ctx)->unit_.name.c_str() : "";
    }
    static int private_directory(void* ctx, std::size_t i, const char** path) {
        return guarded(ctx, path, [&](PluginBridge& self) {
            // Unit files may hold what is meant for one service alone ([environment]).
            std::vector<const std::string*> directories = {&self.places_.run, &self.places_.lib,
                                                           &self.places_.log};
            for (const auto& directory : self.places_.unit_dirs) {
                if (!directory.starts_with(self.places_.run)) directories.push_back(&directory);
            }
            if (i >= directories.size()) return -ENOENT;
            *path = directories[i]->c_str();
            return 0;
        });
    }
    static int directory_root(void* ctx, const char* what, const char** path) {
        return guarded(ctx, path, [&](PluginBridge& self) {
            const auto name = bounded(what, kMaxKey);
            const std::pair<std::string_view, const std::string*> roots[] = {
                {"state", &self.places_.state_root}, {"runtime", &self.places_.runtime_root},
                {"cache", &self.places_.cache_root}, {"logs", &self.places_.logs_root},
                {"hosts", &self.hosts_root_},        {"preload", &self.places_.preload}};
            for (const auto& [root, where] : roots) {
                if (name != root) continue;
                *path = where->c_str();
                return 0;
            }
            return -EINVAL;
        });
    }
    static int add_op(void* ctx, const jsv_op* op) {
        return guarded(ctx, op, [&](PluginBridge& self) { return self.add(op); });
    }
    static int fail(void* ctx, const char* key, const char* message) {
        return guarded(ctx, message, [&](PluginBridge& self) {
            std::string text(message, ::strnlen(message, kMaxMessage));
            return self.refuse(bounded(key, kMaxKey).value_or(""), std::move(text));
        });
    }

    static int has_key(void* ctx, const char* key) {
        return guarded(ctx, key, [&](PluginBridge& self) {
            if (!self.in_schema(key, std::nullopt)) return -EINVAL;
            if (key == config::kRestKey) return self.view_->get_rest().empty() ? 0 : 1;
            return self.view_->has(key) ? 1 : 0;
        });
    }
    static const char* profile_name(void* ctx) {
        return ctx != nullptr ? static_cast<PluginBridge*>(ctx)->unit_.jail.profile.c_str() : "";
    }

    static int program(void* ctx, std::size_t i, const char** path) {
        return guarded(ctx, path, [&](PluginBridge& self) {
            const auto programs = programs_of(self.unit_.service);
            if (i >= programs.size()) return -ENOENT;
            *path = self.keep(programs[i]);
            return 0;
        });
    }

    static jsv_host table(PluginBridge* self) {
        return {.size = sizeof(jsv_host),
                .reserved = 0,
                .ctx = self,
                .get_bool = get_bool,
                .get_integer = get_integer,
                .get_string = get_string,
                .get_bytes = get_bytes,
                .get_duration = get_duration,
                .get_element = get_element,
                .get_entry = get_entry,
                .get_other_string = get_other_string,
                .get_other_bool = get_other_bool,
                .unit_name = unit_name,
                .private_directory = private_directory,
                .directory_root = directory_root,
                .add_op = add_op,
                .fail = fail,
                .has_key = has_key,
                .profile_name = profile_name,
                .program = program};
    }
};

PluginBridge::PluginBridge(const config::Unit& unit, const Places& places,
                           const LoadedPlugin& plugin)
    : unit_(unit), places_(places), plugin_(plugin) {}

std::expected<std::vector<Op>, std::vector<Refusal>> PluginBridge::plan() {
    auto view = config::JailView::open(unit_, plugin_.table.name);
    if (!view) {
        static_cast<void>(blame(view.error().message, 0));
        return std::unexpected(std::move(refusals_));
    }
    view_.emplace(std::move(*view));
    const jsv_host host = BridgeCalls::table(this);
    const int code = plugin_.entry.plan(&host);
    if (code != 0) {
        const char* why = ::strerrordesc_np(code < 0 ? -code : code);
        static_cast<void>(blame(fmt::format("plan failed without a reason{}: {}", misuse_,
                                            why != nullptr ? why : "unknown error"),
                                code));
    }
    if (!refusals_.empty()) return std::unexpected(std::move(refusals_));
    return std::move(ops_);
}

const config::JailView* PluginBridge::other_view(const std::string& table) {
    if (const auto known = others_.find(table); known != others_.end()) return &known->second;
    auto view = config::JailView::open(unit_, "jail." + table);
    if (!view) return nullptr;
    return &others_.emplace(table, std::move(*view)).first->second;
}

bool PluginBridge::in_schema(const char* key, std::optional<config::KeyType> type) {
    const auto name = bounded(key, kMaxKey);
    const bool known = name && std::ranges::any_of(plugin_.table.keys, [&](const config::Key& own) {
                           return own.name == *name && (!type || own.type == *type);
                       });
    if (!known)
        misuse_ =
            fmt::format(", having asked for key \"{}\" of another type or none", name.value_or(""));
    return known;
}

const char* PluginBridge::keep(std::string text) {
    return texts_.emplace_back(std::move(text)).c_str();
}

int PluginBridge::refuse(std::string key, std::string reason) {
    if (refusals_.size() < kMaxRefusals) {
        refusals_.push_back({plugin_.table.name, std::move(key), std::move(reason)});
    }
    return -ECANCELED;
}

int PluginBridge::blame(const std::string& fault, int code) {
    if (refusals_.empty()) refusals_.push_back({{}, {}, plugin_.name + ": " + fault});
    return code;
}

bool PluginBridge::is_optional(const char* key) const {
    const std::string whole = key == nullptr ? "" : plugin_.name + "." + key;
    return std::ranges::any_of(unit_.jail.optional, [&](const std::string& entry) {
        return entry == plugin_.name || entry == whole;
    });
}

int PluginBridge::add(const jsv_op* raw) {
    if (raw->size < kMinOp) return blame("an operation's size is too small", -EINVAL);
    jsv_op given{};
    std::memcpy(&given, raw, std::min<std::size_t>(raw->size, sizeof given));
    const KindInfo* info = find_kind(given.kind);
    if (info == nullptr) {
        return blame(fmt::format("unknown kind of operation {}", given.kind), -EINVAL);
    }
    if (given.stage != static_cast<unsigned>(info->stage)) {
        return blame(fmt::format("{}: wrong stage {}", info->name, given.stage), -EINVAL);
    }
    if (ops_.size() >= kMaxOps) return blame("adds too many operations", -E2BIG);
    const auto key = bounded(given.key, kMaxKey);
    if (given.key != nullptr && !key) return blame("a key's name is too long", -EINVAL);

    Op op{.kind = info->kind,
          .stage = info->stage,
          .flags = given.flags,
          .number = {given.number[0], given.number[1], given.number[2]},
          .text = {},
          .blob = {},
          .plugin = plugin_.name,
          .optional = is_optional(key ? key->c_str() : nullptr)};
    for (std::size_t i = 0; i < op.text.size(); ++i) {
        // One byte over the limit is copied, so that check_op sees and names it.
        if (given.text[i] != nullptr) {
            op.text[i].assign(given.text[i], ::strnlen(given.text[i], kMaxText + 1));
        }
    }
    if (given.blob_size > kMaxBlob || (given.blob == nullptr && given.blob_size > 0)) {
        return blame(fmt::format("{}: a blob of impossible size", info->name), -EINVAL);
    }
    if (given.blob_size > 0) op.blob.assign(static_cast<const char*>(given.blob), given.blob_size);
    if (auto checked = check_op(op); !checked) return blame(checked.error().message, -EINVAL);
    ops_.push_back(std::move(op));
    return 0;
}

}  // namespace jailsvc::jailer
