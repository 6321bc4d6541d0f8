#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/ceiling.hpp"
#include "config/document.hpp"
#include "config/effective.hpp"
#include "config/load.hpp"
#include "config/unit_files.hpp"

namespace jailsvc::config {

/// Loads units; the directories are opened once, and each profile is read once however many units
/// name it.
class Loader {
public:
    Loader(const Sources& sources, const Schema& schema, UnitFiles::Look look);

    [[nodiscard]] Checked<Unit> load(const std::string& name, JailPlaces* places = nullptr);
    [[nodiscard]] Inspection inspect(const std::string& name);
    /// What can be said of a template ("worker@") without an instance: its files and its profile.
    [[nodiscard]] Checked<Template> check_template(const std::string& name);
    [[nodiscard]] const UnitFiles& files() const { return files_; }
    /// What keeps every unit from being loaded: directories that cannot be read or trusted, a
    /// ceiling that cannot be understood.
    [[nodiscard]] const Diagnostics& problems() const { return problems_; }

private:
    /// One file of a unit.
    struct Layer {
        std::shared_ptr<const SourceText> source;  ///< nullptr if the file could not be read
        Document document;
        bool readable = false;  ///< read, and its syntax is good
    };
    struct Profile {
        Layer layer;
        Diagnostics errors;
    };

    /// What was made of a unit's layers; no places yet.
    struct Made {
        Inspection found;
        std::vector<Layer> layers;
    };
    void read_ceiling();
    Made make(const std::string& name);
    Document merge_layers(const std::string& name, std::vector<Layer>& layers, bool is_service,
                          Reporter& reporter);
    void check_plugins(const std::string& name, const Document& merged, Reporter& reporter) const;
    void check_merged(const std::string& name, Document& merged, bool is_service,
                      Reporter& reporter) const;
    Layer read_layer(const UnitFiles::File& file, FileKind kind, Reporter& reporter) const;
    std::vector<Layer> read_layers(const std::string& name, Reporter& reporter) const;
    void add_profile(std::vector<Layer>& layers, const Specifiers& specifiers, Reporter& reporter);
    const Profile& profile(const std::string& name, const UnitFiles::File& file);
    void unknown_profile(const Text& name, Reporter& reporter) const;

    const Sources& sources_;
    const Schema& schema_;
    UnitFiles files_;
    std::optional<Ceiling> ceiling_;
    Diagnostics problems_;
    std::map<std::string, Profile> profiles_;
};

}  // namespace jailsvc::config
