#pragma once

#include <string>

#include "base/fd.hpp"
#include "base/flat_map.hpp"
#include "base/result.hpp"
#include "ipc/messages.hpp"
#include "jailer/jail/jail.hpp"

namespace jailsvc::jailer {

/// The write ends of the units' output pipes; the keeper has the read ends. Held from a unit's
/// first start until it is forgotten, so that the reader sees no end between two runs.
class LogPipes {
public:
    /// The unit's write end, owned by `ids` so that the service may open /dev/stdout. `made` is the
    /// read end to hand to the keeper if the pipe is new, else empty.
    struct Pipe {
        int write_end;
        Fd made;
    };
    [[nodiscard]] Result<Pipe> get(const std::string& unit, const ResolvedIds& ids,
                                   ipc::LogStream stream);

    /// Takes up a pipe that a jailer before us made, by the read end the keeper kept.
    [[nodiscard]] Result<void> adopt(const std::string& unit, int read_end, ipc::LogStream stream);
    /// Likewise settings.
    [[nodiscard]] Result<void> adopt_settings(const std::string& unit, int memfd);

    /// What to have kept for the logger so that it knows the unit's settings; empty: it knows.
    [[nodiscard]] Result<Fd> tell_settings(const std::string& unit,
                                           const ipc::LogSettings& settings);

    void forget(const std::string& unit);

private:
    using Ends = FlatMap<std::string, Fd>;
    Ends write_ends_[ipc::kLogStreams];  ///< of standard error only where it is told apart
    FlatMap<std::string, ipc::LogSettings> told_;  ///< where the logger was ever told of others
                                                   ///< than the usual ones
};

}  // namespace jailsvc::jailer
