#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "config/diagnostic.hpp"
#include "config/load.hpp"
#include "config/trusted_dir.hpp"

namespace jailsvc::config {

inline constexpr std::size_t kMaxDropIns = 64;  ///< per unit

/// The unit and profile directories, opened once. Contents are read when asked for.
class UnitFiles {
public:
    enum class Look {
        kListed,  ///< the directories are listed first: for many units; names are a snapshot
        kByName,  ///< only what is asked for is looked up: the cost of one unit does not grow with
                  ///< the number of units
    };
    UnitFiles(const Sources& sources, Look look);

    /// Directories that cannot be read or trusted. What they hold might restrict a unit further, so
    /// no unit may be loaded without them.
    [[nodiscard]] const Diagnostics& problems() const { return problems_; }

    // Of kListed:
    /// Of files, and of instances that are enabled by a drop-in; templates left out, sorted.
    [[nodiscard]] std::vector<std::string> unit_names() const;
    [[nodiscard]] std::vector<std::string> template_names() const;  ///< "worker@", sorted
    /// What lies in the unit directories without ever being read: files whose names can be no
    /// unit's, and drop-in directories of no unit.
    [[nodiscard]] Diagnostics strays() const;

    [[nodiscard]] std::vector<std::string> profile_names() const;  ///< sorted
    [[nodiscard]] bool has_unit(const std::string& name) const;    ///< file or template

    struct File {
        const TrustedDir* dir = nullptr;
        std::string name;
        [[nodiscard]] std::string path() const { return dir->path_of(name); }
    };
    /// NAME.toml of the first directory that has it, else the template likewise. Of a template's
    /// name ("worker@") the template.
    [[nodiscard]] std::optional<File> find_unit(const std::string& name) const;
    [[nodiscard]] std::optional<File> find_profile(const std::string& name) const;

    /// NAME.toml.d/*.toml of all directories (and PREFIX@.toml.d), by rising priority: sorted by
    /// file name, where the higher directory masks a file of the same name, and an instance's own
    /// directory the template's. Keeps what it opened in `opened`.
    [[nodiscard]] std::vector<File> find_drop_ins(const std::string& name,
                                                  std::vector<TrustedDir>& opened,
                                                  Reporter& reporter) const;

private:
    using Names = std::set<std::string, std::less<>>;
    struct Listed {
        TrustedDir dir;
        std::optional<Names> names;  ///< of kListed
        [[nodiscard]] bool has(const std::string& name) const {
            return names ? names->contains(name) : dir.has(name);
        }
    };
    using Listing = std::vector<Listed>;

    void open_all(const std::vector<std::string>& paths, Trust trust, Look look, Listing& out);
    static Result<Listed> open_one(const std::string& path, Trust trust, Look look);
    [[nodiscard]] std::vector<std::string> names_that(bool (*are)(std::string_view name)) const;
    void add_enabled_instances(const Listed& listed, Names& names) const;
    [[nodiscard]] std::string stray_fault(const Listed& listed, const std::string& name) const;
    [[nodiscard]] bool has_owner(const std::string& file_name) const;
    static std::optional<File> find(const Listing& listing, const std::string& file_name);

    Listing units_;
    Listing profiles_;
    Names without_;  ///< see Sources::without
    Diagnostics problems_;
};

}  // namespace jailsvc::config
