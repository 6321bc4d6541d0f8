#include "engine/sockets.hpp"

namespace jailsvc::engine {

std::vector<control::Json> list_sockets(const config::Unit& unit, std::string_view state,
                                        const Sockets::State& sockets) {
    std::vector<control::Json> list;
    const config::SocketTable& table = *unit.socket;
    const bool on_demand = table.activation == config::Activation::kOnDemand;
    for (std::size_t i = 0; i < table.listen.size(); ++i) {
        list.push_back({{"unit", unit.name},
                        {"address", table.listen[i]},
                        {"name", i < table.names.size() ? table.names[i] : unit.name},
                        {"activation", table.accept ? "accept"
                                       : on_demand  ? "on_demand"
                                                    : "eager"},
                        {"state", state},
                        {"open", i < sockets.open},
                        {"connections", sockets.current},
                        {"accepted", sockets.accepted},
                        {"refused", sockets.refused}});
    }
    return list;
}

}  // namespace jailsvc::engine
