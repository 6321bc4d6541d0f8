#include "attack.hpp"

#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <filesystem>

namespace jailsvc::test {

std::string root_with(const std::string& capability) {
    return kRoot + "capabilities = [\"" + capability + "\"]\n";
}

Attack::Attack() : program_(site_.directory() + "/open/attacker") {
    std::filesystem::copy_file(JAILSVC_ATTACKER, program_);
    REQUIRE(::chmod(program_.c_str(), 0755) == 0);
}

std::string Attack::in(const std::string& jail, const std::string& trick) {
    // Not by exec: the shell goes on to be the parent that a trick may need.
    const Ran ran = site_.run(jail, program_ + " " + trick + "; :");
    INFO(jail << "\n" << trick);
    REQUIRE(ran.error == "");
    return ran.output;
}

}  // namespace jailsvc::test
