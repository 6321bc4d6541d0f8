#pragma once

#include <string>
#include <string_view>

#include "base/interned.hpp"

namespace jailsvc {

/// The path of a file, with its directory stored once for all paths that lie in it.
class SharedPath {
public:
    explicit SharedPath(std::string_view path)
        : directory_(std::string(path.substr(0, path.rfind('/') + 1))),
          name_(path.substr(path.rfind('/') + 1)) {}

    [[nodiscard]] std::string str() const { return *directory_ + name_; }
    [[nodiscard]] bool operator==(const SharedPath& other) const = default;

private:
    Interned<std::string> directory_;  ///< with its slash; empty if there is none
    std::string name_;
};

}  // namespace jailsvc
