#pragma once

#include <linux/filter.h>

#include <vector>

#include "base/result.hpp"

namespace jailsvc::jailer {

/// What a plan worker gives up before plugin code runs: root, capabilities, new privileges, more
/// than 2 s of processor, 512 MiB of address space, any file's content by writing, and all system
/// calls but those for memory and for reading files, so that user names can still be looked up in
/// local files. The filter is compiled once.
class PlanSandbox {
public:
    [[nodiscard]] static Result<PlanSandbox> make();
    /// Irreversible; for the worker. What fails leaves the process unfit to go on.
    [[nodiscard]] Result<void> enter() const;

private:
    std::vector<sock_filter> filter_;
};

}  // namespace jailsvc::jailer
