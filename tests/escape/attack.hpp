#pragma once

#include <string>

#include "jail/jailed.hpp"

/// The attacker program in jails of the shipped profiles.
namespace jailsvc::test {

inline const std::string kDone = "done\n";

/// Units: the profile `default`; uid 0 without capabilities; uid 0 with some; no jail at all.
inline const std::string kDynamic;
inline const std::string kRoot =
    "[jail]\nprofile = \"trusted\"\n[jail.identity]\nuser = \"root\"\n";
inline const std::string kHost = "[jail]\nprofile = \"host\"\n";
[[nodiscard]] std::string root_with(const std::string& capability);

/// A Site with the attacker in it.
class Attack {
public:
    Attack();
    /// What it said of the trick in a jail of that unit: "done\n", or why it does not work.
    [[nodiscard]] std::string in(const std::string& jail, const std::string& trick);
    [[nodiscard]] Site& site() { return site_; }
    /// Where jails find it.
    [[nodiscard]] const std::string& program() const { return program_; }

private:
    Site site_;
    std::string program_;
};

}  // namespace jailsvc::test
