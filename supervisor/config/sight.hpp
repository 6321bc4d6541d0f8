#pragma once

#include <cstdint>

#include "config/load.hpp"
#include "config/unit.hpp"

namespace jailsvc::config {

/// A look at where the files of units lie: a few stat(2), to tell whether a unit has to be read
/// again without reading it.
class Sight {
public:
    /// Looks at the directories and the ceiling, which all units have in common.
    explicit Sight(const Sources& sources);

    /// Another number: files of the unit may have come, gone or changed. Some changes of other
    /// units show too. What is written while the unit is being read may be taken for what was read:
    /// this is for people who forgot something, the digest of what is started is the barrier.
    [[nodiscard]] std::uint64_t of(const Unit& unit) const;

private:
    const Sources& sources_;
    std::uint64_t common_ = 0;
};

}  // namespace jailsvc::config
