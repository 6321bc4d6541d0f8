#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.hpp"
#include "engine/link.hpp"
#include "engine/loop.hpp"
#include "engine/notify_message.hpp"
#include "ipc/messages.hpp"
#include "service/manager.hpp"

namespace jailsvc::engine {

/// Descriptors that services hand over to find them again at their next start (FDSTORE=1 of
/// sd_notify(3)). The keeper keeps them, the jailer passes them on; here is decided which ones. A
/// unit that rests, and is not about to start again, has none.
///
/// Only such are taken as can be closed without waiting, since PID 1 will: files in memory, pipes,
/// event and timer descriptors, sockets, whose lingering is switched off.
class FdStore {
public:
    FdStore(struct ev_loop* loop, Link& keeper);
    ~FdStore();

    /// FDSTORE or FDSTOREREMOVE; what is beyond `most` or of another kind is closed.
    void take(const std::string& unit, const NotifyMessage& message, std::vector<Fd> fds,
              std::size_t most);

    // What the keeper kept for an engine before us, in any order; then begin().
    void restore(const std::string& unit, std::uint16_t index, Fd fd);
    void restore_names(const std::string& unit, std::string text);
    void begin();

    /// Lets go of those of units that rest; cheap where there are none.
    void release_resting(const service::Manager& manager);
    [[nodiscard]] std::size_t count(std::string_view unit) const;

private:
    struct Item;
    using Items = std::map<std::uint16_t, std::unique_ptr<Item>>;
    void add(const std::string& unit, Items& items, const NotifyMessage& message, Fd fd);
    void name(const std::string& unit, std::string_view text);
    static void watch(Item& item);
    void hung_up(const std::string& unit, std::uint16_t index);
    void drop(const std::string& unit, std::uint16_t index);
    void tell_names(const std::string& unit);

    struct ev_loop* loop_;
    Link& keeper_;
    std::map<std::string, Items, std::less<>> stores_;
    std::map<std::string, std::string> restored_names_;  ///< until begin()
    std::size_t total_ = 0;
};

}  // namespace jailsvc::engine
