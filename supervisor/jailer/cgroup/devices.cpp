#include "jailer/cgroup/devices.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <charconv>
#include <cstddef>

#include "jailer/jail/failure.hpp"

namespace jailsvc::jailer::cgroup {
namespace {

constexpr std::uint32_t kMknod = BPF_DEVCG_ACC_MKNOD;
constexpr std::uint32_t kReadWrite = BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE;
constexpr std::uint32_t kAll = kReadWrite | kMknod;

/// What JSV_OP_DEV makes; numbers of Documentation/admin-guide/devices.txt. The jail's init makes
/// the nodes in the group. Pseudo-terminals: majors 136 to 143.
constexpr std::uint32_t kOwnNodes[][2] = {{1, 3}, {1, 5}, {1, 7}, {1, 8}, {1, 9}, {5, 0}, {5, 2}};
constexpr std::uint32_t kFirstPty = 136;
constexpr std::uint32_t kLastPty = 143;

/// As version 1 keeps them: a device that is named twice may be used in either way.
void add(std::vector<DeviceRule>& rules, const DeviceRule& rule) {
    const auto same = std::ranges::find_if(rules, [&](const DeviceRule& other) {
        return other.block == rule.block && other.major == rule.major && other.minor == rule.minor;
    });
    if (same == rules.end()) return rules.push_back(rule);
    same->access |= rule.access;
}

void add_own(std::vector<DeviceRule>& rules) {
    for (const auto& [major, minor] : kOwnNodes) {
        add(rules, {.major = major, .minor = minor, .access = kAll});
    }
    for (std::uint32_t major = kFirstPty; major <= kLastPty; ++major) {
        add(rules, {.major = major, .minor = std::nullopt, .access = kReadWrite});
    }
}

std::optional<DeviceRule> rule_of_path(const std::string& path) {
    struct stat info{};
    if (::stat(path.c_str(), &info) == -1) return std::nullopt;
    if (!S_ISCHR(info.st_mode) && !S_ISBLK(info.st_mode)) {
        errno = ENODEV;
        return std::nullopt;
    }
    return DeviceRule{.block = S_ISBLK(info.st_mode),
                      .major = major(info.st_rdev),
                      .minor = minor(info.st_rdev),
                      .access = kReadWrite};
}

std::optional<std::uint32_t> parse_number(std::string_view text) {
    std::uint32_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}

constexpr bpf_insn insn(int code, int to, int from, int offset, int value) {
    return {.code = static_cast<std::uint8_t>(code),
            .dst_reg = static_cast<std::uint8_t>(to & 0xf),
            .src_reg = static_cast<std::uint8_t>(from & 0xf),
            .off = static_cast<std::int16_t>(offset),
            .imm = value};
}

constexpr int kLoadWord = BPF_LDX | BPF_MEM | BPF_W;
constexpr int kIfNot = BPF_JMP32 | BPF_JNE | BPF_K;

/// Registers of the program.
enum { kResult = 0, kContext = 1, kType = 2, kAccess = 3, kMajor = 4, kMinor = 5, kScratch = 6 };

/// Falls through to "1" if the rule lets it pass, else jumps behind itself.
void add_rule(std::vector<bpf_insn>& program, const DeviceRule& rule) {
    std::vector<bpf_insn> tests;
    tests.push_back(
        insn(kIfNot, kType, 0, 0, rule.block ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR));
    if (rule.access != kAll) {
        tests.push_back(insn(BPF_ALU | BPF_MOV | BPF_X, kScratch, kAccess, 0, 0));
        tests.push_back(
            insn(BPF_ALU | BPF_AND | BPF_K, kScratch, 0, 0, static_cast<int>(~rule.access)));
        tests.push_back(insn(kIfNot, kScratch, 0, 0, 0));
    }
    tests.push_back(insn(kIfNot, kMajor, 0, 0, static_cast<int>(rule.major)));
    if (rule.minor) tests.push_back(insn(kIfNot, kMinor, 0, 0, static_cast<int>(*rule.minor)));
    tests.push_back(insn(BPF_ALU64 | BPF_MOV | BPF_K, kResult, 0, 0, 1));
    tests.push_back(insn(BPF_JMP | BPF_EXIT, 0, 0, 0, 0));
    for (std::size_t i = 0; i < tests.size(); ++i) {
        if (tests[i].code == kIfNot) tests[i].off = static_cast<std::int16_t>(tests.size() - i - 1);
    }
    program.insert(program.end(), tests.begin(), tests.end());
}

}  // namespace

std::optional<DeviceRule> parse_rule(std::string_view device, std::string_view access) {
    DeviceRule rule;
    const std::size_t colon = device.find(':');
    const bool typed = device.starts_with("c ") || device.starts_with("b ");
    if (!typed || colon == std::string_view::npos) return std::nullopt;
    rule.block = device[0] == 'b';
    const auto major = parse_number(device.substr(2, colon - 2));
    const std::string_view minor = device.substr(colon + 1);
    if (minor != "*") rule.minor = parse_number(minor);
    if (!major || (minor != "*" && !rule.minor)) return std::nullopt;
    rule.major = *major;
    for (const char letter : access) {
        const std::uint32_t bit = letter == 'r'   ? BPF_DEVCG_ACC_READ
                                  : letter == 'w' ? BPF_DEVCG_ACC_WRITE
                                  : letter == 'm' ? BPF_DEVCG_ACC_MKNOD
                                                  : 0;
        if (bit == 0 || (rule.access & bit) != 0) return std::nullopt;
        rule.access |= bit;
    }
    return rule.access != 0 ? std::optional(rule) : std::nullopt;
}

std::string to_line(const DeviceRule& rule) {
    return fmt::format("{} {}:{} {}{}{}", rule.block ? 'b' : 'c', rule.major,
                       rule.minor ? std::to_string(*rule.minor) : "*",
                       (rule.access & BPF_DEVCG_ACC_READ) != 0 ? "r" : "",
                       (rule.access & BPF_DEVCG_ACC_WRITE) != 0 ? "w" : "",
                       (rule.access & BPF_DEVCG_ACC_MKNOD) != 0 ? "m" : "");
}

Jailed<std::optional<DeviceList>> device_list(const CompiledPlan& plan) {
    const bool own = plan.find(JSV_OP_DEV) != nullptr;
    std::optional<DeviceList> list;
    plan.for_each(JSV_OP_DEVICES, [&](std::uint32_t index, const Op& op) {
        const bool by_default = (op.flags & JSV_DEVICES_DEFAULT) != 0;
        if (by_default && !own) return;
        if (!list) list = DeviceList{.op = index, .by_default = true, .rules = {}};
        list->by_default = list->by_default && by_default;
        if (const auto rule = parse_rule(op.text[0], op.text[1])) add(list->rules, *rule);
    });
    if (!list) return list;
    add_own(list->rules);
    std::optional<JailFailure> failure;
    plan.for_each(JSV_OP_DEVICE, [&](std::uint32_t index, const Op& op) {
        if (const auto rule = rule_of_path(op.text[0])) {
            add(list->rules, *rule);
        } else if (!failure && !plan.is_optional(index)) {
            failure = failed(index, op.text[0], errno);
        }
    });
    if (failure) return std::unexpected(std::move(*failure));
    return list;
}

std::uint64_t hash_of(std::span<const DeviceRule> rules) {
    std::uint64_t hash = 0xcbf29ce484222325;  // FNV-1a, a word at a time
    const auto mix = [&](std::uint64_t word) { hash = (hash ^ word) * 0x100000001b3; };
    for (const DeviceRule& rule : rules) {
        mix(rule.block ? 1 : 0);
        mix(rule.major);
        mix(rule.minor ? *rule.minor : ~std::uint64_t{0});
        mix(rule.access);
    }
    return hash;
}

std::vector<bpf_insn> to_program(std::span<const DeviceRule> rules) {
    // struct bpf_cgroup_dev_ctx: (access << 16) | type, major, minor.
    std::vector<bpf_insn> program{
        insn(kLoadWord, kType, kContext, offsetof(bpf_cgroup_dev_ctx, access_type), 0),
        insn(BPF_ALU | BPF_MOV | BPF_X, kAccess, kType, 0, 0),
        insn(BPF_ALU | BPF_AND | BPF_K, kType, 0, 0, 0xffff),
        insn(BPF_ALU | BPF_RSH | BPF_K, kAccess, 0, 0, 16),
        insn(kLoadWord, kMajor, kContext, offsetof(bpf_cgroup_dev_ctx, major), 0),
        insn(kLoadWord, kMinor, kContext, offsetof(bpf_cgroup_dev_ctx, minor), 0)};
    for (const DeviceRule& rule : rules) add_rule(program, rule);
    program.push_back(insn(BPF_ALU64 | BPF_MOV | BPF_K, kResult, 0, 0, 0));
    program.push_back(insn(BPF_JMP | BPF_EXIT, 0, 0, 0, 0));
    return program;
}

}  // namespace jailsvc::jailer::cgroup
