#pragma once

#include <string>
#include <vector>

/// Known ways out of a jail: what is tried, and where it works when nothing is in the way. The one
/// list that `jailsvc selftest` and tests/escape go through.
namespace jailsvc::selftest {

/// Where the trick has to work for its failure in a jail to say anything.
enum class Control {
    kHost,    ///< in the profile `host`, as root
    kBeside,  ///< executed by ourselves as the user `nobody`, without any jail
    kAdmin,   ///< in a jail of root's that is given CAP_SYS_ADMIN
};

/// A profile in which it is no way out, or is not closed, and why.
struct Except {
    std::string profile;
    std::string why;
};

struct Case {
    std::string name;    ///< "core-pattern"
    std::string number;  ///< of the list of known escapes: "E16"
    std::string about;   ///< what the service gets if it is not held
    std::string trick;   ///< words for the attacker; @OPEN@ and the like as in Stage
    Control control = Control::kHost;
    std::string control_trick{};  ///< if the words are others there
    std::vector<Except> except{};
    std::string jail{};  ///< tables that the unit has in every profile
};

struct Profile {
    std::string name;
    std::string more;  ///< tables: what it leaves to the unit, and what the attacker needs to begin
};

[[nodiscard]] const std::vector<Case>& cases();

/// Every shipped profile but `host`; @OPEN@ as in cases.
[[nodiscard]] const std::vector<Profile>& profiles();

}  // namespace jailsvc::selftest
