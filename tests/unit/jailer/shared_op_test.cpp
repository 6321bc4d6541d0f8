#include "jailer/plan/shared_op.hpp"

#include <catch2/catch.hpp>

#include "jailer/jail/jail.hpp"

using namespace jailsvc::jailer;

namespace {

Op mask(std::string path) {
    return {.kind = JSV_OP_MASK,
            .stage = JSV_STAGE_MOUNTS,
            .text = {std::move(path), ""},
            .blob = {},
            .plugin = "chroot"};
}

Op mount_namespace() {
    return {.kind = JSV_OP_NAMESPACE,
            .stage = JSV_STAGE_NAMESPACES,
            .number = {0x00020000},  // CLONE_NEWNS
            .text = {},
            .blob = {},
            .plugin = "namespaces"};
}

}  // namespace

TEST_CASE("shared op: equal operations are stored once, and no longer than used", "[jailer]") {
    const auto before = SharedOp::stored();
    {
        const SharedOp first(mask("/home"));
        const SharedOp second(mask("/home"));
        SharedOp third(mask("/root"));
        CHECK(&*first == &*second);
        CHECK(&*first != &*third);
        CHECK(SharedOp::stored() == before + 2);
        third = first;
        CHECK(third->text[0] == "/home");
        CHECK(SharedOp::stored() == before + 1);
    }
    CHECK(SharedOp::stored() == before);
}

TEST_CASE("shared op: every field tells two operations apart", "[jailer]") {
    const SharedOp plain(mask("/home"));
    const auto differs = [&](auto change) {
        Op other = *plain;
        change(other);
        const SharedOp stored(std::move(other));
        return &*stored != &*plain;
    };
    CHECK_FALSE(differs([](Op&) {}));
    CHECK(differs([](Op& op) { op.flags = 1; }));
    CHECK(differs([](Op& op) { op.number[2] = 1; }));
    CHECK(differs([](Op& op) { op.text[1] = op.text[0]; }));
    CHECK(differs([](Op& op) { op.blob = op.text[0]; }));
    CHECK(differs([](Op& op) { op.plugin = op.text[0]; }));
    CHECK(differs([](Op& op) { op.optional = true; }));
}

TEST_CASE("compiled plan: gives back the plan it was made from", "[jailer]") {
    const Plan plan{.unit = "web",
                    .digest = {1, 2, 3},
                    .ops = {mount_namespace(), mask("/home"), mask("/root")},
                    .environment = {}};
    auto compiled = CompiledPlan::make(plan);
    REQUIRE(compiled);
    const Plan back = compiled->plan();
    CHECK(back.unit == plan.unit);
    CHECK(back.digest == plan.digest);
    CHECK(back.ops == plan.ops);
    CHECK(back.environment == collect_environment(plan));
    const auto flat = compiled->child_ops();
    REQUIRE(flat.size() == 3);
    CHECK(flat[2].index == 2);
    CHECK(std::string_view(flat[2].text[0]) == "/root");
    CHECK(compiled->find(JSV_OP_MASK)->text[0] == "/home");
    CHECK(compiled->find(JSV_OP_IDS) == nullptr);
    CHECK(compiled->namespaces() == plan.namespace_flags());
}
