#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "config/document.hpp"
#include "config/schema.hpp"
#include "config/unit.hpp"

namespace jailsvc::config {

/// What a check may look at, and where it tells what is wrong.
struct CheckContext {
    std::string_view key;
    const Schema& schema;
    Reporter& reporter;

    void complain(const Where& where, std::string_view what) const;
};
using Check = std::function<void(const Value&, const CheckContext&)>;

/// A key of the core, written once: how it is described, what it may be beyond its type, and which
/// member of Unit it becomes.
struct CoreKey {
    std::string table;
    Key key;
    Check check;                                     ///< empty: the type says it all
    std::function<void(const Value&, Unit&)> store;  ///< of a checked value; empty: has no member
};

/// Sorted by table, then in the order in which people should read them.
[[nodiscard]] const std::vector<CoreKey>& core_keys();
[[nodiscard]] const CoreKey* find_core_key(std::string_view table, std::string_view key);

}  // namespace jailsvc::config
