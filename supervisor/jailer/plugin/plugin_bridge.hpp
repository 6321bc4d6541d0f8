#pragma once

#include <jailsvc_plugin.h>

#include <deque>
#include <expected>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/places.hpp"
#include "base/result.hpp"
#include "config/jail_view.hpp"
#include "config/unit.hpp"
#include "jailer/plan/plan.hpp"
#include "jailer/plugin/plugin_load.hpp"
#include "jailer/plugin/refusal.hpp"

namespace jailsvc::jailer {

/// The core's side of jsv_host: what one plugin may read of a unit, and the operations it adds.
/// Nothing that a plugin passes in is believed; no exception leaves towards it.
class PluginBridge {
public:
    PluginBridge(const config::Unit& unit, const Places& places, const LoadedPlugin& plugin);
    PluginBridge(const PluginBridge&) = delete;
    PluginBridge& operator=(const PluginBridge&) = delete;

    /// Calls the plugin's plan function. A refusal names table and key where the plugin refused
    /// the unit, and the operation where it added a wrong one.
    [[nodiscard]] std::expected<std::vector<Op>, std::vector<Refusal>> plan();

private:
    friend struct BridgeCalls;

    [[nodiscard]] const config::JailView* other_view(const std::string& table);
    /// Whether the plugin's schema has this key, of the type that the plugin asks for.
    [[nodiscard]] bool in_schema(const char* key, std::optional<config::KeyType> type);
    [[nodiscard]] const char* keep(std::string text);
    /// The plugin's word on the unit.
    [[nodiscard]] int refuse(std::string key, std::string reason);
    /// Our word on the plugin; only the first counts, what follows may come of it.
    [[nodiscard]] int blame(const std::string& fault, int code);
    [[nodiscard]] int add(const jsv_op* raw);
    [[nodiscard]] bool is_optional(const char* key) const;

    const config::Unit& unit_;
    const Places& places_;
    const std::string hosts_root_ = places_.hosts_root();
    const LoadedPlugin& plugin_;
    std::optional<config::JailView> view_;
    std::map<std::string, config::JailView> others_;
    std::deque<std::string> texts_;  ///< strings handed out; a deque never moves them
    std::vector<Op> ops_;
    std::string misuse_;  ///< the last one, for a plan that fails without a reason
    std::vector<Refusal> refusals_;
};

}  // namespace jailsvc::jailer
