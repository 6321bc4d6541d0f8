#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "control/message.hpp"
#include "engine/client.hpp"
#include "engine/methods.hpp"

namespace jailsvc::engine {

/// Who may call which method of io.jailsvc.Control, and what answers it.
class Dispatcher {
public:
    Dispatcher(service::Manager& manager, Jobs& jobs, Elsewhere& elsewhere, Monitors& monitors);
    Dispatcher(const Dispatcher&) = delete;  // its parts refer to itself
    Dispatcher& operator=(const Dispatcher&) = delete;

    /// Replies to `client` now or later, exactly once.
    void dispatch(const control::Call& call, std::vector<Fd> fds, const Caller& caller,
                  const ClientRef& client);

private:
    struct Method;
    static const Method* find_method(std::string_view name);
    [[nodiscard]] std::optional<control::Reply> refusal(const Method& method,
                                                        const control::Call& call,
                                                        const Caller& caller) const;

    Naming naming_;
    const methods::Parts parts_;
};

}  // namespace jailsvc::engine
