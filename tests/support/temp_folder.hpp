#pragma once

#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace jailsvc::test {

/// A folder of a test's own, gone with everything in it at the end. Only we can read it, unless
/// another mode is asked for.
class TempFolder {
public:
    explicit TempFolder(const std::string& name, mode_t mode = 0700,
                        const std::string& below = "/tmp")
        : path_(below + "/jailsvc-" + name + "-XXXXXX") {
        REQUIRE(::mkdtemp(path_.data()) != nullptr);
        REQUIRE(::chmod(path_.c_str(), mode) == 0);
    }
    TempFolder(const TempFolder&) = delete;
    TempFolder& operator=(const TempFolder&) = delete;
    ~TempFolder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }

    [[nodiscard]] const std::string& path() const { return path_; }
    [[nodiscard]] std::string at(const std::string& below) const { return path_ + "/" + below; }

    /// The folders above it are made too. Returns where it is.
    std::string write(const std::string& name, const std::string& text, mode_t mode = 0644) const {
        std::string file = at(name);
        std::filesystem::create_directories(std::filesystem::path(file).parent_path());
        std::ofstream(file, std::ios::binary) << text;
        REQUIRE(::chmod(file.c_str(), mode) == 0);
        return file;
    }
    void make_folder(const std::string& name, mode_t mode = 0755) const {
        std::filesystem::create_directories(at(name));
        REQUIRE(::chmod(at(name).c_str(), mode) == 0);
    }

private:
    std::string path_;
};

}  // namespace jailsvc::test
