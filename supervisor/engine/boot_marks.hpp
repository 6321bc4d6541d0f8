#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "engine/link.hpp"
#include "ipc/messages.hpp"

namespace jailsvc::engine {

/// What was asked last of units with restart = "unless-stopped", for the next boot. The files are
/// root's, in its state directory: they are read when the engine begins, and the jailer writes
/// them.
class BootMarks {
public:
    BootMarks(const std::string& directory, Link& jailer);

    void set(const std::string& unit, ipc::Asked asked);
    [[nodiscard]] ipc::Asked of(std::string_view unit) const;
    [[nodiscard]] std::vector<std::string> units(ipc::Asked asked) const;

private:
    Link& jailer_;
    std::map<std::string, ipc::Asked, std::less<>> marks_;
};

}  // namespace jailsvc::engine
