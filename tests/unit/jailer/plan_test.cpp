// Plans: checking, ordering, printing, and the bytes a worker hands back.

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "jailer/plan/plan.hpp"
#include "jailer/plan/plan_check.hpp"

namespace {

using namespace jailsvc;
using namespace jailsvc::jailer;

Op make_op(jsv_kind kind, std::string first = "", std::string second = "",
           std::array<std::uint64_t, 3> numbers = {}) {
    Op op;
    op.kind = kind;
    op.stage = find_kind(kind)->stage;
    op.text = {std::move(first), std::move(second)};
    op.number = numbers;
    op.plugin = "chroot";
    return op;
}

Op with_flags(Op op, std::uint32_t flags) {
    op.flags = flags;
    return op;
}

Op groups_op() {
    Op op = make_op(JSV_OP_IDS, "", "", {1000, 1001, 0});
    const std::uint32_t groups[] = {4, 20};
    op.blob.assign(reinterpret_cast<const char*>(groups), sizeof groups);
    op.plugin = "identity";
    return op;
}

/// One of nearly everything, in order.
Plan sample() {
    Plan plan;
    plan.unit = "web";
    plan.digest = digest_of("web");
    plan.ops = {
        with_flags(make_op(JSV_OP_HOST_DIRECTORY, "/var/lib/web", "", {0700, 0, 0}),
                   JSV_DIR_RECREATE),
        make_op(JSV_OP_NAMESPACE, "", "", {CLONE_NEWNS, 0, 0}),
        make_op(JSV_OP_NAMESPACE, "", "", {CLONE_NEWUTS, 0, 0}),
        make_op(JSV_OP_ROOT, "/"),
        make_op(JSV_OP_HOSTNAME, "web"),
        with_flags(make_op(JSV_OP_BIND, "/srv/web", "/data"), JSV_MOUNT_READ_ONLY),
        make_op(JSV_OP_TMPFS, "/tmp", "", {1U << 20, 01777, 0}),
        make_op(JSV_OP_FILE, "/run/hello", "hello\n"),
        make_op(JSV_OP_RLIMIT, "", "", {7, 1024, ~0ULL}),
        make_op(JSV_OP_NICE, "", "", {static_cast<std::uint64_t>(-5), 0, 0}),
        make_op(JSV_OP_ENVIRONMENT, "STATE_DIRECTORY", "/var/lib/web"),
        groups_op(),
        make_op(JSV_OP_CAPABILITIES, "", "", {0x400, 0x400, 0x400}),
        make_op(JSV_OP_NO_NEW_PRIVS),
    };
    plan.ops[5].optional = true;
    plan.environment = collect_environment(plan);
    return plan;
}

bool same(const Plan& a, const Plan& b) {
    return a.unit == b.unit && a.digest == b.digest && a.ops == b.ops &&
           a.environment == b.environment;
}

}  // namespace

TEST_CASE("plan: what is serialised comes back the same", "[plan]") {
    const Plan plan = sample();
    REQUIRE(check_plan(plan));
    const auto back = deserialise(serialise(plan));
    REQUIRE(back);
    CHECK(same(*back, plan));
}

TEST_CASE("plan: no cut or changed byte makes a plan that is not valid", "[plan]") {
    const std::string bytes = serialise(sample());
    for (std::size_t length = 0; length < bytes.size(); ++length) {
        REQUIRE_FALSE(deserialise(std::string_view(bytes).substr(0, length)));
    }
    CHECK_FALSE(deserialise(bytes + '\0'));
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        for (const unsigned change : {0x01U, 0x80U, 0xffU, 0x20U}) {
            std::string changed = bytes;
            changed[i] = static_cast<char>(static_cast<unsigned char>(changed[i]) ^ change);
            const auto plan = deserialise(changed);
            if (!plan) continue;
            REQUIRE(check_plan(*plan));
            REQUIRE(serialise(*plan) == changed);
        }
    }
}

TEST_CASE("plan: a length that promises more than there is does not cost memory", "[plan]") {
    Plan plan;
    plan.unit = "web";
    std::string bytes = serialise(plan);
    bytes.replace(bytes.size() - 4, 4, "\xff\xff\xff\xff", 4);  // count of operations
    const auto refused = deserialise(bytes);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().message.find("4096 are allowed") != std::string::npos);
}

TEST_CASE("plan: an operation with a path that is not absolute and plain is refused", "[plan]") {
    CHECK(check_op(make_op(JSV_OP_BIND, "/srv", "/data")));  // control
    CHECK(check_op(make_op(JSV_OP_BIND, "/srv/..data", "/data..")));
    for (const char* path : {"", "srv", "/srv/..", "/srv/../etc", "..", "../x"}) {
        INFO(path);
        CHECK_FALSE(check_op(make_op(JSV_OP_BIND, path, "/data")));
        CHECK_FALSE(check_op(make_op(JSV_OP_BIND, "/srv", path)));
    }
    CHECK_FALSE(check_op(make_op(JSV_OP_BIND, "/" + std::string(4095, 'a'), "/data")));
    CHECK_FALSE(check_op(make_op(JSV_OP_BIND, std::string("/srv\0/x", 7), "/data")));
}

TEST_CASE("plan: values out of range and fields that a kind lacks are refused", "[plan]") {
    CHECK_FALSE(check_op(make_op(JSV_OP_NAMESPACE, "", "", {CLONE_NEWNS | CLONE_NEWUTS, 0, 0})));
    CHECK_FALSE(check_op(make_op(JSV_OP_NAMESPACE, "", "", {CLONE_VM, 0, 0})));
    CHECK_FALSE(check_op(make_op(JSV_OP_RLIMIT, "", "", {99, 1, 1})));
    CHECK_FALSE(check_op(make_op(JSV_OP_RLIMIT, "", "", {7, 2, 1})));
    CHECK_FALSE(check_op(make_op(JSV_OP_NICE, "", "", {20, 0, 0})));
    CHECK(check_op(make_op(JSV_OP_NICE, "", "", {static_cast<std::uint32_t>(-20), 0, 0})));
    CHECK_FALSE(check_op(make_op(JSV_OP_UMASK, "", "", {01000, 0, 0})));
    CHECK_FALSE(check_op(make_op(JSV_OP_PROC, "/proc", "", {3, 0, 0})));
    CHECK_FALSE(check_op(make_op(JSV_OP_CAPABILITIES, "", "", {0, 0, 1})));
    CHECK_FALSE(check_op(make_op(JSV_OP_NO_NEW_PRIVS, "text")));
    CHECK_FALSE(check_op(make_op(JSV_OP_NO_NEW_PRIVS, "", "", {1, 0, 0})));
    CHECK_FALSE(check_op(with_flags(make_op(JSV_OP_BIND, "/a", "/b"), 128)));
    CHECK_FALSE(check_op(with_flags(make_op(JSV_OP_TMPFS, "/a"), JSV_MOUNT_IDMAP)));
    const auto own_map = [](const std::string& uids, const std::string& gids) {
        return with_flags(make_op(JSV_OP_ID_MAP, uids, gids), JSV_ID_MAP_OWN);
    };
    CHECK(check_op(own_map("0 0 65536\n", "0 1 65535\n")));
    CHECK_FALSE(check_op(own_map("0 0 65537\n", "0 0 65536\n")));
    CHECK_FALSE(check_op(own_map("0 0 65536\n", "0 1 65536\n")));
    CHECK_FALSE(check_op(own_map("0 0 1\n0 4294967295 1\n", "0 0 1\n")));
    CHECK_FALSE(check_op(make_op(JSV_OP_FILE, "/motd", std::string(65537, 'x'))));
    CHECK_FALSE(check_op(make_op(JSV_OP_ENVIRONMENT, "A=B", "c")));
    Op ids = groups_op();
    ids.blob.pop_back();
    CHECK_FALSE(check_op(ids));
    Op unknown = make_op(JSV_OP_SESSION);
    unknown.stage = JSV_STAGE_PARENT;
    CHECK_FALSE(check_op(unknown));
}

TEST_CASE("plan: only a filter that learns may leave a verdict to others", "[plan]") {
    const auto filter = [](std::uint32_t verdict, std::uint32_t flags) {
        const sock_filter only = BPF_STMT(BPF_RET | BPF_K, verdict);
        Op op = with_flags(make_op(JSV_OP_SECCOMP, "all", "none"), flags);
        op.blob.assign(reinterpret_cast<const char*>(&only), sizeof only);
        return check_op(op).has_value();
    };
    CHECK(filter(SECCOMP_RET_ALLOW, JSV_SECCOMP_EXEC_ONCE));
    CHECK(filter(SECCOMP_RET_USER_NOTIF, JSV_SECCOMP_LEARN));
    CHECK_FALSE(filter(SECCOMP_RET_USER_NOTIF, 0));
    CHECK_FALSE(filter(SECCOMP_RET_TRACE, JSV_SECCOMP_LEARN));
    CHECK_FALSE(filter(SECCOMP_RET_USER_NOTIF, JSV_SECCOMP_LEARN | JSV_SECCOMP_EXEC_ONCE));
}

TEST_CASE("plan: mounts need one root, first, and a mount namespace", "[plan][S2.10]") {
    Plan plan;
    plan.unit = "web";
    const Op mount_ns = make_op(JSV_OP_NAMESPACE, "", "", {CLONE_NEWNS, 0, 0});
    const Op root = make_op(JSV_OP_ROOT, "/");
    const Op bind = make_op(JSV_OP_BIND, "/srv", "/data");
    plan.ops = {mount_ns, root, bind};
    CHECK(check_plan(plan));  // control
    plan.ops = {mount_ns, bind};
    CHECK_FALSE(check_plan(plan));
    plan.ops = {mount_ns, bind, root};
    CHECK_FALSE(check_plan(plan));
    plan.ops = {mount_ns, root, root};
    CHECK_FALSE(check_plan(plan));
    plan.ops = {root, bind};
    const auto refused = check_plan(plan);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().message ==
          "chroot: root: would change the host: the jail has no mount namespace; set "
          "jail.namespaces.mount = true");
}

TEST_CASE("plan: what would change the host itself is refused", "[plan][S2.10]") {
    Plan plan;
    plan.unit = "web";
    const auto with = [&](std::vector<std::uint64_t> namespaces, Op op) {
        plan.ops.clear();
        for (const auto type : namespaces) {
            plan.ops.push_back(make_op(JSV_OP_NAMESPACE, "", "", {type, 0, 0}));
        }
        plan.ops.push_back(std::move(op));
        return check_plan(plan).has_value();
    };
    CHECK(with({CLONE_NEWUTS}, make_op(JSV_OP_HOSTNAME, "web")));  // control
    CHECK_FALSE(with({}, make_op(JSV_OP_HOSTNAME, "web")));
    const Op forward = make_op(JSV_OP_SYSCTL, "net/ipv4/ip_forward", "1");
    CHECK(with({CLONE_NEWNS, CLONE_NEWNET}, forward));  // control
    CHECK_FALSE(with({CLONE_NEWNS}, forward));
    CHECK_FALSE(with({CLONE_NEWNS, CLONE_NEWNET}, make_op(JSV_OP_SYSCTL, "kernel/panic", "1")));
    CHECK_FALSE(with({CLONE_NEWNS, CLONE_NEWNET}, make_op(JSV_OP_SYSCTL, "net/../kernel/x", "1")));
}

TEST_CASE("plan: operations go by stage, plugin and addition, the root before all mounts",
          "[plan]") {
    Op early = make_op(JSV_OP_BIND, "/a", "/a");
    early.plugin = "audit";
    Op session = make_op(JSV_OP_SESSION);
    session.plugin = "core";
    std::vector<Op> ops = {session,
                           make_op(JSV_OP_TMPFS, "/2"),
                           early,
                           make_op(JSV_OP_ROOT, "/"),
                           make_op(JSV_OP_TMPFS, "/1"),
                           make_op(JSV_OP_HOST_DIRECTORY, "/d")};
    order_operations(ops);
    std::string order;
    for (const Op& op : ops) order += std::string(find_kind(op.kind)->name) + op.text[0] + " ";
    CHECK(order == "host_directory/d root/ bind/a tmpfs/2 tmpfs/1 session ");
}

TEST_CASE("plan: the environment is clean but for what plugins and the unit name",
          "[plan][S4.12]") {
    Plan plan;
    plan.unit = "web";
    const std::string path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    CHECK(collect_environment(plan) == std::vector<std::string>{"JAILSVC_UNIT=web", path});

    Op set = make_op(JSV_OP_ENVIRONMENT, "PORT", "80");
    set.plugin = "core";
    Op forged = make_op(JSV_OP_ENVIRONMENT, "JAILSVC_UNIT", "other");
    forged.plugin = "core";
    plan.ops = {set, forged, make_op(JSV_OP_ENVIRONMENT, "PORT", "1")};
    CHECK(collect_environment(plan) ==
          std::vector<std::string>{"JAILSVC_UNIT=web", path, "PORT=80"});
}

TEST_CASE("plan: lines are for people, without control bytes or secrets", "[plan]") {
    const Plan plan = sample();
    CHECK(to_line(plan.ops[5]) ==
          "mounts      bind             source=/srv/web target=/data ro  (chroot, optional)");
    CHECK(to_line(plan.ops[2]) == "namespaces  namespace        type=uts  (chroot)");
    CHECK(to_line(plan.ops[8]) ==
          "process     rlimit           limit=nofile soft=1024 hard=infinity  (chroot)");
    CHECK(to_line(plan.ops[9]) == "process     nice             value=-5  (chroot)");
    CHECK(to_line(plan.ops[11]) ==
          "identity    ids              uid=1000 gid=1001 groups=4,20  (identity)");
    const Op hostile = make_op(JSV_OP_FILE, "/motd", "\x1b[2J\n");
    CHECK(to_line(hostile).find('\x1b') == std::string::npos);
    const Op secret = with_flags(make_op(JSV_OP_ENVIRONMENT, "KEY", "hunter2"), JSV_ENV_SECRET);
    CHECK(to_line(secret).find("hunter2") == std::string::npos);
    Plan with_secret = plan;
    with_secret.ops.push_back(secret);
    with_secret.environment = collect_environment(with_secret);
    CHECK(to_json(with_secret).find("hunter2") == std::string::npos);
}

TEST_CASE("plan: JSON names every field of every operation", "[plan]") {
    const auto json = nlohmann::json::parse(to_json(sample()));
    CHECK(json["unit"] == "web");
    CHECK(json["digest"].get<std::string>().size() == 64);
    REQUIRE(json["operations"].size() == 14);
    const auto& bind = json["operations"][5];
    CHECK(bind["operation"] == "bind");
    CHECK(bind["stage"] == "mounts");
    CHECK(bind["source"] == "/srv/web");
    CHECK(bind["flags"] == nlohmann::json{"ro"});
    CHECK(bind["optional"] == true);
    CHECK(json["operations"][11]["groups"] == nlohmann::json{4, 20});
}

TEST_CASE("plan: bytes that are no UTF-8 are printed all the same", "[plan]") {
    Plan plan;
    plan.unit = "web";
    plan.ops = {make_op(JSV_OP_ENVIRONMENT, "NAME", "\xff\xfe")};
    CHECK_NOTHROW(nlohmann::json::parse(to_json(plan)));
}
