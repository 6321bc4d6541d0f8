#pragma once

#include <string>
#include <vector>

#include "base/fd.hpp"
#include "base/result.hpp"

namespace jailsvc::config {

enum class Trust {
    kRootOnly,  ///< owned by root (or by this process's user when that is not root), and writable
                ///< by nobody else: only such files may say what runs
    kAny,
};

/// A directory held open, so that what was checked is what is read. Files are opened once, without
/// following a symbolic link in the last component, and checked on the open descriptor.
class TrustedDir {
public:
    /// Code ENOENT where there is no such directory.
    [[nodiscard]] static Result<TrustedDir> open(const std::string& path, Trust trust);
    [[nodiscard]] Result<TrustedDir> open_below(const std::string& name) const;

    /// Content of the regular file `name`. Code ENOENT where there is none.
    [[nodiscard]] Result<std::string> read(const std::string& name) const;
    /// Names of all entries but those starting with '.', sorted.
    [[nodiscard]] Result<std::vector<std::string>> list() const;

    /// Whether `list` would have the name.
    [[nodiscard]] bool has(const std::string& name) const;
    /// Whether `name` is a regular file there; a symbolic link is not.
    [[nodiscard]] bool has_file(const std::string& name) const;

    [[nodiscard]] const std::string& path() const { return path_; }
    [[nodiscard]] std::string path_of(const std::string& name) const { return path_ + "/" + name; }

private:
    TrustedDir(Fd fd, std::string path, Trust trust);

    Fd fd_;
    std::string path_;
    Trust trust_;
};

}  // namespace jailsvc::config
