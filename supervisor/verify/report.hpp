#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "config/diagnostic.hpp"

namespace jailsvc::verify {

enum class Severity : std::uint8_t { kWarning, kError };

/// What is found, by whomever and in whatever order: told file by file, each from its first line to
/// its last, and nothing twice.
class Report {
public:
    /// Files are told of in this order; others after them, as they are first found.
    void begin(const std::string& file) { (void)place_of(file); }
    void tell(const config::Diagnostics& found, Severity severity = Severity::kError);

    [[nodiscard]] bool has(Severity severity) const;
    void print() const;       ///< to standard error, for people
    void print_json() const;  ///< to standard output, one object

    struct Entry {
        std::size_t file = 0;  ///< its place among the files
        config::Diagnostic diagnostic;
        Severity severity = Severity::kError;
    };
    /// In the order of telling.
    [[nodiscard]] std::vector<Entry> sorted() const;

private:
    std::size_t place_of(const std::string& file);

    std::vector<std::string> files_;
    std::vector<Entry> entries_;
};

}  // namespace jailsvc::verify
