// What is loaded and what is refused: the file, its owner, its interface, its schema.

#include <fcntl.h>
#include <unistd.h>

#include "jailer/plugin/plugin_load.hpp"
#include "plugin_files.hpp"

namespace {

using namespace jailsvc;
using namespace jailsvc::jailer;
using jailsvc::test::PluginDirectory;

/// Loads the directory's plugins beside "good", which must load whatever is wrong with the other;
/// returns the one refusal.
std::string refusal_beside_good(const PluginDirectory& directory) {
    directory.add("good");
    const PluginHost host = directory.load();
    REQUIRE(host.tables().size() == 1);
    CHECK(host.tables().front().name == "jail.good");
    REQUIRE(host.refusals().size() == 1);
    return host.refusals().front();
}

bool contains(const std::string& text, const std::string& part) {
    INFO(text);
    return text.find(part) != std::string::npos;
}

int no_plan(const jsv_host*) {
    return 0;
}

jsv_plugin sane_entry(const jsv_key* keys, std::uint32_t count) {
    jsv_plugin entry{};
    entry.size = sizeof entry;
    entry.abi_major = JSV_ABI_MAJOR;
    entry.name = "sane";
    entry.version = "1";
    entry.doc = "For tests.";
    entry.keys = keys;
    entry.key_count = count;
    entry.plan = no_plan;
    return entry;
}

jsv_key sane_key(const char* name) {
    return {.size = sizeof(jsv_key),
            .type = JSV_STRING,
            .name = name,
            .fallback = nullptr,
            .doc = "One line.",
            .choices = "a|b"};
}

}  // namespace

TEST_CASE("plugins: a plugin's table joins the schema of the core", "[plugins]") {
    const PluginDirectory directory;
    directory.add("good");
    const PluginHost host = directory.load();
    CHECK(host.refusals().empty());
    const config::Table* table = host.schema().find("jail.good");
    REQUIRE(table != nullptr);
    CHECK(table->plugin == "good");
    REQUIRE(table->keys.size() == 7);
    CHECK(table->keys[1].type == config::KeyType::kStringList);
    CHECK(host.schema().find("service") != nullptr);
}

TEST_CASE("plugins: a refused one leaves a table that says why, and jails lack a shipped one",
          "[plugins]") {
    for (const bool shipped : {false, true}) {
        const PluginDirectory directory;
        const std::string name = shipped ? "cgroups" : "crash";
        const std::string path = directory.add("crash", name);
        std::filesystem::resize_file(path, 40);
        const PluginHost host = directory.load();
        REQUIRE(host.absent().size() == 1);
        const config::Table* table = host.schema().find("jail." + name);
        REQUIRE(table != nullptr);
        CHECK(contains(table->refusal, "plugin " + name + " was refused: " + path + ": "));
        CHECK(contains(table->refusal, "; mend it (reinstall jailsvc)"));
        CHECK(host.lacks_shipped() == shipped);
        std::vector<config::Table> all = host.tables();
        all.insert(all.end(), host.absent().begin(), host.absent().end());
        const auto told = config::tables_from_json(config::to_json(all));
        REQUIRE(told);
        CHECK(told->back().refusal == table->refusal);
    }
}

TEST_CASE("plugins: names that can be no plugin's leave no table, nor does one that is loaded",
          "[plugins]") {
    const PluginDirectory directory;
    directory.add("good", "a_copy");
    directory.add("good");
    for (const char* name : {"optional", "A b"}) {
        std::filesystem::resize_file(directory.add("crash", name), 0);
    }
    const PluginHost host = directory.load();
    CHECK(host.refusals().size() == 3);
    CHECK(host.absent().empty());
    CHECK_FALSE(host.lacks_shipped());
}

TEST_CASE("plugins: of a shipped set with a gap, what is missing is named", "[plugins]") {
    const PluginDirectory directory;
    std::filesystem::resize_file(directory.add("crash", "chroot"), 0);
    const PluginHost host = directory.load();
    const config::Table* table = host.schema().find("jail.cgroups");
    REQUIRE(table != nullptr);
    CHECK(table->refusal ==
          "plugin cgroups is missing from " + directory.path() + "; reinstall jailsvc");
    CHECK(host.schema().find("credentials") != nullptr);
    CHECK(host.lacks_shipped());
}

TEST_CASE("plugins: another major version is refused, and both versions are named", "[plugins]") {
    const PluginDirectory directory;
    const std::string path = directory.add("other_major");
    CHECK(contains(refusal_beside_good(directory),
                   path + ": was built for plugin interface 2.0, this is " +
                       std::to_string(JSV_ABI_MAJOR) + "." + std::to_string(JSV_ABI_MINOR)));
}

TEST_CASE("plugins: a truncated library is refused at any length", "[plugins]") {
    for (const std::uintmax_t length : {0, 40, 1000, 5000, 9000}) {
        const PluginDirectory directory;
        const std::string path = directory.add("crash");
        REQUIRE(std::filesystem::file_size(path) > length);
        std::filesystem::resize_file(path, length);
        CHECK(contains(refusal_beside_good(directory), path + ": "));
    }
}

TEST_CASE("plugins: a library that is no plugin, or whose struct is garbage, is refused",
          "[plugins]") {
    SECTION("no entry function") {
        const PluginDirectory directory;
        directory.add("no_entry");
        CHECK(contains(refusal_beside_good(directory), "exports no jailsvc_plugin_entry"));
    }
    SECTION("wild pointers") {
        const PluginDirectory directory;
        directory.add("garbage");
        CHECK(contains(refusal_beside_good(directory), "crashed while being loaded"));
    }
}

TEST_CASE("plugins: two plugins of one name are told apart by refusing the second", "[plugins]") {
    const PluginDirectory directory;
    directory.add("good", "a_copy");
    CHECK(contains(refusal_beside_good(directory), "a plugin named good is loaded already"));
}

TEST_CASE("plugins: a file that others can write is refused", "[plugins]") {
    const PluginDirectory directory;
    const std::string path = directory.add("crash");
    ::chmod(path.c_str(), 0775);
    CHECK(contains(refusal_beside_good(directory), "writable by group or others (mode 0775)"));
}

TEST_CASE("plugins: a symbolic link, a directory and a FIFO are refused", "[plugins]") {
    const PluginDirectory directory;
    const std::string path = directory.path() + "/x.so";
    SECTION("link") {
        const PluginDirectory other;
        REQUIRE(::symlink(other.add("crash").c_str(), path.c_str()) == 0);
        CHECK(contains(refusal_beside_good(directory), "is a symbolic link"));
    }
    SECTION("directory") {
        REQUIRE(::mkdir(path.c_str(), 0755) == 0);
        CHECK(contains(refusal_beside_good(directory), "is no regular file"));
    }
    SECTION("FIFO") {
        REQUIRE(::mkfifo(path.c_str(), 0644) == 0);
        CHECK(contains(refusal_beside_good(directory), "is no regular file"));
    }
}

TEST_CASE("plugins: a file of another user is refused", "[plugins]") {
    if (::geteuid() != 0) {
        WARN("skipped: only root can give a file away");
        return;
    }
    const PluginDirectory directory;
    const std::string path = directory.add("crash");
    REQUIRE(::chown(path.c_str(), 65534, 65534) == 0);
    CHECK(contains(refusal_beside_good(directory),
                   "owned by uid 65534, so somebody else could change it"));
}

TEST_CASE("plugins: nothing is loaded from a directory that others can write", "[plugins]") {
    const PluginDirectory directory;
    directory.add("good");
    ::chmod(directory.path().c_str(), 0777);
    const PluginHost host = directory.load();
    CHECK(host.tables().empty());
    REQUIRE(host.refusals().size() == 1);
    CHECK(contains(host.refusals().front(), "writable by group or others"));
}

TEST_CASE("plugins: a directory that is not there is a refusal, not an end", "[plugins]") {
    Places places;
    places.plugins = "/nonexistent/plugins";
    const PluginHost host = PluginHost::load(places);
    REQUIRE(host.refusals().size() == 1);
    CHECK(contains(host.refusals().front(), "/nonexistent/plugins: No such file"));
    CHECK(host.lacks_shipped());
}

TEST_CASE("plugins: shorter structs of an older header are read as if the rest were zero",
          "[plugins]") {
    const PluginDirectory directory;
    directory.add("older_minor");
    PluginHost host = directory.load();
    CHECK(host.refusals().empty());
    const config::Table* table = host.schema().find("jail.older");
    REQUIRE(table != nullptr);
    REQUIRE(table->keys.size() == 2);
    CHECK(table->keys[1].name == "second");
    CHECK(table->keys[1].doc.empty());
    // A hook read from behind the struct would be called here.
    CHECK(host.prepare("web"));
    CHECK(host.started("web", 1));
    CHECK(host.stats("web", 1).empty());
    host.teardown("web");
}

TEST_CASE("plugins: a schema is checked before it is believed", "[plugins]") {
    jsv_key keys[] = {sane_key("first"), sane_key("second")};
    jsv_plugin entry = sane_entry(keys, 2);
    const auto sane = read_entry(&entry);
    REQUIRE(sane);  // control
    CHECK(sane->table.keys[0].choices == std::vector<std::string>{"a", "b"});

    SECTION("nothing") {
        CHECK_FALSE(read_entry(nullptr));
    }
    SECTION("size of the struct too small") {
        entry.size = offsetof(jsv_plugin, plan);
        CHECK_FALSE(read_entry(&entry));
    }
    SECTION("size of the struct absurd") {
        entry.size = 1U << 30;
        CHECK_FALSE(read_entry(&entry));
    }
    SECTION("name") {
        for (const char* name :
             {"", "Sane", "9lives", "a-b", "core", "jail.x", "a23456789012345678901234567890123"}) {
            entry.name = name;
            CHECK_FALSE(read_entry(&entry));
        }
        entry.name = nullptr;
        CHECK_FALSE(read_entry(&entry));
    }
    SECTION("no plan function") {
        entry.plan = nullptr;
        CHECK_FALSE(read_entry(&entry));
    }
    SECTION("keys that are not there, or too many") {
        entry.key_count = 100000;
        CHECK_FALSE(read_entry(&entry));
        entry = sane_entry(nullptr, 2);
        CHECK_FALSE(read_entry(&entry));
    }
    SECTION("a key twice") {
        keys[1].name = "first";
        CHECK(contains(read_entry(&entry).error().message, "key first is there twice"));
    }
    SECTION("an unknown type") {
        keys[1].type = 99;
        CHECK(contains(read_entry(&entry).error().message, "key second: unknown type 99"));
    }
    SECTION("an impossible stride") {
        for (const std::uint32_t size : {0U, 4U, 17U, 100000U}) {
            keys[0].size = size;
            CHECK_FALSE(read_entry(&entry));
        }
    }
    SECTION("sizes that differ") {
        keys[1].size = 24;
        CHECK_FALSE(read_entry(&entry));
    }
    SECTION("a doc of two lines") {
        keys[0].doc = "one\ntwo";
        CHECK_FALSE(read_entry(&entry));
    }
}
