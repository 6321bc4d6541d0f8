#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "config/document.hpp"

namespace jailsvc::config {

/// What the specifiers stand for in one unit; meanings as in systemd.unit(5). %I is the name of the
/// unit whose companion the instance is (companions.hpp).
struct Specifiers {
    std::string name;                     ///< %n
    std::string prefix;                   ///< %p
    std::optional<std::string> instance;  ///< %i; only template instances have one; %I: see below
    std::optional<std::string> user;      ///< %u; only with a user in [jail.identity]
    std::string runtime_root;             ///< %t
    std::string state_root;               ///< %S
};

/// `text` with its specifiers replaced and %% as %; the % of "50%" stays too. Unknown ones are an
/// error, and so are those that stand for nothing in this unit.
[[nodiscard]] Result<std::string> expand(std::string_view text, const Specifiers& specifiers);

/// The same for every string value of a document (not for names of keys).
void expand(Document& document, const Specifiers& specifiers, Reporter& reporter);

}  // namespace jailsvc::config
