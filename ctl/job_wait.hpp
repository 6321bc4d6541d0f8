#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "context.hpp"
#include "terminal.hpp"

namespace jailsvc::ctl {

/// Waits for the end of a job, if need be through the death of the engine that was asked for it.
/// Each of the two ends with the job as it is then.
class JobWait {
public:
    JobWait(const Context& context, std::string unit) : context_(context), unit_(std::move(unit)) {}

    /// Shows what the job writes as it comes, that is since `began_us` [µs since the epoch].
    [[nodiscard]] Result<Json> show_output(std::uint64_t began_us, bool show);
    /// Relays between the user's terminal and the job's.
    [[nodiscard]] Result<Json> relay(Terminal& terminal);

private:
    [[nodiscard]] Result<void> ask();
    /// nullopt: the connection was lost, and the question asked anew.
    [[nodiscard]] Result<std::optional<Json>> answered();
    [[nodiscard]] int socket() const { return client_->socket(); }

    const Context& context_;
    std::string unit_;
    std::optional<control::Client> client_;
};

}  // namespace jailsvc::ctl
