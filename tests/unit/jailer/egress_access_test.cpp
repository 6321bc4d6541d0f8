#include "jailer/plan/egress_access.hpp"

#include <algorithm>
#include <catch2/catch.hpp>

#include "jailer/plan/plan_check.hpp"

using namespace jailsvc;
using namespace jailsvc::jailer;

namespace {

Op op_of(jsv_kind kind, const char* plugin, std::string first = {}, std::string second = {}) {
    Op op;
    op.kind = kind;
    op.stage = find_kind(kind)->stage;
    op.plugin = plugin;
    op.text = {std::move(first), std::move(second)};
    return op;
}

Op destination(const char* text, std::uint64_t port = 3128) {
    Op op = op_of(JSV_OP_EGRESS, "egress", text);
    op.number[0] = port;
    return op;
}

std::vector<Op> opened(std::vector<Op> ops) {
    open_to_egress(ops, "job@3", Places());
    return ops;
}

std::string value_of(const std::vector<Op>& ops, std::string_view variable) {
    const auto found = std::ranges::find_if(
        ops, [&](const Op& op) { return op.kind == JSV_OP_ENVIRONMENT && op.text[0] == variable; });
    return found == ops.end() ? "" : found->text[1];
}

const Op* find(const std::vector<Op>& ops, jsv_kind kind) {
    const auto found = std::ranges::find(ops, kind, &Op::kind);
    return found == ops.end() ? nullptr : &*found;
}

}  // namespace

TEST_CASE("egress: a plan without destinations stays as it is", "[jailer][egress]") {
    CHECK(opened({}).empty());
    CHECK(opened({op_of(JSV_OP_ROOT, "chroot", "/")}).size() == 1);
}

TEST_CASE("egress: programs find the proxy by their environment and a directory",
          "[jailer][egress][S3.3]") {
    const auto ops =
        opened({op_of(JSV_OP_ROOT, "chroot", "/"), op_of(JSV_OP_VIEW, "unveil"),
                op_of(JSV_OP_NET_EDGE, "network", "db"), destination("a.b:443", 8888)});
    CHECK(value_of(ops, "HTTP_PROXY") == "http://127.0.0.1:8888");
    CHECK(value_of(ops, "https_proxy") == "http://127.0.0.1:8888");
    CHECK(value_of(ops, "all_proxy") == "socks5h://127.0.0.1:8888");
    CHECK(value_of(ops, "NO_PROXY") == "localhost,127.0.0.1,::1,db");
    const Op* bind = find(ops, JSV_OP_BIND);
    REQUIRE(bind != nullptr);
    CHECK(bind->text[0] == "/run/egress/job_-3");
    CHECK(bind->text[1] == "/run/egress");
    CHECK((bind->flags & JSV_MOUNT_READ_ONLY) != 0);
    REQUIRE(find(ops, JSV_OP_REVEAL) != nullptr);

    SECTION("what the core shows comes after the view that it is shown in") {
        auto ordered = ops;
        order_operations(ordered);
        CHECK(find(ordered, JSV_OP_VIEW) < find(ordered, JSV_OP_REVEAL));
    }
}

TEST_CASE("egress: a variable that the unit sets is its own affair, in either case",
          "[jailer][egress]") {
    const auto ops =
        opened({op_of(JSV_OP_ENVIRONMENT, "core", "no_proxy", "mine"),
                op_of(JSV_OP_ENVIRONMENT, "core", "HTTPS_PROXY", ""), destination("a.b:443")});
    CHECK(value_of(ops, "no_proxy") == "mine");
    CHECK(value_of(ops, "NO_PROXY").empty());
    CHECK(value_of(ops, "https_proxy").empty());
    CHECK(value_of(ops, "http_proxy") == "http://127.0.0.1:3128");
    CHECK(find(ops, JSV_OP_BIND) == nullptr);  // in the host's tree there is no place for it
}

TEST_CASE("egress: a plan whose proxy cannot be reached by it alone is refused",
          "[jailer][egress][S3.3]") {
    Op loopback = op_of(JSV_OP_NETWORK, "network");
    loopback.number[0] = JSV_NET_LOOPBACK;
    const auto check = [](std::vector<Op> ops) {
        order_operations(ops);
        return check_plan(
            Plan{.unit = "web", .digest = {}, .ops = std::move(ops), .environment = {}});
    };
    CHECK(check({loopback, destination("a.b:443")}));
    CHECK_FALSE(check({destination("a.b:443")}));
    Op down = loopback;
    down.number[0] = JSV_NET_NONE;
    CHECK_FALSE(check({down, destination("a.b:443")}));
    CHECK_FALSE(check({loopback, destination("a.b:443", 1), destination("a.b:80", 2)}));
    for (const char* wrong : {"", "a b:443", "a.b:443\nallow *.c:80", "a.b:443\x7f"}) {
        CHECK_FALSE(check({loopback, destination(wrong)}));
    }
    CHECK_FALSE(check({loopback, destination("a.b:443", 0)}));
    CHECK_FALSE(check({loopback, destination("a.b:443", 65536)}));
}
