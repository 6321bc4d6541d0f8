#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.hpp"
#include "engine/link.hpp"
#include "engine/loop.hpp"
#include "ipc/messages.hpp"
#include "service/manager.hpp"

namespace jailsvc::engine {

/// Main processes that the keeper is no parent of: found by the jailer, whose word is asked, and
/// watched here by their pidfds, which the keeper keeps, so that no end is missed.
class MainProcesses {
public:
    struct Handlers {
        /// A token that was never used, set aside.
        std::function<service::Token()> draw_token;
        /// Whether the unit still looks for a daemon of that main token.
        std::function<bool(const std::string& unit, service::Token main_token)> is_sought;
        std::function<bool(service::Token main_token, service::Token token, int pid)> adopted;
        std::function<void(const std::string& unit, service::Token main_token,
                           const std::string& why)>
            not_found;
        std::function<void(service::Token token, const service::ExitInfo& info)> ended;
        std::function<void(const ipc::Exited& exited)> told;  ///< what was held
    };

    MainProcesses(struct ev_loop* loop, Link& jailer, Handlers handlers);
    ~MainProcesses();

    /// The service says that `pid`, as its jail counts, is its main process; 0: a daemon is looked
    /// for, again and again until it is there.
    void find(const std::string& unit, service::Token main_token, std::int32_t pid);
    void on_found(const ipc::FoundMain& found);

    /// A pidfd that the keeper keeps.
    void add(const std::string& unit, service::Token token, Fd pidfd);
    /// After the records are restored: who of them is which unit's. Then ends are told.
    void begin(const service::Manager& manager);
    [[nodiscard]] bool is_watched(service::Token token) const { return watched_.contains(token); }

    /// Whether the end of the launched process has to wait, and is kept, until it is known whether
    /// another has taken its place.
    [[nodiscard]] bool hold(const ipc::Exited& exited);

    void jailer_back();

private:
    struct Search;
    struct Watched;
    void ask(const Search& search);
    void look_again(const std::string& unit);
    void settle(const std::string& unit);
    void readable(service::Token token);
    void watch(service::Token token);

    struct ev_loop* loop_;
    Link& jailer_;
    Handlers handlers_;
    bool begun_ = false;
    std::map<std::string, std::unique_ptr<Search>> searches_;
    std::map<service::Token, std::unique_ptr<Watched>> watched_;
};

/// How the process of this pidfd ended, if the kernel tells (6.15 and later); else not known.
[[nodiscard]] service::ExitInfo exit_of(int pidfd);

}  // namespace jailsvc::engine
