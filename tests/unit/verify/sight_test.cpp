#include "verify/sight.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "temp_folder.hpp"
#include "verify/missing.hpp"
#include "verify/pointless.hpp"

using namespace jailsvc;
using namespace jailsvc::verify;
using Kind = Sight::Kind;

namespace {

/// It stands for roots and sources of binds.
class Folder : public jailsvc::test::TempFolder {
public:
    Folder() : TempFolder("sight") {}
    void file(const std::string& name, mode_t mode) const { write(name, "x", mode); }
    void link(const std::string& name, const std::string& to) const {
        std::filesystem::create_directories(std::filesystem::path(at(name)).parent_path());
        std::filesystem::create_symlink(to, at(name));
    }
};

jailer::Op op(jsv_kind kind, std::string first, std::string second = {}, std::uint32_t flags = 0) {
    jailer::Op made;
    made.kind = kind;
    made.flags = flags;
    made.text = {std::move(first), std::move(second)};
    return made;
}

Sight sight(std::vector<jailer::Op> ops) {
    jailer::Plan plan;
    plan.ops = std::move(ops);
    return Sight(plan);
}

}  // namespace

TEST_CASE("sight: programs are looked for inside the root, as its links lead there", "[verify]") {
    const Folder folder;
    folder.file("root/usr/bin/web", 0755);
    folder.file("root/usr/bin/plain", 0644);
    folder.link("root/bin", "/usr/bin");  // of the root, not of the host
    const Sight jail = sight({op(JSV_OP_ROOT, folder.at("root"))});
    CHECK(jail.look("/usr/bin/web").kind == Kind::kExecutable);
    CHECK(jail.look("/bin/web").kind == Kind::kExecutable);
    CHECK(jail.look("/bin/plain").kind == Kind::kFile);
    CHECK(jail.look("/usr/bin").kind == Kind::kDirectory);
    CHECK(jail.look("/bin/sh").kind == Kind::kMissing);
    CHECK(jail.look("/dev/null").kind == Kind::kUnknown);
    // The control: without a root of its own the host's counts.
    CHECK(sight({}).look("/bin/sh").kind == Kind::kExecutable);
    CHECK(sight({}).look(folder.at("root/usr/bin/web")).kind == Kind::kExecutable);
}

TEST_CASE("sight: a root that is built later says nothing of what will be in it", "[verify]") {
    const Folder folder;
    const Sight jail = sight({op(JSV_OP_ROOT, folder.at("later"))});
    CHECK(jail.look("/bin/web").kind == Kind::kUnknown);
    CHECK(jail.missing_root() == folder.at("later"));
    CHECK(sight({}).missing_root().empty());
}

TEST_CASE("sight: binds show, tmpfs and masks hide, later ones lie on top", "[verify]") {
    const Folder folder;
    folder.file("source/bin/app", 0755);
    folder.link("source/bin/python", "/usr/bin/no-such-python");
    folder.file("single", 0755);
    const Sight jail = sight({op(JSV_OP_TMPFS, "/srv"), op(JSV_OP_MASK, "/opt"),
                              op(JSV_OP_BIND, folder.at("source"), "/srv/app"),
                              op(JSV_OP_BIND, folder.at("single"), "/usr/bin/single"),
                              op(JSV_OP_BIND, folder.at("none"), "/usr/bin", JSV_MOUNT_OPTIONAL)});
    CHECK(jail.look("/srv/app/bin/app").kind == Kind::kExecutable);
    CHECK(jail.look("/srv/app/bin/none").kind == Kind::kMissing);
    CHECK(jail.look("/srv/app/bin/python").kind == Kind::kUnknown);  // leads out of the bind
    CHECK(jail.look("/usr/bin/single").kind == Kind::kExecutable);
    CHECK(jail.look("/usr/bin/env").kind == Kind::kExecutable);
    CHECK(jail.look("/srv").kind == Kind::kDirectory);
    CHECK(jail.look("/srv/else").kind == Kind::kHidden);
    CHECK(jail.look("/opt/x").by == "/opt");
}

TEST_CASE("sight: directories that a start makes are not missed", "[verify]") {
    const Folder folder;
    const std::string made = folder.at("state/web");
    const std::vector<jailer::Op> ops = {op(JSV_OP_HOST_DIRECTORY, made),
                                         op(JSV_OP_BIND, made, "/var/lib/jailsvc-test/web")};
    CHECK(sight(ops).look("/var/lib/jailsvc-test/web").kind == Kind::kUnknown);
    CHECK(sight(ops).look("/var/lib/jailsvc-test/web/db").kind == Kind::kUnknown);
    CHECK(sight({ops[1]}).look("/var/lib/jailsvc-test/web/db").kind == Kind::kMissing);
}

TEST_CASE("sight: outside of what a view reveals there is nothing", "[verify]") {
    const Sight jail = sight({op(JSV_OP_VIEW, ""), op(JSV_OP_REVEAL, "/usr/bin")});
    CHECK(jail.look("/usr/bin/env").kind == Kind::kExecutable);
    CHECK(jail.look("/etc/passwd").kind == Kind::kHidden);
}

TEST_CASE("verify: missing programs and directories are told where they are named", "[verify]") {
    const Folder folder;
    Known known{.unit = {}, .places = {}, .file = "web.toml", .fault = {}};
    known.unit.service.exec_start = {folder.at("none"), "x"};
    known.unit.service.exec_stop = {config::Command{"/bin/sh"}, config::Command{"/etc/passwd"}};
    known.unit.service.working_directory = "/etc/passwd";
    known.places["service.exec_start"] = {.file = "web.toml", .line = 3, .column = 14};
    const auto found = find_missing_files(known, {});
    REQUIRE(found.size() == 3);
    CHECK(config::to_string(found[0]) ==
          "web.toml:3:14: exec_start: \"" + folder.at("none") +
              "\" is not there, as the jail sees it; install it there or bind it ([jail.chroot] "
              "binds_ro)");
    CHECK(found[1].message == "exec_stop: \"/etc/passwd\" is not executable; chmod +x it");
    CHECK(found[2].message == "working_directory: \"/etc/passwd\" is no directory; name one");
    known.unit.service.exec_start = {"/bin/sh"};
    known.unit.service.exec_stop = {};
    known.unit.service.working_directory = "/tmp";
    CHECK(find_missing_files(known, {}).empty());
}

TEST_CASE("verify: what a unit says in vain is told", "[verify]") {
    Known known{.unit = {}, .places = {}, .file = "web.toml", .fault = {}};
    known.unit.name = "web";
    known.unit.unit.conflicts = {"web", "other"};
    known.places["service.exec_stop"] = {.file = "web.toml", .line = 5, .column = 13};
    known.places["service.exec_reload"] = {.file = "web.toml.d/x.toml", .line = 1, .column = 1};
    const auto found = find_pointless(known);
    REQUIRE(found.size() == 2);
    CHECK(found[0].message == "conflicts: names the unit itself, which has no effect; drop it");
    CHECK(found[1].message == "exec_stop: no command, so nothing runs; drop it");
    known.unit.unit.conflicts = {"other"};
    known.unit.service.exec_stop = {config::Command{"/bin/true"}};
    CHECK(find_pointless(known).empty());
}
