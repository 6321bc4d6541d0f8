#include "jailer/loop/account_lists.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "base/sys.hpp"
#include "jailer/plan/account_view.hpp"
#include "temp_folder.hpp"

using namespace jailsvc;
using namespace jailsvc::jailer;
using jailsvc::test::TempFolder;

namespace {

Op op(jsv_kind kind, std::string first, std::string second = "", std::uint32_t flags = 0) {
    return {.kind = kind,
            .stage = find_kind(kind)->stage,
            .flags = flags,
            .text = {std::move(first), std::move(second)},
            .blob = {},
            .plugin = "identity"};
}

std::vector<Op> jail_of(const std::string& root) {
    return {op(JSV_OP_ROOT, root), op(JSV_OP_IDS, "", "", JSV_IDS_DYNAMIC)};
}

/// Targets of the binds that were added.
std::vector<std::string> shown(std::vector<Op> ops) {
    const std::size_t before = ops.size();
    show_account(ops, "/run/a", "web");
    std::vector<std::string> targets;
    for (std::size_t i = before; i < ops.size(); ++i) targets.push_back(ops[i].text[1]);
    return targets;
}

Uids open_uids(const TempFolder& folder) {
    return Uids::open(folder.at("uids"), {}, [](uid_t) { return Result<bool>(false); }).value();
}

}  // namespace

TEST_CASE("accounts: a name is the unit's where that can be a user's and is free", "[jailer]") {
    CHECK(account_name("web", 61184, {}) == "web");
    CHECK(account_name("web", 61184, {"web"}) == "web-61184");
    CHECK(account_name("web", 61184, {"web", "web-61184"}) == "_jail-61184");
    CHECK(account_name("w@1", 61185, {}) == "w-1-61185");
    CHECK(account_name("a:b", 61185, {}) == "a-b-61185");
    CHECK(account_name("9p", 61186, {}) == "_9p-61186");
    const std::string longest = account_name(std::string(127, 'x'), 61187, {});
    CHECK(longest.size() == 31);
    CHECK(longest.ends_with("x-61187"));
}

TEST_CASE("accounts: a jail with a dynamic user is shown the files, unless it says otherwise",
          "[jailer]") {
    using Targets = std::vector<std::string>;
    const auto jail = jail_of("/");
    CHECK(shown(jail) == Targets{"/etc/passwd", "/etc/group"});
    const auto with = [&](Op more) {
        auto ops = jail;
        ops.push_back(std::move(more));
        return shown(std::move(ops));
    };
    CHECK(with(op(JSV_OP_MASK, "/etc/passwd")) == Targets{"/etc/group"});
    CHECK(with(op(JSV_OP_BIND, "/srv/group", "/etc/group")) == Targets{"/etc/passwd"});
    CHECK(with(op(JSV_OP_TMPFS, "/etc")).empty());
    CHECK(with(op(JSV_OP_MASK, "/etc/pass")) == Targets{"/etc/passwd", "/etc/group"});
    CHECK(shown({jail[1]}).empty());                             // no root of its own
    CHECK(shown({jail[0], op(JSV_OP_IDS, "", "", 0)}).empty());  // a user with an account
    auto host = jail, image = jail_of("/srv/image");
    show_account(host, "/run/a", "web");
    show_account(image, "/run/a", "web");
    CHECK(host[2].text[0] == "/run/a/host.passwd");
    CHECK(image[2].text[0] == "/run/a/units/web.passwd");
    CHECK((host[2].flags & (JSV_MOUNT_READ_ONLY | JSV_MOUNT_OPTIONAL)) ==
          (JSV_MOUNT_READ_ONLY | JSV_MOUNT_OPTIONAL));
}

TEST_CASE("accounts: the host's files hold all dynamic users, and stay the same files",
          "[jailer]") {
    const TempFolder folder("accounts");
    Uids uids = open_uids(folder);
    AccountLists accounts(folder.at("accounts"));
    const uid_t web = uids.allocate("web-of-a-test").value();
    REQUIRE(accounts.list("web-of-a-test", web, "/", uids));
    const std::string passwd = folder.at("accounts/host.passwd");
    const std::string own = sys::read_file("/etc/passwd").value();
    const std::string line = "web-of-a-test:x:" + std::to_string(web) + ":" + std::to_string(web) +
                             "::/:/usr/sbin/nologin\n";
    CHECK(sys::read_file(passwd).value() == own + line);
    struct stat before{}, after{};
    REQUIRE(::stat(passwd.c_str(), &before) == 0);
    CHECK((before.st_mode & 0777) == 0644);
    const uid_t other = uids.allocate("other-of-a-test").value();
    REQUIRE(accounts.list("other-of-a-test", other, "/", uids));
    REQUIRE(::stat(passwd.c_str(), &after) == 0);
    CHECK(after.st_ino == before.st_ino);
    const std::string both = sys::read_file(passwd).value();
    CHECK(both.starts_with(own + line));
    CHECK(both.find("\nother-of-a-test:x:" + std::to_string(other)) != std::string::npos);
    const std::string group = sys::read_file(folder.at("accounts/host.group")).value();
    CHECK(group.find("\nweb-of-a-test:x:" + std::to_string(web) + ":\n") != std::string::npos);
}

TEST_CASE("accounts: an image's own file gets the one line, whatever the image holds", "[jailer]") {
    const TempFolder folder("accounts");
    Uids uids = open_uids(folder);
    AccountLists accounts(folder.at("accounts"));
    folder.write("image/etc/passwd", "root:x:0:0::/:/bin/sh");  // no newline at its end
    const auto list = [&] { return accounts.list("web", 61184, folder.at("image"), uids); };
    const std::string passwd = folder.at("accounts/units/web.passwd");
    REQUIRE(list());
    CHECK(sys::read_file(passwd).value() ==
          "root:x:0:0::/:/bin/sh\nweb:x:61184:61184::/:/usr/sbin/nologin\n");
    // It has no group(5): there is none to be shown over it.
    CHECK(::access(folder.at("accounts/units/web.group").c_str(), F_OK) == -1);
    // A shorter one leaves nothing of the longer behind.
    folder.write("image/etc/passwd", "r:x:0:0::/:/\n");
    REQUIRE(list());
    CHECK(sys::read_file(passwd).value() ==
          "r:x:0:0::/:/\nweb:x:61184:61184::/:/usr/sbin/nologin\n");
    // A link that would lead out of the image leads inside, where there is nothing.
    std::filesystem::remove(folder.at("image/etc/passwd"));
    std::filesystem::create_symlink("/etc/passwd", folder.at("image/etc/passwd"));
    (void)list();
    CHECK(::access(passwd.c_str(), F_OK) == -1);
    // A pipe in its place does not keep anybody waiting.
    std::filesystem::remove(folder.at("image/etc/passwd"));
    REQUIRE(::mkfifo(folder.at("image/etc/passwd").c_str(), 0644) == 0);
    CHECK_FALSE(list());
    CHECK(::access(passwd.c_str(), F_OK) == -1);
}
