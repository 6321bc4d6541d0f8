#pragma once

#include <cstdint>

#include "config/core_keys.hpp"

/// What values must be beyond their types. All take values whose specifiers are expanded.
namespace jailsvc::config {

/// What the key's type and choices ask for: quantities parse, choices are met, commands begin with
/// an absolute path, no control characters. Reports, and says whether all is well.
[[nodiscard]] bool check_type(const Key& key, const Value& value, const CheckContext& context);

/// check_type and the core's own checks for every key of a document. What is wrong is reported and
/// left out, so that what remains can be trusted to be right.
void check_document(Document& document, const Schema& schema, Reporter& reporter);

/// What stands in for the instance where a template is checked by itself.
inline constexpr std::string_view kStandIn = "instance";

/// Whether its line names a template's instance: where that is kStandIn, the stand-in may be at
/// fault.
[[nodiscard]] bool names_instance(const Diagnostic& diagnostic);

/// check_document of a template whose instance is kStandIn. What may be the stand-in's fault is
/// left to be told of a real one.
void check_template(Document& document, const Schema& schema, Reporter& reporter);

[[nodiscard]] Check in_range(std::int64_t low, std::int64_t high);
[[nodiscard]] Check bytes_in_range(std::uint64_t low, std::uint64_t high);
void log_sinks(const Value& value, const CheckContext& context);
void positive(const Value& value, const CheckContext& context);
void unit_names(const Value& value, const CheckContext& context);
void signal_name(const Value& value, const CheckContext& context);
void absolute_path(const Value& value, const CheckContext& context);
void environment_names(const Value& value, const CheckContext& context);
void profile_name(const Value& value, const CheckContext& context);
void optional_parts(const Value& value, const CheckContext& context);

}  // namespace jailsvc::config
