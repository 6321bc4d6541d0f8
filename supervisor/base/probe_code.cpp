// The exit codes themselves, without the C library: jailsvc-probe has none.
#include "base/probe_code.hpp"

#include "base/probe_errors.hpp"

namespace jailsvc::probe {

int code_of_error(int error) noexcept {
    for (int i = 0; i < kErrorCount; ++i) {
        if (kErrors[i] == error) return kFirstError + i;
    }
    return kOtherError;
}

/// A status that says "go on" or "elsewhere" is no bad one, see docs/HEALTH.md.
int code_of_status(unsigned status) noexcept {
    if (status >= 200 && status < 400) return kGood;
    if (status >= 400 && status < 400 + kStatusesEach) {
        return kFirst400 + static_cast<int>(status - 400);
    }
    if (status >= 500 && status < 500 + kStatusesEach) {
        return kFirst500 + static_cast<int>(status - 500);
    }
    return kOtherStatus;
}

}  // namespace jailsvc::probe
