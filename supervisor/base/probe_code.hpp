#pragma once

#include <cstdint>
#include <string>

/// How jailsvc-probe tells by its exit code what it found: the keeper reaps it, so that its answer
/// comes to the engine like every other end of a process, whatever of ours dies meanwhile.
namespace jailsvc::probe {

inline constexpr int kGood = 0;
inline constexpr int kLate = 1;         ///< its own limit was reached
inline constexpr int kClosed = 2;       ///< the connection ended before an answer
inline constexpr int kNoHttp = 3;       ///< something else than HTTP/1 was answered
inline constexpr int kNoStatus = 4;     ///< only interim answers, without end
inline constexpr int kOtherStatus = 5;  ///< none of those below
inline constexpr int kMisused = 6;      ///< wrong arguments
inline constexpr int kOtherError = 7;   ///< a call failed with none of the errors below

/// From here on: a call failed, with kErrors[code - kFirstError].
inline constexpr int kFirstError = 16;
/// From here on: the service answered with HTTP status 400 and so on, 500 and so on.
inline constexpr int kFirst400 = 64;
inline constexpr int kFirst500 = 128;
inline constexpr int kStatusesEach = 60;

[[nodiscard]] int code_of_error(int error) noexcept;
[[nodiscard]] int code_of_status(unsigned status) noexcept;

/// "answered with status 503", "Connection refused"; empty for kGood.
[[nodiscard]] std::string describe(int code);

}  // namespace jailsvc::probe
