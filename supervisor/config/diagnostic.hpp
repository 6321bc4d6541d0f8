#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace jailsvc::config {

/// One thing wrong in a file; line and column count from 1, 0 where a file as a whole is meant.
struct Diagnostic {
    std::string file = {};
    std::uint32_t line = 0;
    std::uint32_t column = 0;
    std::string message = {};
    std::string source = {};  ///< text of that line, where known

    bool operator==(const Diagnostic&) const = default;
};
using Diagnostics = std::vector<Diagnostic>;

/// "web.toml:2:11: restart: unknown policy …", and below it the line with a caret where known.
/// Several lines for people, without a final newline; control characters of the file are replaced.
[[nodiscard]] std::string to_string(const Diagnostic& diagnostic);

/// A file's bytes under the name that people know it by.
struct SourceText {
    std::string name;
    std::string text;
};

/// A place in a file. `source` must outlive it; nullptr means no file at all.
struct Where {
    const SourceText* source = nullptr;
    std::uint32_t line = 0;
    std::uint32_t column = 0;
};

/// What is wrong at that place, with the line it is in.
[[nodiscard]] Diagnostic diagnostic_at(const Where& where, std::string message);

/// Collects what is wrong, so that all errors of a file are told at once.
class Reporter {
public:
    /// More would not help anybody, and a hostile file must not make us write without end.
    static constexpr std::size_t kMaxDiagnostics = 100;

    void add(const Where& where, std::string message);
    void add(Diagnostic diagnostic);
    void add_file(std::string file, std::string message);

    [[nodiscard]] bool empty() const { return list_.empty(); }
    /// How many were added, kept or not: whether there are more than before says whether something
    /// was found.
    [[nodiscard]] std::size_t count() const { return count_; }
    /// What was collected, each once, in order of file (as first seen), line and column.
    [[nodiscard]] Diagnostics take();

private:
    Diagnostics list_;
    std::size_t count_ = 0;
};

}  // namespace jailsvc::config
