#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "config/unit.hpp"
#include "control/message.hpp"
#include "ipc/channel.hpp"

namespace jailsvc::engine {

/// What the jailer has told of the sockets that it holds for units.
class Sockets {
public:
    struct State {
        std::uint32_t open = 0;
        std::uint32_t current = 0;
        std::uint64_t accepted = 0;
        std::uint64_t refused = 0;
    };

    void set(const ipc::SocketState& state) {
        const std::string unit(ipc::get_text(state.unit));
        if (state.open == 0) {
            states_.erase(unit);
        } else {
            states_[unit] = {state.open, state.current, state.accepted, state.refused};
        }
    }
    /// None of them open, if nothing was told.
    [[nodiscard]] State of(std::string_view unit) const {
        const auto found = states_.find(unit);
        return found == states_.end() ? State{} : found->second;
    }
    [[nodiscard]] std::vector<std::string> units() const {
        std::vector<std::string> names;
        for (const auto& [name, state] : states_) names.push_back(name);
        return names;
    }

private:
    std::map<std::string, State, std::less<>> states_;
};

/// One entry for each address that the unit has in its file; see ListSockets.
[[nodiscard]] std::vector<control::Json> list_sockets(const config::Unit& unit,
                                                      std::string_view state,
                                                      const Sockets::State& sockets);

}  // namespace jailsvc::engine
