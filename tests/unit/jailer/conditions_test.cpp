#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "config/condition_keys.hpp"
#include "jailer/conditions/machine.hpp"

using namespace jailsvc;
using namespace jailsvc::jailer;

namespace {

namespace fs = std::filesystem;

/// A machine's tree of the test's own.
struct Tree {
    fs::path root;
    Tree() {
        char name[] = "/tmp/jailsvc-conditions-XXXXXX";
        root = ::mkdtemp(name);
    }
    Tree(const Tree&) = delete;
    Tree& operator=(const Tree&) = delete;
    ~Tree() { fs::remove_all(root); }
    void write(const std::string& path, const std::string& text) const {
        fs::create_directories((root / path).parent_path());
        std::ofstream(root / path) << text;
    }
    [[nodiscard]] Machine machine() const { return Machine(root.string()); }
};

}  // namespace

TEST_CASE("conditions: paths are looked at as their keys say", "[jailer]") {
    const Tree tree;
    tree.write("full/file", "x");
    tree.write("full/none", "");
    fs::create_directory(tree.root / "empty");
    fs::create_symlink("full", tree.root / "link");
    fs::create_symlink("nowhere", tree.root / "dangling");
    fs::permissions(tree.root / "full/file", fs::perms::owner_all);
    const Machine machine = tree.machine();
    CHECK(machine.holds("path_exists", "/full/file"));
    CHECK_FALSE(machine.holds("path_exists", "/absent"));
    CHECK_FALSE(machine.holds("path_exists", "/dangling"));
    CHECK(machine.holds("path_is_directory", "/link"));
    CHECK_FALSE(machine.holds("path_is_directory", "/full/file"));
    CHECK(machine.holds("path_is_symbolic_link", "/dangling"));
    CHECK_FALSE(machine.holds("path_is_symbolic_link", "/full"));
    CHECK(machine.holds("directory_not_empty", "/full"));
    CHECK_FALSE(machine.holds("directory_not_empty", "/empty"));
    CHECK_FALSE(machine.holds("directory_not_empty", "/full/file"));
    CHECK(machine.holds("file_not_empty", "/full/file"));
    CHECK_FALSE(machine.holds("file_not_empty", "/full/none"));
    CHECK_FALSE(machine.holds("file_not_empty", "/full"));
    CHECK(machine.holds("file_is_executable", "/full/file"));
    CHECK_FALSE(machine.holds("file_is_executable", "/full/none"));
    CHECK(machine.holds("path_is_read_write", "/full"));
    CHECK_FALSE(machine.holds("path_is_mount_point", "/full"));
    CHECK(Machine().holds("path_is_mount_point", "/proc"));
    CHECK_FALSE(Machine().holds("path_is_read_write", "/absent"));
}

TEST_CASE("conditions: the kernel's command line is searched by words", "[jailer]") {
    const Tree tree;
    tree.write("proc/cmdline", "ro quiet root=/dev/vda1 x.y=z\n");
    const Machine machine = tree.machine();
    CHECK(machine.holds("kernel_command_line", "quiet"));
    CHECK(machine.holds("kernel_command_line", "root"));
    CHECK(machine.holds("kernel_command_line", "root=/dev/vda1"));
    CHECK_FALSE(machine.holds("kernel_command_line", "root=/dev/vda"));
    CHECK_FALSE(machine.holds("kernel_command_line", "qui"));
    CHECK_FALSE(machine.holds("kernel_command_line", "z"));
}

TEST_CASE("conditions: virtual machines and containers are told apart", "[jailer]") {
    const Tree tree;
    CHECK(tree.machine().holds("virtualization", "no"));
    CHECK_FALSE(tree.machine().holds("virtualization", "yes"));
    tree.write("proc/cpuinfo", "processor : 0\nflags\t\t: fpu hypervisor lahf\nx: y\n");
    CHECK(tree.machine().holds("virtualization", "vm"));
    CHECK(tree.machine().holds("virtualization", "yes"));
    CHECK_FALSE(tree.machine().holds("virtualization", "container"));
    tree.write("proc/1/environ", std::string("HOME=/\0container=podman\0", 24));
    CHECK(tree.machine().holds("virtualization", "container"));
    CHECK_FALSE(tree.machine().holds("virtualization", "vm"));
    CHECK_FALSE(tree.machine().holds("virtualization", "no"));
}

TEST_CASE("conditions: what the supervisor is and has", "[jailer]") {
    const Machine machine;
    CHECK(machine.holds("user", std::to_string(::geteuid())));
    CHECK_FALSE(machine.holds("user", "no-such-user"));
    ::setenv("JAILSVC_CONDITION", "a=b", 1);
    CHECK(machine.holds("environment", "JAILSVC_CONDITION"));
    CHECK(machine.holds("environment", "JAILSVC_CONDITION=a=b"));
    CHECK_FALSE(machine.holds("environment", "JAILSVC_CONDITION=a"));
    ::unsetenv("JAILSVC_CONDITION");
    CHECK_FALSE(machine.holds("environment", "JAILSVC_CONDITION"));
    CHECK_FALSE(machine.holds("capability", "no_such"));
    CHECK_FALSE(machine.holds("unknown", "x"));
    const bool one =
        machine.holds("architecture", "x86_64") || machine.holds("architecture", "aarch64");
    CHECK(one);
    CHECK(machine.holds("architecture", "x86-64") == machine.holds("architecture", "x86_64"));
}

TEST_CASE("conditions: all have to hold, and of those marked so one", "[jailer]") {
    const Tree tree;
    tree.write("here", "");
    const auto told = [&](const config::ConditionTable& table) {
        return unmet(table, "condition", tree.machine()).value_or("");
    };
    config::ConditionTable table;
    CHECK(told(table).empty());
    table.path_exists = {"/here", "!/there"};
    CHECK(told(table).empty());
    table.path_is_directory = {"/here"};
    CHECK(told(table) == "condition path_is_directory = \"/here\" does not hold");
    table.path_is_directory = {"|/here", "|!/there"};
    CHECK(told(table).empty());
    table.path_is_directory = {"|/here"};
    table.file_not_empty = {"|/here"};
    CHECK(told(table) ==
          "none of these conditions holds: path_is_directory = \"|/here\", "
          "file_not_empty = \"|/here\"");
    table.file_not_empty = {"|!/here"};
    CHECK(told(table).empty());
}

TEST_CASE("conditions: marks stand before the value", "[jailer]") {
    const auto value = config::parse_condition("|!/x");
    CHECK((value.any && value.negated && value.text == "/x"));
    CHECK_FALSE(config::parse_condition("/!x").negated);
    CHECK(config::parse_condition("!|x").text == "|x");
}
