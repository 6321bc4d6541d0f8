#include "site_write.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "temp_folder.hpp"

using namespace jailsvc;
using namespace jailsvc::ctl;
namespace fs = std::filesystem;

namespace {

class Folder : public jailsvc::test::TempFolder {
public:
    Folder() : TempFolder("site") {}
    [[nodiscard]] std::string site() const { return at("jailsvc/units"); }
    [[nodiscard]] SiteFile file() const { return drop_in_of(site(), "web", "enabled.toml"); }
};

std::string content(const std::string& path) {
    std::ifstream in(path);
    return {std::istreambuf_iterator<char>(in), {}};
}

mode_t mode_of(const std::string& path) {
    struct stat info{};
    REQUIRE(::lstat(path.c_str(), &info) == 0);
    return info.st_mode & 07777U;
}

std::ptrdiff_t entries(const std::string& path) {
    return std::distance(fs::directory_iterator(path), fs::directory_iterator());
}

}  // namespace

TEST_CASE("site files: one is written whole, with what leads to it, and goes away again", "[ctl]") {
    const Folder folder;
    const SiteFile file = folder.file();
    CHECK(read_site_file(file).value() == std::nullopt);
    const mode_t before = ::umask(0077);
    const auto written = write_site_file(file, "one\n");
    ::umask(before);
    REQUIRE(written.has_value());
    CHECK(content(file.path()) == "one\n");
    CHECK(mode_of(file.path()) == 0644);
    CHECK(mode_of(folder.site() + "/web.toml.d") == 0755);
    CHECK(mode_of(folder.site()) == 0755);
    REQUIRE(write_site_file(file, "two\n").has_value());
    CHECK(read_site_file(file).value() == "two\n");
    CHECK(entries(folder.site() + "/web.toml.d") == 1);

    CHECK(remove_site_file(file).value());
    CHECK_FALSE(fs::exists(folder.site() + "/web.toml.d"));
    CHECK_FALSE(remove_site_file(file).value());
}

TEST_CASE("site files: a folder with something else in it stays", "[ctl]") {
    const Folder folder;
    REQUIRE(write_site_file(folder.file(), "one\n").has_value());
    REQUIRE(write_site_file(drop_in_of(folder.site(), "web", "10.toml"), "x\n").has_value());
    CHECK(remove_site_file(folder.file()).value());
    CHECK(content(folder.site() + "/web.toml.d/10.toml") == "x\n");
}

TEST_CASE("site files: no symbolic link is followed", "[ctl]") {
    const Folder folder;
    const std::string victim = folder.at("victim");
    std::ofstream(victim) << "mine\n";
    REQUIRE(write_site_file(folder.file(), "one\n").has_value());
    fs::remove(folder.file().path());
    fs::create_symlink(victim, folder.file().path());
    CHECK_FALSE(read_site_file(folder.file()).has_value());
    SECTION("a file's place is taken") {
        REQUIRE(write_site_file(folder.file(), "two\n").has_value());
        CHECK(content(folder.file().path()) == "two\n");
        CHECK(content(victim) == "mine\n");
    }
    SECTION("and its removal removes the link") {
        CHECK(remove_site_file(folder.file()).value());
        CHECK(content(victim) == "mine\n");
    }
    SECTION("a folder's place is not") {
        fs::remove_all(folder.site() + "/web.toml.d");
        fs::create_directory(folder.at("elsewhere"));
        fs::create_directory_symlink(folder.at("elsewhere"), folder.site() + "/web.toml.d");
        const auto refused = write_site_file(folder.file(), "two\n");
        REQUIRE_FALSE(refused.has_value());
        CHECK(refused.error().message.find("symbolic link") != std::string::npos);
        CHECK(fs::is_empty(folder.at("elsewhere")));
    }
}

TEST_CASE("site files: nothing is written where somebody else could change it", "[ctl]") {
    const Folder folder;
    REQUIRE(write_site_file(folder.file(), "one\n").has_value());
    for (const std::string& loose : {folder.site(), folder.site() + "/web.toml.d"}) {
        REQUIRE(::chmod(loose.c_str(), 0777) == 0);
        const auto refused = write_site_file(folder.file(), "two\n");
        REQUIRE_FALSE(refused.has_value());
        CHECK(refused.error().message.find("run: chmod go-w " + loose) != std::string::npos);
        REQUIRE(::chmod(loose.c_str(), 0755) == 0);
    }
    CHECK(content(folder.file().path()) == "one\n");
}
