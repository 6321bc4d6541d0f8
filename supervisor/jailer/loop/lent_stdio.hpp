#pragma once

#include <array>
#include <map>
#include <string>

#include "base/fd.hpp"
#include "base/result.hpp"
#include "config/unit.hpp"
#include "jailer/jail/jail.hpp"

namespace jailsvc::jailer {

/// Descriptors that clients lend to the main process of a job. The engine hands over the socket on
/// which the client speaks for itself, as for an exec; it is read when the job starts.
class LentStdio {
public:
    /// Replaces what was lent before and not taken.
    void lend(const std::string& unit, Fd socket);
    void forget(const std::string& unit) { sockets_.erase(unit); }

    /// Gives the program what its unit wants of that; `held` owns it until the child has it. An
    /// error where nobody has lent anything, or somebody who is not root.
    using Held = std::array<Fd, 3>;
    [[nodiscard]] Result<void> give(const std::string& name, const config::JobTable& job,
                                    Program& program, Held& held);

private:
    std::map<std::string, Fd> sockets_;
};

}  // namespace jailsvc::jailer
