#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

/// Words and columns for people.
namespace jailsvc::ctl {

/// "5.2M", "812K", "0B": at most four characters and a unit.
[[nodiscard]] std::string human_bytes(std::uint64_t bytes);

/// "350ms", "12s", "3min 5s", "2d 4h": at most two units. Microseconds in.
[[nodiscard]] std::string human_duration(std::uint64_t microseconds);

/// Width on a terminal: code points of UTF-8 text, without colour sequences.
[[nodiscard]] std::size_t display_width(std::string_view text);

/// Rows in left-aligned columns, two blanks apart; the last column is not padded.
[[nodiscard]] std::string table(const std::vector<std::vector<std::string>>& rows);

enum class Colour { kGreen, kYellow, kRed, kGrey, kBold };
[[nodiscard]] std::string paint(bool enabled, Colour colour, std::string_view text);

/// Why a unit is as it is; where only the program can know more, with the way to what it said.
[[nodiscard]] std::string with_hint(std::string_view unit, std::string because);

/// What a service wrote, or a unit file says, made harmless for a terminal: control characters
/// but tab become "?".
[[nodiscard]] std::string printable(std::string_view text);

/// The same of a text of several lines: they stay lines, and those after the first are set off from
/// what begins a line of ours.
[[nodiscard]] std::string printable_lines(std::string_view text);

}  // namespace jailsvc::ctl
