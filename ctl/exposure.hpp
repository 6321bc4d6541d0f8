#pragma once

#include <optional>
#include <string>
#include <vector>

#include "context.hpp"
#include "kernel_facts.hpp"

/// What a service that was taken over could do to the machine, as a figure: 0 is nothing, 10 is
/// everything. It is added up from the operations of its plan, and where it runs from what the
/// kernel says of its main process; nothing of it is claimed by anybody.
namespace jailsvc::ctl {

/// One wall between the service and the machine.
struct Wall {
    enum class Basis {
        kPlan,    ///< as planned; of one that runs: read back by the supervisor when it started
        kKernel,  ///< as the kernel says now
        kBroken   ///< the kernel says that what was planned does not hold
    };
    std::string name;
    int weight = 0;      ///< what it counts where it is missing
    int exposed = 0;     ///< what it counts here
    std::string how{};   ///< "a uid of its own"
    std::string risk{};  ///< "read the host's files …"; empty where nothing is exposed
    Basis basis = Basis::kPlan;
};

struct Exposure {
    std::vector<Wall> walls;
    std::vector<std::string> accepted;  ///< what the unit's file takes into the bargain

    [[nodiscard]] double score() const;
    [[nodiscard]] bool broken() const;
};

/// "tight", "guarded", "exposed", "unconfined".
[[nodiscard]] const char* level_of(double score);

/// `weakened`: operations that were allowed not to hold and did not, as `status` counts them.
/// `facts`: of its main process, if it runs as this plan says.
[[nodiscard]] Exposure exposure_of(const Json& plan, std::uint64_t weakened,
                                   const std::optional<KernelFacts>& facts);

}  // namespace jailsvc::ctl
