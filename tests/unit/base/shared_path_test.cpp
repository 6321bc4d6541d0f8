#include "base/shared_path.hpp"

#include <catch2/catch.hpp>

namespace jailsvc {

TEST_CASE("shared path: reads as it was written, whatever it is", "[base]") {
    for (const char* path : {"", "/", "name", "/name", "a/b/c.toml", "/etc/x/", "//a", "./b"}) {
        INFO(path);
        CHECK(SharedPath(path).str() == path);
        CHECK(SharedPath(path) == SharedPath(path));
    }
    CHECK_FALSE(SharedPath("/a/b") == SharedPath("/a/c"));
    CHECK_FALSE(SharedPath("/a/b") == SharedPath("/b/b"));
}

TEST_CASE("shared path: stores a directory once", "[base]") {
    const auto before = Interned<std::string>::stored();
    const SharedPath one("/only/here/one"), two("/only/here/two");
    CHECK(Interned<std::string>::stored() == before + 1);
}

}  // namespace jailsvc
