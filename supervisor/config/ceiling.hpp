#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/document.hpp"
#include "config/raw.hpp"
#include "config/schema.hpp"

namespace jailsvc::config {

/// What a site allows its units at most: bounds of [jail] keys that no unit may go beyond, whatever
/// its own file, its drop-ins or its profile say (docs/CEILING.md). A key without a bound is free.
class Ceiling {
public:
    /// Reads the bounds out of a file's text. Unknown tables and keys, and bounds of another type
    /// than their key's, are reported.
    [[nodiscard]] static Ceiling parse(SourceText text, const Schema& schema, Reporter& reporter);

    /// Reports every key of the merged unit that is beyond its bound, where it was written; a key
    /// that is not written counts with its default.
    void check(const std::string& unit, const Document& merged, const Schema& schema,
               Reporter& reporter) const;

private:
    struct Bound {
        std::string table;
        std::string key;
        Raw limit;
        bool if_written = false;  ///< a unit without the key is within it
    };

    // ceiling_implied.cpp
    void bound_what_undoes_promises(const Schema& schema);
    void check_optional(const Document& merged, Reporter& reporter) const;
    [[nodiscard]] const Bound* bound_of(std::string_view table, std::string_view key) const;

    [[nodiscard]] bool excepts(const std::string& unit) const;
    void read_exceptions(const Raw& raw, Reporter& reporter);
    void read_table(const std::string& table, const RawTable& keys, const Schema& schema,
                    Reporter& reporter);
    void check_bound(const Bound& bound, const Document& merged, const Schema& schema,
                     Reporter& reporter) const;

    std::shared_ptr<const SourceText> source_;
    std::vector<std::string> exceptions_;  ///< units, or templates for all of their instances
    std::vector<Bound> bounds_;
};

}  // namespace jailsvc::config
