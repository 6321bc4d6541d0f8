#pragma once

#include <string>
#include <string_view>

#include "base/interned.hpp"
#include "base/list.hpp"

namespace jailsvc {

/// A TOML text whose tables are stored once for all texts that have the same: the effective units
/// of one profile differ in few.
class SharedText {
public:
    SharedText() = default;
    explicit SharedText(std::string_view text);

    [[nodiscard]] std::string str() const;
    [[nodiscard]] bool operator==(const SharedText& other) const = default;

private:
    List<Interned<std::string>> pieces_;  ///< each begins with its table's header
};

}  // namespace jailsvc
