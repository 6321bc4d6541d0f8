#include <catch2/catch.hpp>

#include "jailer/cgroup/devices.hpp"

using namespace jailsvc::jailer::cgroup;

namespace {

DeviceRule rule(const char* device, const char* access) {
    const auto parsed = parse_rule(device, access);
    REQUIRE(parsed);
    return *parsed;
}

/// Runs a program as the kernel would; the instructions that to_program uses and no others.
bool passes(const std::vector<bpf_insn>& program, const bpf_cgroup_dev_ctx& use) {
    std::uint64_t registers[11] = {};
    for (std::size_t at = 0; at < program.size(); ++at) {
        const bpf_insn& one = program[at];
        std::uint64_t& to = registers[one.dst_reg];
        const auto word = static_cast<std::uint32_t>(to);
        const auto value = static_cast<std::uint32_t>(one.imm);
        switch (one.code) {
            case BPF_LDX | BPF_MEM | BPF_W:
                REQUIRE(one.src_reg == 1);
                REQUIRE((one.off == 0 || one.off == 4 || one.off == 8));
                to = one.off == 0 ? use.access_type : one.off == 4 ? use.major : use.minor;
                break;
            case BPF_ALU | BPF_MOV | BPF_X:
                to = static_cast<std::uint32_t>(registers[one.src_reg]);
                break;
            case BPF_ALU | BPF_AND | BPF_K:
                to = word & value;
                break;
            case BPF_ALU | BPF_RSH | BPF_K:
                to = word >> value;
                break;
            case BPF_ALU64 | BPF_MOV | BPF_K:
                to = value;
                break;
            case BPF_JMP32 | BPF_JNE | BPF_K:
                REQUIRE(one.off >= 0);
                if (word != value) at += static_cast<std::size_t>(one.off);
                break;
            case BPF_JMP | BPF_EXIT:
                return registers[0] == 1;
            default:
                FAIL("an instruction that is none of ours");
        }
    }
    FAIL("the program ran out of its end");
    return true;
}

bool may(const std::vector<DeviceRule>& rules, bool block, unsigned major, unsigned minor,
         unsigned access) {
    const unsigned type = block ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR;
    return passes(to_program(rules),
                  {.access_type = access << 16 | type, .major = major, .minor = minor});
}

constexpr unsigned kMake = BPF_DEVCG_ACC_MKNOD;
constexpr unsigned kRead = BPF_DEVCG_ACC_READ;
constexpr unsigned kWrite = BPF_DEVCG_ACC_WRITE;

}  // namespace

TEST_CASE("devices: a rule is a device and an access, as version 1 writes them", "[cgroup]") {
    for (const auto& [device, access, line] : {std::tuple{"c 10:229", "rw", "c 10:229 rw"},
                                               {"b 8:*", "mr", "b 8:* rm"},
                                               {"c 1:3", "rwm", "c 1:3 rwm"}}) {
        CHECK(to_line(rule(device, access)) == line);
    }
    for (const auto& [device, access] : {std::pair{"", ""},
                                         {"c 1:3", ""},
                                         {"c 1:3", "x"},
                                         {"c 1:3", "rr"},
                                         {"a *:*", "rwm"},
                                         {"c *:3", "r"},
                                         {"c 1", "r"},
                                         {"c 1:", "r"},
                                         {"c :1", "r"},
                                         {"c -1:3", "r"},
                                         {"c 1:3 ", "r"},
                                         {"c 99999999999:1", "r"},
                                         {"c1:3", "r"}}) {
        INFO(device << " " << access);
        CHECK_FALSE(parse_rule(device, access));
    }
}

TEST_CASE("devices: the program lets pass what a rule names, in the ways it names", "[cgroup]") {
    const std::vector<DeviceRule> rules{rule("c 1:3", "rwm"), rule("c 10:229", "r"),
                                        rule("b 8:*", "rw")};
    CHECK(may(rules, false, 1, 3, kRead | kWrite));
    CHECK(may(rules, false, 1, 3, kMake));
    CHECK_FALSE(may(rules, false, 1, 11, kRead));
    CHECK_FALSE(may(rules, true, 1, 3, kRead));  // of the other type
    CHECK(may(rules, false, 10, 229, kRead));
    CHECK_FALSE(may(rules, false, 10, 229, kWrite));
    CHECK_FALSE(may(rules, false, 10, 229, kRead | kWrite));  // all that is asked for, or nothing
    CHECK_FALSE(may(rules, false, 10, 229, kMake));
    CHECK(may(rules, true, 8, 0, kRead));
    CHECK(may(rules, true, 8, 17, kRead | kWrite));
    CHECK_FALSE(may(rules, true, 8, 17, kMake));
    CHECK_FALSE(may(rules, true, 9, 0, kRead));
    CHECK_FALSE(may({}, false, 1, 3, kRead));
}

TEST_CASE("devices: lists that differ are told apart", "[cgroup]") {
    const std::vector<DeviceRule> one{rule("c 1:3", "r")};
    for (const auto& other : {rule("c 1:3", "w"), rule("c 1:5", "r"), rule("c 1:*", "r"),
                              rule("b 1:3", "r"), rule("c 2:3", "r")}) {
        CHECK(hash_of(one) != hash_of(std::vector<DeviceRule>{other}));
    }
    CHECK(hash_of(one) == hash_of(std::vector<DeviceRule>{rule("c 1:3", "r")}));
    CHECK(hash_of(one) != hash_of({}));
}
