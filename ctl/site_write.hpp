#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"

/// Files of the site's unit directory, which say what runs: only root writes them, and they appear
/// whole or not at all. Error codes are exit codes.
namespace jailsvc::ctl {

struct SiteFile {
    std::string site;    ///< the directory; made where it is missing
    std::string folder;  ///< below it; empty: the directory itself
    std::string name;
    [[nodiscard]] std::string path() const {
        return site + "/" + (folder.empty() ? "" : folder + "/") + name;
    }
};

/// NAME.toml.d/FILE
[[nodiscard]] SiteFile drop_in_of(const std::string& site, const std::string& unit,
                                  std::string_view file);

/// With mode 0644, on disk when this returns. Symbolic links are not followed, and a directory that
/// somebody else could write is refused.
[[nodiscard]] Result<void> write_site_file(const SiteFile& file, std::string_view text);

/// The same for a file that must not be there yet: two at once do not both succeed.
[[nodiscard]] Result<void> write_new_site_file(const SiteFile& file, std::string_view text);

/// The file, and its folder if that is empty then. false: there was no such file.
[[nodiscard]] Result<bool> remove_site_file(const SiteFile& file);

/// nullopt: there is no such file.
[[nodiscard]] Result<std::optional<std::string>> read_site_file(const SiteFile& file);

}  // namespace jailsvc::ctl
