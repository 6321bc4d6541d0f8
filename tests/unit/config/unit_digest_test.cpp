#include "config/unit_digest.hpp"

#include <catch2/catch.hpp>

#include "unit_tree.hpp"

using namespace jailsvc;
using namespace jailsvc::config;
using namespace jailsvc::config::test;

namespace {

constexpr const char* kService = "[service]\nexec_start = [\"/bin/x\"]\n";

/// Of a unit with this drop-in.
Digest digest_with(const std::string& drop_in) {
    const UnitTree tree;
    tree.write("etc/web.toml", kService);
    tree.write("etc/web.toml.d/10.toml", drop_in);
    const auto unit = load_unit(tree.sources(), test_schema(), "web");
    REQUIRE(unit.has_value());
    return unit->digest;
}

}  // namespace

TEST_CASE("unit digest: enabling and masking a unit leaves what it runs as", "[config]") {
    const Digest plain = digest_with("");
    CHECK(digest_with("[install]\nwanted_by = [\"default\"]\n") == plain);
    CHECK(digest_with("[install]\nenabled = false\n") == plain);
    CHECK(digest_with("[unit]\nmasked = true\n") == plain);
    SECTION("anything else of the same table does not") {
        const Digest described = digest_with("[unit]\ndescription = \"x\"\n");
        CHECK(described != plain);
        CHECK(digest_with("[unit]\ndescription = \"x\"\nmasked = true\n") == described);
    }
    SECTION("nor does the same key of another table") {
        CHECK(digest_with("[environment.set]\nmasked = \"a\"\n") !=
              digest_with("[environment.set]\nmasked = \"b\"\n"));
    }
    SECTION("nor do the comments that tell of files beside it") {
        CHECK(digest_of_unit("[install]\nenabled = true\n# environment file /a: 1\n") !=
              digest_of_unit("[install]\nenabled = true\n# environment file /a: 2\n"));
    }
}

TEST_CASE("unit digest: text that ends anywhere is taken as it is", "[config]") {
    CHECK(digest_of_unit("") == digest_of_unit("[unit]\n"));
    CHECK(digest_of_unit("[unit]\na = 1") != digest_of_unit("[unit]\na = 2"));
    // A key means another thing in another table.
    CHECK(digest_of_unit("[service]\na = 1\n[unit]\na = 1\n") !=
          digest_of_unit("[service]\na = 1\na = 1\n[unit]\n"));
}
