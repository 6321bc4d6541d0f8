#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

/// Bounds of [credentials], for plans, for what is read, and for attestation. A ramfs has none of
/// its own.
namespace jailsvc::jailer {

inline constexpr std::size_t kMaxCredentials = 64;             ///< of one unit
inline constexpr std::size_t kMaxCredential = 1U << 20;        ///< one [bytes]
inline constexpr std::size_t kMaxCredentialBytes = 16U << 20;  ///< all of one unit [bytes]
inline constexpr std::uint64_t kMaxCommandNs = 300'000'000'000;

/// A file's name: 1 to 64 letters, digits, "_", "-" and ".", of which it does not begin with the
/// last two.
[[nodiscard]] constexpr bool is_credential_name(std::string_view name) {
    const auto good = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '_' || c == '-' || c == '.';
    };
    if (name.empty() || name.size() > 64 || name[0] == '.' || name[0] == '-') return false;
    for (const char c : name) {
        if (!good(c)) return false;
    }
    return true;
}

}  // namespace jailsvc::jailer
