#include "base/trust.hpp"

#include <unistd.h>

#include <catch2/catch.hpp>

using jailsvc::trust_objection;

namespace {

std::string objection(uid_t owner, mode_t mode) {
    struct stat info{};
    info.st_uid = owner;
    info.st_mode = S_IFREG | mode;
    return trust_objection(info, "/etc/x");
}

}  // namespace

TEST_CASE("trust: a file is root's or ours, and nobody else writes it", "[base]") {
    CHECK(objection(0, 0644).empty());
    CHECK(objection(::geteuid(), 0600).empty());
    CHECK(objection(::geteuid() + 1, 0600) ==
          "owned by uid " + std::to_string(::geteuid() + 1) +
              ", so somebody else could change it; run: chown root /etc/x");
    for (const mode_t mode : {0620, 0602, 01777}) {
        INFO(mode);
        CHECK(objection(0, mode).find("run: chmod go-w /etc/x") != std::string::npos);
    }
}
