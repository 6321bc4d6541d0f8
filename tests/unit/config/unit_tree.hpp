#pragma once

#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "config/load.hpp"
#include "config/schema.hpp"
#include "temp_folder.hpp"

namespace jailsvc::config::test {

/// A configuration on disk, removed at the end: two unit directories (etc over usr) and profiles.
class UnitTree {
public:
    UnitTree() {
        for (const char* dir : {"etc", "usr", "profiles"}) make_directory(dir);
        write("profiles/default.toml", "[jail.identity]\nno_new_privileges = true\n");
    }

    void write(const std::string& path, const std::string& text) const {
        make_directory(std::filesystem::path(path).parent_path());
        folder_.write(path, text);
    }
    void make_directory(const std::string& path) const { folder_.make_folder(path); }
    [[nodiscard]] std::string path(const std::string& below) const { return folder_.at(below); }
    [[nodiscard]] Sources sources() const {
        Sources out;
        out.unit_dirs = {path("etc"), path("usr")};
        out.profile_dirs = {path("profiles")};
        out.ceiling = path("ceiling.toml");
        return out;
    }

private:
    jailsvc::test::TempFolder folder_{"config"};
};

/// The core's tables and two that plugins might bring.
inline const Schema& test_schema() {
    static const Schema kSchema = [] {
        Schema schema = core_schema();
        schema.tables.push_back(
            {.name = "jail.identity",
             .doc = "Who the program is.",
             .keys = {{.name = "user", .doc = "User."},
                      {.name = "no_new_privileges", .type = KeyType::kBool, .doc = ""},
                      {.name = "umask", .type = KeyType::kInteger, .doc = ""},
                      {.name = "limits", .type = KeyType::kStringMap, .doc = ""},
                      {.name = "capabilities", .type = KeyType::kStringList, .doc = ""}},
             .plugin = "identity"});
        schema.tables.push_back(
            {.name = "jail.pledge",
             .doc = "What the program may call.",
             .keys = {{.name = "promises", .doc = ""},
                      {.name = "add", .doc = ""},
                      {.name = "drop", .doc = ""},
                      {.name = "stage", .fallback = "\"exec\"", .doc = ""},
                      {.name = "on_violation", .fallback = "\"errno\"", .doc = ""}},
             .plugin = "pledge"});
        schema.tables.push_back(
            {.name = "jail.chroot",
             .doc = "What the program sees.",
             .keys = {{.name = "mode", .doc = "Mode.", .choices = {"host", "directory"}},
                      {.name = "binds", .type = KeyType::kStringList, .doc = ""},
                      {.name = "tmp_size", .type = KeyType::kBytes, .doc = ""},
                      {.name = "grace", .type = KeyType::kDuration, .doc = ""}},
             .plugin = "chroot"});
        return schema;
    }();
    return kSchema;
}

/// All messages with their places, one a line, without the source lines; paths below `root` only.
inline std::string told(const Diagnostics& diagnostics, const std::string& root = "") {
    std::string out;
    for (Diagnostic one : diagnostics) {
        one.source.clear();
        if (!root.empty() && one.file.starts_with(root)) one.file.erase(0, root.size());
        out += to_string(one) + "\n";
    }
    return out;
}

inline Unit loaded(const UnitTree& tree, const std::string& name) {
    auto unit = load_unit(tree.sources(), test_schema(), name);
    INFO((unit ? std::string() : told(unit.error())));
    REQUIRE(unit.has_value());
    return std::move(*unit);
}

inline std::string load_errors(const UnitTree& tree, const std::string& name) {
    auto unit = load_unit(tree.sources(), test_schema(), name);
    return unit ? "loaded" : told(unit.error(), tree.path(""));
}

}  // namespace jailsvc::config::test
