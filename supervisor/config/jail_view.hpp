#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "config/unit.hpp"

namespace jailsvc::config {

/// Read access to one table (`jail.chroot`) of an effective unit, for the plugin that owns it.
/// Types were checked against the schema when the unit was loaded; an absent key is nullopt.
class JailView {
public:
    /// View of `table` ("jail.chroot") in the canonical text of a unit.
    [[nodiscard]] static Result<JailView> open(const Unit& unit, std::string_view table);

    JailView(JailView&&) noexcept;
    JailView& operator=(JailView&&) noexcept;
    ~JailView();

    [[nodiscard]] bool present() const;                  ///< whether the unit has the table at all
    [[nodiscard]] bool has(std::string_view key) const;  ///< of whatever type
    [[nodiscard]] std::optional<bool> get_bool(std::string_view key) const;
    [[nodiscard]] std::optional<std::int64_t> get_integer(std::string_view key) const;
    [[nodiscard]] std::optional<std::string> get_string(std::string_view key) const;
    [[nodiscard]] std::optional<std::vector<std::string>> get_list(std::string_view key) const;
    [[nodiscard]] std::optional<std::map<std::string, std::string>> get_map(
        std::string_view key) const;
    /// The names that the table's kRestKey stands for, with their texts.
    [[nodiscard]] std::map<std::string, std::string> get_rest() const;
    /// A kBytes key [bytes]; a kDuration key [ns].
    [[nodiscard]] std::optional<std::uint64_t> get_bytes(std::string_view key) const;
    [[nodiscard]] std::optional<std::uint64_t> get_duration(std::string_view key) const;

private:
    struct Impl;
    explicit JailView(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace jailsvc::config
