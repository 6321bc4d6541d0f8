#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/places.hpp"
#include "base/result.hpp"
#include "config/calendar.hpp"

namespace jailsvc::engine {

/// When units with persistent timers ran last: the modification time of an empty file for each, in
/// the one directory that the engine may write to.
class Stamps {
public:
    explicit Stamps(std::string directory) : directory_(std::move(directory)) {}

    /// Makes the directory and gives it to the engine's user; before privileges are dropped.
    [[nodiscard]] static Result<void> make_directory(const std::string& directory);

    [[nodiscard]] std::optional<config::WallTime> read(std::string_view unit) const;
    /// The unit runs now. What goes wrong is logged: the run matters more.
    void write(std::string_view unit) const;

private:
    std::string directory_;
};

[[nodiscard]] inline std::string stamps_directory(const Places& places) {
    return places.lib + "/timers";
}

}  // namespace jailsvc::engine
