#include <fmt/format.h>

#include <cstring>

#include "base/probe_code.hpp"
#include "base/probe_errors.hpp"

namespace jailsvc::probe {
namespace {

std::string answered(int status) {
    return fmt::format("answered with status {}", status);
}

}  // namespace

std::string describe(int code) {
    switch (code) {
        case kGood:
            return {};
        case kLate:
            return "no answer in time";
        case kClosed:
            return "the connection ended before an answer";
        case kNoHttp:
            return "the answer was not HTTP/1";
        case kNoStatus:
            return "interim answers without end";
        case kOtherStatus:
            return "answered with an unknown status";
        default:
            break;
    }
    if (code >= kFirstError && code < kFirstError + kErrorCount) {
        return ::strerrordesc_np(kErrors[code - kFirstError]);
    }
    if (code >= kFirst400 && code < kFirst400 + kStatusesEach)
        return answered(code - kFirst400 + 400);
    if (code >= kFirst500 && code < kFirst500 + kStatusesEach)
        return answered(code - kFirst500 + 500);
    return fmt::format("the probe ended with exit code {}", code);
}

}  // namespace jailsvc::probe
