#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "import/draft.hpp"
#include "import/unit_text.hpp"

namespace jailsvc::import {

/// What a handler makes of a directive: how it went, and what is to be known of it.
struct Verdict {
    Outcome outcome = Outcome::kTranslated;
    std::string text = {};
};
[[nodiscard]] inline Verdict noted(std::string text) {
    return {Outcome::kNoted, std::move(text)};
}
[[nodiscard]] inline Verdict left_out(std::string text) {
    return {Outcome::kLeftOut, std::move(text)};
}

/// One directive on its way into a draft.
struct Place {
    const Directive& directive;
    std::string unit;  ///< ours
    Draft& draft;
    [[nodiscard]] const std::string& value() const { return directive.value; }
};

using Handler = Verdict (*)(Place& place, const char* key);

/// One row per directive: what takes it, and the key of ours that it is for.
struct Row {
    std::string_view section;
    std::string_view name;
    Handler take;
    const char* key = "";
};
/// nullptr: nothing is known of such a directive.
[[nodiscard]] const Row* find_row(std::string_view section, std::string_view name);

/// Parts of the table, by what they are about.
[[nodiscard]] const std::vector<Row>& unit_rows();
[[nodiscard]] const std::vector<Row>& service_rows();
[[nodiscard]] const std::vector<Row>& jail_rows();
[[nodiscard]] const std::vector<Row>& activation_rows();  ///< [Socket], [Timer]

// For the rows' files. `key` is "TABLE.KEY".
[[nodiscard]] Verdict take_text(Place& place, const char* key);
[[nodiscard]] Verdict take_bool(Place& place, const char* key);
[[nodiscard]] Verdict take_number(Place& place, const char* key);
[[nodiscard]] Verdict take_duration(Place& place, const char* key);
[[nodiscard]] Verdict take_bytes(Place& place, const char* key);
[[nodiscard]] Verdict take_words(Place& place, const char* key);
/// `key` is why it is not translated.
[[nodiscard]] Verdict take_nothing(Place& place, const char* why);
/// `key` is why nothing has to be written.
[[nodiscard]] Verdict take_as_covered(Place& place, const char* why);

/// yes, true, on, 1 and their opposites (systemd.syntax(7)).
[[nodiscard]] std::optional<bool> truth_of(std::string_view text);
/// Specifiers as ours; an error names one that we have nothing for.
[[nodiscard]] Result<std::string> with_our_specifiers(std::string_view text);

struct TableKey {
    std::string table, key;
};
[[nodiscard]] TableKey table_key(const char* key);

/// What a unit of systemd's is called here; empty with a reason where there is none such.
struct OurName {
    std::string name;
    std::string why_not;
};
[[nodiscard]] OurName our_name(std::string_view name);

}  // namespace jailsvc::import
