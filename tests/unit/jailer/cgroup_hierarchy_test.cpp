#include <catch2/catch.hpp>

#include "jailer/cgroup/hierarchy.hpp"
#include "jailer/cgroup/supervisor_name.hpp"

using namespace jailsvc::jailer::cgroup;

namespace {

constexpr const char* kHybrid =
    "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"
    "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
    "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
    "40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n"
    "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
constexpr const char* kHybridOwn =
    "9:name=systemd:/x\n4:memory:/box/one\n2:cpu,cpuacct:/\n1:freezer:/\n0::/svc\n";

const Hierarchy& only(const std::vector<Hierarchy>& all, const std::string& directory) {
    for (const Hierarchy& one : all) {
        if (one.directory == directory) return one;
    }
    FAIL("no " << directory);
    return all.front();
}

}  // namespace

TEST_CASE("cgroup: a hybrid machine shows controllers on v1 and a v2 tree", "[cgroup][S4.9]") {
    const auto found = find_hierarchies(kHybrid, kHybridOwn);
    REQUIRE(found);
    REQUIRE(found->size() == 3);  // not systemd's name, nor the freezer, which is not mounted
    const Hierarchy& memory = only(*found, "/sys/fs/cgroup/memory/box/one");
    CHECK(memory.version == Version::kV1);
    CHECK(memory.path == "/box/one");
    CHECK(memory.controllers == std::vector<std::string>{"memory"});
    CHECK(only(*found, "/sys/fs/cgroup/cpu,cpuacct").controllers.size() == 2);
    CHECK(only(*found, "/sys/fs/cgroup/unified/svc").version == Version::kV2);
}

TEST_CASE("cgroup: a pure v2 machine has one hierarchy", "[cgroup][S4.9]") {
    const auto found = find_hierarchies("30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
                                        "0::/system.slice/jailsvc.service\n");
    REQUIRE(found);
    REQUIRE(found->size() == 1);
    CHECK(found->front().directory == "/sys/fs/cgroup/system.slice/jailsvc.service");
}

TEST_CASE("cgroup: a mount that shows a part of its hierarchy", "[cgroup]") {
    const std::string own = "0::/box/one/deep\n";
    const auto at = [&](const std::string& root) {
        return find_hierarchies("30 23 0:26 " + root + " /cg rw - cgroup2 cgroup2 rw\n", own);
    };
    CHECK(at("/box/one")->front().directory == "/cg/deep");
    CHECK(at("/box/one/deep")->front().directory == "/cg");
    CHECK(at("/box/on")->empty());  // another group, whose name ours begins with
    CHECK(at("/other")->empty());
    CHECK(find_hierarchies("", own)->empty());
    // We are outside of our own cgroup namespace: no path leads to us.
    CHECK(find_hierarchies("30 23 0:26 / /cg rw - cgroup2 cgroup2 rw\n", "0::/../x\n")->empty());
    // What is mounted over it is what is seen.
    CHECK(find_hierarchies("30 23 0:26 / /cg rw - cgroup2 c rw\n31 30 0:27 / /cg rw - tmpfs t rw\n",
                           own)
              ->empty());
    CHECK_FALSE(find_hierarchies("", "no colons\n"));
}

TEST_CASE("cgroup: the path of a process in a hierarchy", "[cgroup]") {
    const auto found = find_hierarchies(kHybrid, kHybridOwn);
    REQUIRE(found);
    const Hierarchy& memory = only(*found, "/sys/fs/cgroup/memory/box/one");
    const Hierarchy& unified = only(*found, "/sys/fs/cgroup/unified/svc");
    CHECK(path_in("4:memory:/a:b\n0::/c\n", memory) == "/a:b");
    CHECK(path_in("4:memory:/a\n0::/c\n", unified) == "/c");
    CHECK(path_in("", unified).empty());
}

TEST_CASE("cgroup: a supervisor's name tells whose it is, and nobody else's", "[cgroup]") {
    const Supervisor one{4026531836, 812, 77213};
    CHECK(to_name(one) == "jailsvc.4026531836.812.77213");
    CHECK(parse_name(to_name(one)) == one);
    for (const char* bad : {"", "jailsvc", "jailsvc.1.2", "jailsvc.1.2.3.4", "jailsvc.01.2.3",
                            "jailsvc.1.-2.3", "jailsvc.1.2.3x", "docker.1.2.3"}) {
        CHECK_FALSE(parse_name(bad));
    }
    CHECK_FALSE(has_ended(own_supervisor()));
    Supervisor gone = own_supervisor();
    gone.start += 1;
    CHECK(has_ended(gone));
    gone.pid_namespace += 1;  // of pids that we cannot judge
    CHECK_FALSE(has_ended(gone));
}
