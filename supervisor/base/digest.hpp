#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace jailsvc {

/// 256-bit BLAKE2b (RFC 7693) of some bytes; equal digests mean equal contents.
using Digest = std::array<std::uint8_t, 32>;

[[nodiscard]] Digest digest_of(std::string_view bytes) noexcept;

/// 64 lower-case hexadecimal digits.
[[nodiscard]] std::string to_hex(const Digest& digest);

}  // namespace jailsvc
