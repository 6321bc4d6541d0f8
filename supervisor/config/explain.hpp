#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "config/schema.hpp"

namespace jailsvc::config {

/// All tables and keys that `name` means: a whole name ("service.restart", "jail.chroot"), or else
/// every name that ends so ("restart", "chroot.root"). An error names the nearest.
struct Explained {
    struct One {
        const Table* table;
        const Key* key;  ///< null: the table itself
    };
    std::vector<One> found;
};
[[nodiscard]] Result<Explained> look_up(const Schema& schema, std::string_view name);
/// All tables, without their keys.
[[nodiscard]] Explained all_tables(const Schema& schema);

/// What `jailsvc explain` says, for people and as JSON.
[[nodiscard]] std::string to_text(const Explained& explained);
[[nodiscard]] std::string to_json(const Explained& explained);

}  // namespace jailsvc::config
