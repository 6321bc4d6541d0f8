#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "engine/client.hpp"
#include "service/record.hpp"

namespace jailsvc::engine {

/// Clients that are told of what happens to units as it happens (method Monitor). One that does not
/// read fast enough loses its stream, and is told so.
class Monitors {
public:
    /// `units`: whom it asks about; empty: all, those to come too.
    void add(std::set<std::string, std::less<>> units, const ClientRef& client);

    void changed(const service::Record& record, service::State before);
    void noted(std::string_view unit, const std::string& text);
    void health_changed(std::string_view unit, service::Health before, service::Health now,
                        const std::string& reason);

    /// Ends the streams of those that have lost events, and forgets who is gone. Not while the
    /// manager speaks: a client may have asked for the next thing already.
    void end_lost();
    [[nodiscard]] bool has_lost() const { return any_lost_; }

    [[nodiscard]] std::size_t size() const { return monitors_.size(); }

private:
    struct Monitor {
        std::set<std::string, std::less<>> units;
        ClientRef client;
        bool lost = false;
    };
    /// `make` is called once, and only if somebody wants to know.
    template <typename Make>
    void tell(std::string_view unit, Make make);

    std::vector<Monitor> monitors_;
    bool any_lost_ = false;
};

}  // namespace jailsvc::engine
