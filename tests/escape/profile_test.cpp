// The same ways out under every shipped profile but `host`, where they are no ways out but rights:
// the negative control.

#include <unistd.h>

#include <catch2/catch.hpp>

#include "attack.hpp"

using namespace jailsvc::test;

namespace {

struct Profile {
    std::string name;
    std::string more;  ///< what it leaves to the unit, and what the attacker needs to begin at all
};

std::string unit_of(const Profile& profile) {
    return "[jail]\nprofile = \"" + profile.name + "\"\n" + profile.more;
}

/// Of `directory`, which holds the attacker.
std::vector<Profile> shipped_profiles(const std::string& directory) {
    std::vector<Profile> profiles = {
        {"default", ""},
        {"untrusted", ""},
        {"trusted", "[jail.identity]\nuser = \"nobody\"\n"},
        {"builder", "[jail.chroot]\nmode = \"host\"\nread_only = true\n"}};
    if (has_landlock(3)) {
        profiles.push_back({"minimal", "[jail.pledge]\nadd = \"proc exec\"\n[jail.unveil]\n\"" +
                                           directory + "/open\" = \"rx\"\n"});
    }
    return profiles;
}

}  // namespace

TEST_CASE("escape: what the host profile may, no other shipped profile may",
          "[escape][E13][E15][E16][E17][E18][E19]") {
    if (!can_jail()) return;
    Attack attack;
    const std::string directory = attack.site().directory();
    const std::string tricks[] = {"lists /proc/1/root/",
                                  "opens-for-reading /proc/1/environ",
                                  "enters-namespace /proc/1/ns/mnt",
                                  "opens-for-writing /proc/sys/kernel/core_pattern",
                                  "opens-for-writing /proc/sysrq-trigger",
                                  "opens-for-writing /sys/kernel/mm/transparent_hugepage/enabled",
                                  "opens-for-writing /etc/passwd",
                                  "opens-for-reading /etc/shadow",
                                  "mounts-in-user-namespace tmpfs",
                                  "mounts-in-user-namespace proc",
                                  "makes-device " + directory + "/null"};
    for (const std::string& trick : tricks) {
        INFO(trick);
        if (attack.in(kHost, trick) != kDone) {
            WARN("skipped: " << trick << ": this machine does not let root do it either");
            continue;
        }
        for (const Profile& profile : shipped_profiles(directory)) {
            // Without a filter of system calls it may make namespaces: they give it nothing here.
            if (profile.name == "trusted" && trick.starts_with("mounts-in")) continue;
            INFO(profile.name);
            const std::string said = attack.in(unit_of(profile), trick);
            CHECK_FALSE(said.empty());  // the attacker ran, and was refused
            CHECK(said != kDone);
        }
        ::unlink((directory + "/null").c_str());
    }
}

TEST_CASE("escape: no shipped profile but host and trusted lets a process make namespaces",
          "[escape][E13]") {
    if (!can_jail()) return;
    Attack attack;
    CHECK(attack.site().run(kHost, "unshare -U true && echo made").output == "made\n");
    for (const Profile& profile : shipped_profiles(attack.site().directory())) {
        if (profile.name == "trusted" || profile.name == "minimal") continue;  // no unshare in it
        INFO(profile.name);
        CHECK_FALSE(
            attack.site().run(unit_of(profile), "unshare -U true && echo made").has("made"));
    }
}
