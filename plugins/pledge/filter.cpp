// What a filter does, in this order: another architecture's call ends the process, and x32's; what
// is newer than the table does not exist; then libseccomp's search tree over the table's calls.
#include "filter.hpp"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <map>
#include <memory>

namespace pledge {
namespace {

#if defined(__x86_64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_AARCH64;
#else
#error "pledge: no architecture of system calls for this machine"
#endif
constexpr std::uint32_t kForeignCalls = 0x40000000;  ///< x32's begin here (asm/unistd.h)
constexpr std::uint32_t kNoCall = 0xffffffff;        ///< what a tracer sets to skip one
constexpr unsigned kApiLevel = 5;  ///< of libseccomp: all that it could find out by asking
constexpr std::uint32_t kByPriority = 1, kTree = 2;  // of SCMP_FLTATR_CTL_OPTIMIZE

struct FreeContext {
    void operator()(void* context) const { ::seccomp_release(context); }
};
using Context = std::unique_ptr<void, FreeContext>;

std::uint32_t action_of(Violation violation) {
    switch (violation) {
        case Violation::kErrno:
            return SCMP_ACT_ERRNO(EPERM);
        case Violation::kKill:
            return SCMP_ACT_KILL_PROCESS;
        case Violation::kAsk:
            return SCMP_ACT_NOTIFY;
    }
    return SCMP_ACT_KILL_PROCESS;
}

/// __NR_SCMP_ERROR for a call that neither libseccomp nor the table knows; other negative numbers
/// are calls of other architectures.
int number_of(std::string_view call) {
    const int number = ::seccomp_syscall_resolve_name(std::string(call).c_str());
    if (number != __NR_SCMP_ERROR) return number;
    return recent_number(call).value_or(__NR_SCMP_ERROR);
}

scmp_arg_cmp comparison(const Test& test) {
    if (test.mask == ~std::uint64_t{0}) {
        return {test.argument, SCMP_CMP_EQ, test.value, 0};
    }
    return {test.argument, SCMP_CMP_MASKED_EQ, test.mask, test.value};
}

int add(void* context, std::uint32_t action, int number, const Rule& rule) {
    scmp_arg_cmp tests[3];
    for (std::size_t i = 0; i < rule.count; ++i) tests[i] = comparison(rule.tests[i]);
    const int code =
        ::seccomp_rule_add_array(context, action, number, static_cast<unsigned>(rule.count), tests);
    return code == -EEXIST ? 0 : code;  // two promises with the same rule
}

std::string add_all(void* context, const std::vector<Rule>& rules) {
    std::map<std::string_view, bool> whole;  // permitted whatever the arguments
    for (const Rule& rule : rules) whole[rule.call] |= rule.count == 0;
    for (const Rule& rule : rules) {
        if (rule.count > 0 && whole[rule.call]) continue;
        const int number = number_of(rule.call);
        if (number == __NR_SCMP_ERROR) {
            return "libseccomp does not know " + std::string(rule.call) + "; install a newer one";
        }
        if (number < 0) continue;
        if (const int code = add(context, SCMP_ACT_ALLOW, number, rule); code != 0) {
            return "libseccomp refuses the rule for " + std::string(rule.call) + ": " +
                   ::strerror(-code);
        }
    }
    for (const std::string_view call : absent()) {
        if (::seccomp_rule_add(context, SCMP_ACT_ERRNO(ENOSYS), number_of(call), 0) != 0) {
            return "libseccomp refuses a rule for " + std::string(call);
        }
    }
    return "";
}

/// libseccomp writes programs to descriptors only (seccomp_export_bpf(3)). A pipe holds the longest
/// one, unless its owner has too many of them (pipe(7)): then the write says so.
std::string read_program(void* context, std::vector<sock_filter>& program) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) == -1) return "pipe2 failed";
    int code = ::seccomp_export_bpf(context, ends[1]);
    ::close(ends[1]);
    std::vector<char> bytes(sizeof(sock_filter) * BPF_MAXINSNS);
    std::size_t size = 0;
    for (ssize_t count = 1; count > 0 && size < bytes.size();
         size += static_cast<std::size_t>(count)) {
        count = ::read(ends[0], bytes.data() + size, bytes.size() - size);
        if (count < 0) {
            code = -errno;
            break;
        }
    }
    ::close(ends[0]);
    if (code != 0) return std::string("libseccomp compiles no program: ") + ::strerror(-code);
    program.resize(size / sizeof(sock_filter));
    std::memcpy(program.data(), bytes.data(), program.size() * sizeof(sock_filter));
    // A program that was cut short does not end with a verdict.
    if (program.empty() || BPF_CLASS(program.back().code) != BPF_RET) {
        return "the filter is too long; make fewer promises";
    }
    return "";
}

/// Before libseccomp's own program, whose jumps are relative.
std::vector<sock_filter> prologue() {
    return {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kArchitecture, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, kNewestCall, 0, 4),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kNoCall, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, kForeignCalls, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
    };
}

}  // namespace

Filter compile(Promises promises, Violation violation, Besides besides, Order order) {
    // Otherwise it tries what the kernel has, with calls that a sandbox may forbid.
    ::seccomp_api_set(kApiLevel);
    const Context context(::seccomp_init(action_of(violation)));
    if (!context) return {{}, "libseccomp cannot make filters here"};
    int code = ::seccomp_attr_set(context.get(), SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    if (code == 0)
        code = ::seccomp_attr_set(context.get(), SCMP_FLTATR_CTL_OPTIMIZE,
                                  order == Order::kTree ? kTree : kByPriority);
    if (code != 0) return {{}, "libseccomp is too old; 2.5 is needed"};
    // The first exec is the gate's to let pass, see JSV_SECCOMP_EXEC_ONCE.
    const Promises permitted = violation == Violation::kAsk ? promises : promises | kExec;
    std::vector<Rule> rules = rules_for(permitted);
    if (besides == Besides::kSecondStage) {
        rules.insert(rules.end(), second_stage().begin(), second_stage().end());
    }
    if (auto error = add_all(context.get(), rules); !error.empty()) return {{}, error};
    Filter filter{prologue()};
    std::vector<sock_filter> tree;
    if (auto error = read_program(context.get(), tree); !error.empty()) return {{}, error};
    filter.program.insert(filter.program.end(), tree.begin(), tree.end());
    if (filter.program.size() > BPF_MAXINSNS) {
        return {{}, "the filter is too long; make fewer promises"};
    }
    return filter;
}

}  // namespace pledge
