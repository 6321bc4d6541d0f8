#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

/// What a service was seen to use, over all its runs since somebody asked to learn it.
namespace pledge::learn {

/// A system call as far as promises tell calls apart: of each argument those bits that some rule of
/// the table looks at.
struct Call {
    std::string name;
    std::array<std::uint64_t, 6> arguments{};
    auto operator<=>(const Call&) const = default;
};

/// What was done with a path: letters of unveil, as bits.
enum Use : unsigned { kRead = 1, kWrite = 2, kExecute = 4, kCreate = 8 };

struct PathUse {
    unsigned uses = 0;
    std::uint64_t count = 0;
};

struct Record {
    std::map<Call, std::uint64_t> calls{};   ///< how often each was made
    std::map<std::string, PathUse> paths{};  ///< as the jail calls them
    std::set<std::string> libraries{};       ///< what `libraries = true` of unveil brings anyway
    std::uint64_t runs = 0;                  ///< programs executed
    std::uint64_t lost = 0;                  ///< observations that did not fit any more

    [[nodiscard]] bool empty() const { return runs == 0 && calls.empty() && paths.empty(); }
    /// A service could make up names and numbers without end: each kind is bounded.
    void add_call(const Call& call, std::uint64_t count = 1);
    void add_path(std::string_view path, unsigned uses, std::uint64_t count = 1);
    void add_library(std::string_view path);
    void merge(const Record& other);
};

/// Lines of text; what reads it back takes nothing else.
[[nodiscard]] std::string to_text(const Record& record);
[[nodiscard]] std::optional<Record> from_text(std::string_view text);

}  // namespace pledge::learn
