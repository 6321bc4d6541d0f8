#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "config/document.hpp"
#include "config/load.hpp"
#include "config/specifiers.hpp"

namespace jailsvc::config {

/// What a file is for decides what it must and must not hold.
enum class FileKind { kUnit, kDropIn, kProfile };

/// Refuses what a file of this kind may not say: profiles hold [jail.NAME] tables alone.
void check_kind(const Document& document, FileKind kind, Reporter& reporter);

/// What only the whole unit can be checked for: exec_start, tables that need a service, values that
/// exclude each other.
void check_whole(const Document& document, Reporter& reporter);

/// The typed unit of a checked document, with its canonical text and digest.
[[nodiscard]] Unit make_unit(const std::string& name, const Document& document);

/// For `name`, before a user is known.
[[nodiscard]] Specifiers specifiers_for(const Sources& sources, const std::string& name);

/// parse_toml and read_document in one; nullopt where the syntax is broken.
[[nodiscard]] std::optional<Document> parse_document(const SourceText& source, const Schema& schema,
                                                     Reporter& reporter);

}  // namespace jailsvc::config
