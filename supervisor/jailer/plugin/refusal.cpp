#include "jailer/plugin/refusal.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "config/names.hpp"

namespace jailsvc::jailer {
namespace {

constexpr std::size_t kMaxField = 4096;  ///< [bytes]

/// Fields end with a NUL, which no name and no text of a plugin holds.
void append(std::string& bytes, std::string_view field) {
    bytes.append(field.substr(0, field.find('\0')));
    bytes.push_back('\0');
}

std::optional<std::string> take_field(std::string_view& bytes) {
    const auto end = bytes.find('\0');
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view field = bytes.substr(0, end);
    bytes.remove_prefix(end + 1);
    return std::string(field.substr(0, kMaxField));
}

/// The place of the key; of what it is in ("limits" of "limits.nofile"), and at last of its table,
/// where it was not written; nullptr where none was.
const config::Diagnostic* find_place(const Refusal& refusal, const config::JailPlaces& places) {
    std::string name = refusal.table + "." + refusal.key;
    for (; name.size() > refusal.table.size(); name.resize(name.rfind('.'))) {
        if (const auto found = places.find(name); found != places.end()) return &found->second;
    }
    const auto found = places.find(refusal.table);
    return found == places.end() ? nullptr : &found->second;
}

config::Diagnostic place_one(const Refusal& refusal, const config::JailPlaces& places,
                             const std::string& file) {
    if (refusal.table.empty()) return {.message = refusal.message};
    const config::Diagnostic* place = find_place(refusal, places);
    config::Diagnostic out = place != nullptr ? *place : config::Diagnostic{.file = file};
    out.message = fmt::format("[{}]{}{}: {}", refusal.table, refusal.key.empty() ? "" : " ",
                              refusal.key, refusal.message);
    return out;
}

}  // namespace

std::string pack(const std::vector<Refusal>& refusals) {
    std::string bytes;
    for (const Refusal& refusal : refusals) {
        append(bytes, refusal.table);
        append(bytes, refusal.key);
        append(bytes, refusal.message);
    }
    return bytes;
}

std::vector<Refusal> unpack(std::string_view bytes) {
    std::vector<Refusal> refusals;
    while (refusals.size() < kMaxRefusals) {
        auto table = take_field(bytes);
        auto key = take_field(bytes);
        auto message = take_field(bytes);
        if (!table || !key || !message) break;
        refusals.push_back({std::move(*table), std::move(*key), std::move(*message)});
    }
    return refusals;
}

config::Diagnostics placed(const std::vector<Refusal>& refusals, const config::JailPlaces& places,
                           const std::string& file) {
    config::Reporter reporter;
    for (const Refusal& refusal : refusals) reporter.add(place_one(refusal, places, file));
    return reporter.take();
}

std::string own_file(const config::Unit& unit) {
    const config::NameParts parts = config::split_name(unit.name);
    for (const SharedPath& path : unit.files) {
        const std::string file = path.str();
        if (file.ends_with("/" + unit.name + ".toml")) return file;
        if (parts.is_instance && file.ends_with("/" + parts.prefix + "@.toml")) return file;
    }
    return unit.name;
}

Error first_of(const config::Diagnostics& diagnostics, const std::string& file) {
    if (diagnostics.empty()) return {.message = file + ": refused without a reason"};
    config::Diagnostic first = diagnostics.front();
    first.source.clear();
    std::string text = config::to_string(first);
    if (diagnostics.size() > 1) {
        text += fmt::format(" (and {} more: jailsvc verify {})", diagnostics.size() - 1, file);
    }
    return {.message = std::move(text)};
}

}  // namespace jailsvc::jailer
