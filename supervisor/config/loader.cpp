#include "config/loader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <iterator>

#include "config/checks.hpp"
#include "config/companions.hpp"
#include "config/environment_files.hpp"
#include "config/names.hpp"
#include "config/nearest.hpp"

// A unit is made in four steps: read its files, put the profile below them, check each file by
// itself (so that an error names its place), merge.
namespace jailsvc::config {
namespace {

/// The profile of a unit that asks for no jail.
constexpr std::string_view kUnconfined = "host";

Diagnostics one_problem(const std::string& file, std::string message) {
    return {{.file = file, .message = std::move(message)}};
}

/// The text of the highest layer that has the key.
template <typename Layers>
const Text* top_text(const Layers& layers, std::string_view section, std::string_view key) {
    const Text* found = nullptr;
    for (const auto& layer : layers) {
        if (const Text* text = layer.document.find_text(section, key)) found = text;
    }
    return found;
}

template <typename Layers>
bool any_has(const Layers& layers, std::string_view section) {
    return std::any_of(layers.begin(), layers.end(), [&](const auto& layer) {
        return layer.document.sections.contains(section);
    });
}

template <typename Layers>
bool are_readable(const Layers& layers) {
    return std::all_of(layers.begin(), layers.end(),
                       [](const auto& layer) { return layer.readable; });
}

template <typename Layers>
std::vector<SharedPath> files_of(const Layers& layers) {
    std::vector<SharedPath> files;
    for (const auto& layer : layers) files.emplace_back(layer.source->name);
    return files;
}

/// Adds the places of a layer; those of lower layers give way.
void note_places(const Document& document, JailPlaces& places) {
    for (const auto& [table, section] : document.sections) {
        places.insert_or_assign(table, diagnostic_at(section.where, {}));
        for (const auto& [key, value] : section.keys) {
            const std::string name = table + "." + key;
            places.insert_or_assign(name, diagnostic_at(value.where, {}));
            const auto* map = std::get_if<TextMap>(&value.data);
            if (map == nullptr) continue;
            for (const auto& [entry, text] : *map) {
                places.insert_or_assign(name + "." + entry, diagnostic_at(text.where, {}));
            }
        }
    }
}

Value text_value(const std::string& text) {
    return {.where = {}, .data = Text{.text = text, .where = {}}};
}

}  // namespace

Loader::Loader(const Sources& sources, const Schema& schema, UnitFiles::Look look)
    : sources_(sources), schema_(schema), files_(sources, look), problems_(files_.problems()) {
    read_ceiling();
}

void Loader::read_ceiling() {
    const std::string& path = sources_.ceiling;
    const std::size_t slash = path.rfind('/');
    if (slash == std::string::npos) return;
    const Trust trust = sources_.require_trusted_owner ? Trust::kRootOnly : Trust::kAny;
    const auto dir = TrustedDir::open(path.substr(0, slash), trust);
    auto text = dir ? dir->read(path.substr(slash + 1)) : std::unexpected(dir.error());
    if (!text) {
        if (text.error().code != ENOENT) {
            problems_.push_back(
                {.file = dir ? path : path.substr(0, slash), .message = text.error().message});
        }
        return;
    }
    Reporter reporter;
    ceiling_ = Ceiling::parse({.name = path, .text = std::move(*text)}, schema_, reporter);
    std::ranges::move(reporter.take(), std::back_inserter(problems_));
}

Loader::Layer Loader::read_layer(const UnitFiles::File& file, FileKind kind,
                                 Reporter& reporter) const {
    auto content = file.dir->read(file.name);
    if (!content) {
        reporter.add_file(file.path(), content.error().message);
        return {};
    }
    auto source = std::make_shared<const SourceText>(file.path(), std::move(*content));
    auto document = parse_document(*source, schema_, reporter);
    if (!document) return {.source = source, .document = {}};
    check_kind(*document, kind, reporter);
    return {.source = source, .document = std::move(*document), .readable = true};
}

std::vector<Loader::Layer> Loader::read_layers(const std::string& name, Reporter& reporter) const {
    std::vector<Layer> layers;
    const auto file = files_.find_unit(name);
    if (!file) return layers;
    layers.push_back(read_layer(*file, FileKind::kUnit, reporter));
    std::vector<TrustedDir> opened;
    for (const auto& drop_in : files_.find_drop_ins(name, opened, reporter)) {
        layers.push_back(read_layer(drop_in, FileKind::kDropIn, reporter));
    }
    return layers;
}

const Loader::Profile& Loader::profile(const std::string& name, const UnitFiles::File& file) {
    const auto [place, added] = profiles_.try_emplace(name);
    if (added) {
        Reporter reporter;
        place->second.layer = read_layer(file, FileKind::kProfile, reporter);
        place->second.errors = reporter.take();
    }
    return place->second;
}

void Loader::unknown_profile(const Text& name, Reporter& reporter) const {
    const auto known = files_.profile_names();
    const auto near = nearest(name.text, known);
    std::string cure = known.empty() ? "there are no profiles" : "known are " + join_or(known);
    if (!near.empty()) cure = fmt::format("did you mean \"{}\"? {}", near, cure);
    reporter.add(name.where, fmt::format("profile: no profile {}; {}", shown(name.text), cure));
}

void Loader::add_profile(std::vector<Layer>& layers, const Specifiers& specifiers,
                         Reporter& reporter) {
    const Text* written = top_text(layers, "jail", "profile");
    Text name{.text = JailTable{}.profile, .where = {.source = layers.front().source.get()}};
    if (written != nullptr) {
        name = *written;
        const auto expanded = expand(name.text, specifiers);
        if (!expanded || !is_profile_name(*expanded)) return;  // reported by the layer's own check
        name.text = *expanded;
    }
    const auto file = files_.find_profile(name.text);
    if (!file) return unknown_profile(name, reporter);
    const Profile& found = profile(name.text, *file);
    for (const Diagnostic& error : found.errors) reporter.add(error);
    layers.insert(layers.begin(), found.layer);
}

/// A wall that cannot be made is missing from every jail, whether a table speaks of it or not.
void Loader::check_plugins(const std::string& name, const Document& merged,
                           Reporter& reporter) const {
    if (merged.find_text("jail", "profile")->text == kUnconfined) return;
    const Value* written = merged.find("jail", "optional");
    const auto* optional = written != nullptr ? std::get_if<TextList>(&written->data) : nullptr;
    for (const Table& table : schema_.tables) {
        if (table.refusal.empty() || !is_shipped_plugin(table.plugin)) continue;
        const bool given_up =
            optional != nullptr &&
            std::ranges::find(*optional, table.plugin, &Text::text) != optional->end();
        const auto file = files_.find_unit(name);
        if (!given_up && file) reporter.add_file(file->path(), table.refusal);
    }
}

/// What can be said of a unit only with all of its files read.
void Loader::check_merged(const std::string& name, Document& merged, bool is_service,
                          Reporter& reporter) const {
    check_whole(merged, reporter);
    if (!is_service) return;
    merged.sections["jail"].keys.try_emplace("profile", text_value(JailTable{}.profile));
    if (reporter.empty()) check_plugins(name, merged, reporter);
    if (ceiling_) ceiling_->check(name, merged, schema_, reporter);
}

Loader::Made Loader::make(const std::string& name) {
    const auto refused = [](Diagnostics errors) {
        return Made{.found = {.errors = std::move(errors)}, .layers = {}};
    };
    if (!is_unit_name(name)) {
        return refused(one_problem(name.substr(0, kMaxName), "no name of a unit"));
    }
    if (!problems_.empty()) return refused(problems_);
    Reporter reporter;
    std::vector<Layer> layers = read_layers(name, reporter);
    if (layers.empty()) {
        return refused(one_problem(name, "no such unit: there is no file for it"));
    }
    const bool is_service = any_has(layers, "service");
    Document merged = merge_layers(name, layers, is_service, reporter);
    const bool whole = are_readable(layers);
    if (whole) check_merged(name, merged, is_service, reporter);
    const Trust trust = sources_.require_trusted_owner ? Trust::kRootOnly : Trust::kAny;
    auto stamps = stamp_environment_files(merged, trust, reporter);
    Made made{.found = {.errors = reporter.take()}, .layers = std::move(layers)};
    if (!whole) return made;

    Unit unit = make_unit(name, merged);
    add_companions(unit, merged, schema_);
    add_stamps(unit, std::move(stamps));
    if (unit.text.str().size() > kMaxFileSize) {
        return refused(one_problem(name, "its files together are too long"));
    }
    unit.files = files_of(made.layers);
    made.found.unit = std::move(unit);
    for (const auto& [table, section] : merged.sections) {
        if (section.flawed) made.found.flawed.insert(table);
    }
    return made;
}

/// Puts the profile below the files, checks each of them by itself, and makes one of all.
Document Loader::merge_layers(const std::string& name, std::vector<Layer>& layers, bool is_service,
                              Reporter& reporter) {
    Specifiers specifiers = specifiers_for(sources_, name);
    if (is_service) add_profile(layers, specifiers, reporter);
    if (const Text* user = top_text(layers, "jail.identity", "user")) {
        if (auto expanded = expand(user->text, specifiers)) specifiers.user = std::move(*expanded);
    }
    Document merged;
    for (Layer& layer : layers) {
        expand(layer.document, specifiers, reporter);
        check_document(layer.document, schema_, reporter);
        merge(merged, layer.document);
    }
    return merged;
}

Checked<Unit> Loader::load(const std::string& name, JailPlaces* places) {
    Made made = make(name);
    if (!made.found.errors.empty()) return std::unexpected(std::move(made.found.errors));
    for (const Layer& layer : made.layers) {
        if (places != nullptr) note_places(layer.document, *places);
    }
    return std::move(*made.found.unit);
}

Inspection Loader::inspect(const std::string& name) {
    Made made = make(name);
    for (const Layer& layer : made.layers) note_places(layer.document, made.found.places);
    return std::move(made.found);
}

Checked<Template> Loader::check_template(const std::string& name) {
    if (!files_.problems().empty()) return std::unexpected(files_.problems());
    Reporter reporter;
    std::vector<Layer> layers = read_layers(name, reporter);
    if (layers.empty()) return std::unexpected(one_problem(name, "there is no file for it"));
    Specifiers specifiers = specifiers_for(sources_, name + std::string(kStandIn));
    specifiers.user = kStandIn;
    const Text* profile_name = top_text(layers, "jail", "profile");
    const bool fixed = profile_name == nullptr || profile_name->text.find('%') == std::string::npos;
    if (fixed && any_has(layers, "service")) add_profile(layers, specifiers, reporter);
    const Text* description = top_text(layers, "unit", "description");
    Template found{.name = name,
                   .description = description != nullptr ? description->text : std::string(),
                   .file = files_.find_unit(name)->path()};
    Document merged;
    for (Layer& layer : layers) {
        expand(layer.document, specifiers, reporter);
        config::check_template(layer.document, schema_, reporter);
        merge(merged, layer.document);
    }
    if (are_readable(layers)) check_whole(merged, reporter);
    if (!reporter.empty()) return std::unexpected(reporter.take());
    return found;
}

}  // namespace jailsvc::config
