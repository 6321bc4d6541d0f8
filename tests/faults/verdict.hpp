#pragma once

#include <string>
#include <vector>

#include "ground.hpp"

/// What is to be thought of a start in which one call failed.
namespace jailsvc::faults {

struct Fault {
    const Scenario& scenario;
    Site site;
    int error = 0;
};

enum class Kind {
    kRefused,     ///< the program did not run, and the message says why
    kHarmless,    ///< it runs, in a jail that is whole
    kNewJailer,   ///< the jailer ended; the next one took over
    kNotReached,  ///< the call to fail was not made this time
};

struct Verdict {
    Kind kind = Kind::kRefused;
    std::vector<std::string> complaints;  ///< none: all is as it has to be
};

[[nodiscard]] Verdict judge(const Fault& fault, const Attempt& attempt);

/// Whether a call may fail without consequence, and why; nullptr: it may not. Every entry was
/// thought about; what is not listed fails the test when a program runs in spite of it.
[[nodiscard]] const char* harmless(const Fault& fault, const Attempt& attempt);

}  // namespace jailsvc::faults
