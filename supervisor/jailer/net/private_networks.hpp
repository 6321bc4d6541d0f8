#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/places.hpp"
#include "base/result.hpp"
#include "jailer/net/addresses.hpp"
#include "jailer/net/links.hpp"
#include "jailer/net/nft.hpp"
#include "jailer/net/rules.hpp"
#include "jailer/plan/plan.hpp"

namespace jailsvc::jailer {

/// What a plan asks of the network between jails.
struct NetDemand {
    struct Edge {
        std::string unit;  ///< "host" is the host itself
        std::uint16_t port;
        std::string protocol;
    };
    struct Forward {
        std::uint16_t host_port, jail_port;
        std::string protocol;
    };
    NetRange range;
    std::vector<Edge> edges;
    std::vector<Forward> forwards;

    /// nullopt for a plan without JSV_NET_PRIVATE.
    [[nodiscard]] static std::optional<NetDemand> of(const Plan& plan);
};

/// The network between jails: for each unit a pair of interfaces, routes on both sides, and what
/// the unit declared as elements of our nftables table. There is no bridge: every packet passes the
/// host's own routing, so that one rule set sees it, and no jail shares a wire with another.
///
/// Everything is found again by the unit's number: in the interface's name and alias, and in the
/// addresses of elements. So nothing has to be remembered to take it away, by this jailer or by the
/// next. Nothing is touched that does not bear our mark.
class PrivateNetworks {
public:
    [[nodiscard]] static Result<PrivateNetworks> open(const Places& places);
    PrivateNetworks(PrivateNetworks&&) noexcept;
    ~PrivateNetworks();

    /// Numbers for the unit and those that it may call, on disk before anything bears them.
    [[nodiscard]] Result<void> number(const std::string& unit, const NetDemand& demand);
    /// Whether anything may be there that is the unit's.
    [[nodiscard]] bool has(const std::string& unit) const { return numbers_.has(unit); }
    [[nodiscard]] bool any() const { return !numbers_.units().empty(); }
    /// Reads back both ends and the jail's address and routes. `jail` is the namespace, or a pidfd
    /// of a process in it.
    [[nodiscard]] Result<void> attest_links(const std::string& unit, const NetDemand& demand,
                                            int jail);

    // [worker] What follows is for a process of its own (NetworkJobs): there is libnftables. It is
    // to tell its state(), which is remembered here.

    /// Connects the network namespace `jail`, in which nothing but a loopback is, and reads back
    /// the rules.
    [[nodiscard]] Result<void> make(const std::string& unit, const NetDemand& demand, int jail);
    /// Reads back the rules alone.
    [[nodiscard]] Result<void> attest_rules(const std::string& unit, const NetDemand& demand);
    /// Takes away whatever the unit has.
    void remove(const std::string& unit);
    /// The same for every unit that does not live.
    void sweep(const std::function<bool(const std::string& unit)>& lives);
    [[nodiscard]] std::string state() const { return (table_ ? "1" : "0") + chains_; }

    /// Of a process that did not tell: there may be a table, and none to rely on.
    void remember(const Result<std::string>& state);

private:
    PrivateNetworks(NetNames names, std::string hosts, UnitNumbers numbers);
    [[nodiscard]] std::string interface_of(std::uint32_t number) const;
    [[nodiscard]] Result<NetRules> rules_for(const std::string& unit, const NetDemand& demand);
    [[nodiscard]] Result<void> check_range(Netlink& host, const NetRange& range) const;
    [[nodiscard]] Result<void> check_forwards(const std::string& unit, const NetRules& wanted);
    [[nodiscard]] Result<void> write_hosts(const std::string& unit, const NetDemand& demand);
    [[nodiscard]] Result<void> connect(Netlink& host, const std::string& unit,
                                       const NetDemand& demand, const NetGuard& guard, int jail);
    [[nodiscard]] Result<void> ensure_table();
    [[nodiscard]] Result<NetTable> read_table();
    void sweep_hosts(const std::function<bool(const std::string& unit)>& lives) const;
    [[nodiscard]] Result<void> remove_rules(const std::string& interface);
    [[nodiscard]] Result<void> remove_interface(const std::string& unit, const std::string& name);

    NetNames names_;
    std::string hosts_;  ///< directory of the files that become jails' /etc/hosts
    UnitNumbers numbers_;
    Nft nft_;
    bool table_ = false;  ///< our table is there
    std::string chains_;  ///< of the table when it was made; empty: not made by this jailer
};

}  // namespace jailsvc::jailer
