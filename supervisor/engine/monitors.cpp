#include "engine/monitors.hpp"

#include <optional>
#include <utility>

#include "base/clock.hpp"
#include "control/varlink.hpp"

namespace jailsvc::engine {
namespace {

using control::Json;

Json event(std::string_view kind, std::string_view unit) {
    return {{"kind", kind}, {"time", realtime_ns() / 1000}, {"unit", unit}};
}

control::Reply one_of_many(Json event) {
    return {.parameters = {{"event", std::move(event)}}, .continues = true};
}

}  // namespace

void Monitors::add(std::set<std::string, std::less<>> units, const ClientRef& client) {
    const auto alive = client.lock();
    if (alive == nullptr || !alive->tell(one_of_many(event("begin", "")))) return;
    alive->on_hangup([this] { any_lost_ = true; });
    monitors_.push_back({std::move(units), client});
}

template <typename Make>
void Monitors::tell(std::string_view unit, Make make) {
    std::optional<control::Reply> reply;
    for (Monitor& monitor : monitors_) {
        if (monitor.lost || (!monitor.units.empty() && !monitor.units.contains(unit))) continue;
        if (!reply) reply = one_of_many(make());
        const auto client = monitor.client.lock();
        monitor.lost = client == nullptr || !client->tell(*reply);
        any_lost_ = any_lost_ || monitor.lost;
    }
}

void Monitors::end_lost() {
    if (!std::exchange(any_lost_, false)) return;
    std::vector<ClientRef> lost;
    std::erase_if(monitors_, [&](const Monitor& monitor) {
        if (monitor.lost) lost.push_back(monitor.client);
        return monitor.lost || monitor.client.expired();
    });
    for (const ClientRef& client : lost) {
        answer(client, control::error_reply("EventsLost",
                                            {{"what",
                                              "this client reads more slowly than things "
                                              "happen; ask for the status, and begin anew"}}));
    }
}

void Monitors::changed(const service::Record& record, service::State before) {
    if (record.state == before) return;
    tell(record.unit, [&] {
        Json json = event("state", record.unit);
        json["state"] = state_name(record, record.state);
        json["before"] = state_name(record, before);
        json["because"] = record.because;
        json["pid"] = record.main_pid > 0 ? Json(record.main_pid) : Json();
        json["restarts"] = record.restarts;
        return json;
    });
}

void Monitors::noted(std::string_view unit, const std::string& text) {
    tell(unit, [&] {
        Json json = event("note", unit);
        json["because"] = text;
        return json;
    });
}

void Monitors::health_changed(std::string_view unit, service::Health before, service::Health now,
                              const std::string& reason) {
    tell(unit, [&] {
        Json json = event("health", unit);
        json["state"] = name_of(now);
        json["before"] = name_of(before);
        json["because"] = reason;
        return json;
    });
}

}  // namespace jailsvc::engine
