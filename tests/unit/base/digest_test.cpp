#include "base/digest.hpp"

#include <catch2/catch.hpp>

using namespace jailsvc;

TEST_CASE("digest: is BLAKE2b with 256 bits", "[base]") {
    // `printf abc | b2sum -l 256` (RFC 7693)
    CHECK(to_hex(digest_of("abc")) ==
          "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319");
    CHECK(digest_of("abc") != digest_of("abd"));
    CHECK(digest_of(std::string_view("a\0b", 3)) != digest_of(std::string_view("a\0c", 3)));
}
