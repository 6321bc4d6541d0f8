#include "jailed.hpp"

#include <unistd.h>

#include <catch2/catch.hpp>

#include "jailer/child/landlock_rights.hpp"

namespace jailsvc::test {

bool has_landlock(int version) {
    if (jailer::landlock::abi() >= version) return true;
    WARN("skipped: Landlock of this kernel is older than version " << version);
    return false;
}

bool can_jail() {
    if (::geteuid() == 0) return true;
    WARN("skipped: jails with the initial user namespace need root");
    return false;
}

}  // namespace jailsvc::test
