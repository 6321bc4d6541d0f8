#include "jailer/jail/probe.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <jailsvc_plugin.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstring>

#include "base/sys.hpp"
#include "config/health_target.hpp"
#include "jailer/jail/probe_filter.hpp"

namespace jailsvc::jailer {
namespace {

using config::HealthTarget;
using config::SocketAddress;

constexpr mode_t kExecuteAlone = 0111;
constexpr std::size_t kMaxProgram = 1U << 20;
constexpr std::chrono::milliseconds kBeyond{1000};  ///< the engine's own limit comes first

// linux/memfd.h since Linux 6.3; older kernels refuse it with EINVAL, and need none.
#ifndef MFD_EXEC
constexpr unsigned MFD_EXEC = 0x0010U;
#endif

Result<Fd> executable_memfd() {
    constexpr unsigned kFlags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
    Fd memory(::memfd_create("jailsvc-probe", kFlags | MFD_EXEC));
    if (!memory && errno == EINVAL) memory = Fd(::memfd_create("jailsvc-probe", kFlags));
    if (!memory) return fail_errno("memfd_create; see sysctl vm.memfd_noexec");
    return memory;
}

/// Those of a unit's operations that hold for its probes too.
bool is_shared(const Op& op) {
    switch (op.stage) {
        case JSV_STAGE_PARENT:
        case JSV_STAGE_NAMESPACES:
        case JSV_STAGE_MOUNTS:
            return true;
        case JSV_STAGE_IDENTITY:
            return op.kind == JSV_OP_IDS;
        case JSV_STAGE_PROCESS:
        case JSV_STAGE_LOCKDOWN:
            return false;
    }
    return false;
}

Op core_op(jsv_kind kind, jsv_stage stage) {
    return {.kind = kind, .stage = stage, .text = {}, .blob = {}, .plugin = "core"};
}

Op probe_filter() {
    Op op = core_op(JSV_OP_SECCOMP, JSV_STAGE_LOCKDOWN);
    op.flags = JSV_SECCOMP_EXEC_ONCE;
    op.blob.assign(reinterpret_cast<const char*>(kProbeFilter), sizeof kProbeFilter);
    return op;
}

std::string hexadecimal(const void* bytes, std::size_t size) {
    const auto* at = static_cast<const unsigned char*>(bytes);
    std::string text;
    for (std::size_t i = 0; i < size; ++i) text += fmt::format("{:02x}", at[i]);
    return text;
}

/// As connect(2) takes it. An abstract socket's name begins with a NUL, and has none at its end
/// (unix(7)).
std::string unix_name(const SocketAddress& address) {
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    address.path.copy(name.sun_path, sizeof name.sun_path - 1);
    const bool abstract = address.path.starts_with('@');
    if (abstract) name.sun_path[0] = '\0';
    return hexadecimal(&name,
                       offsetof(sockaddr_un, sun_path) + address.path.size() + (abstract ? 0 : 1));
}

std::string name_of(const SocketAddress& address) {
    if (!address.path.empty()) return unix_name(address);
    const in_port_t port = htons(static_cast<std::uint16_t>(address.port));
    if (address.ipv6) {
        sockaddr_in6 name{};
        name.sin6_family = AF_INET6;
        name.sin6_port = port;
        std::memcpy(&name.sin6_addr, address.ip.data(), sizeof name.sin6_addr);
        return hexadecimal(&name, sizeof name);
    }
    sockaddr_in name{};
    name.sin_family = AF_INET;
    name.sin_port = port;
    std::memcpy(&name.sin_addr, address.ip.data(), sizeof name.sin_addr);
    return hexadecimal(&name, sizeof name);
}

/// No more than the probe takes.
std::string milliseconds(config::Duration timeout) {
    constexpr std::chrono::milliseconds kMost = std::chrono::hours(1);
    const auto given =
        std::chrono::ceil<std::chrono::milliseconds>(std::min<config::Duration>(timeout, kMost));
    return std::to_string((given + kBeyond).count());
}

}  // namespace

Result<Fd> hold_probe(const std::string& path) {
    TRY(const std::string program, sys::read_file(path, kMaxProgram));
    TRY(Fd memory, executable_memfd());
    TRY_VOID(sys::write_fd(memory.get(), program, path));
    if (::fchmod(memory.get(), kExecuteAlone) == -1) return fail_errno("fchmod " + path);
    constexpr int kSeals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
    if (::fcntl(memory.get(), F_ADD_SEALS, kSeals) == -1) return fail_errno("seal " + path);
    return memory;
}

Result<CompiledPlan> make_probe_plan(const CompiledPlan& unit) {
    const auto whole = unit.whole();
    Plan plan{.unit = whole->unit, .digest = whole->digest, .ops = {}, .environment = {}};
    std::ranges::copy_if(whole->ops, std::back_inserter(plan.ops), is_shared);
    plan.ops.push_back(core_op(JSV_OP_CAPABILITIES, JSV_STAGE_IDENTITY));
    plan.ops.push_back(core_op(JSV_OP_NO_NEW_PRIVS, JSV_STAGE_LOCKDOWN));
    plan.ops.push_back(probe_filter());
    return CompiledPlan::make(std::move(plan));
}

Result<std::vector<std::string>> probe_arguments(const config::HealthTable& health) {
    const std::string limit = milliseconds(health.timeout);
    if (!health.http.empty()) {
        TRY(const HealthTarget target, config::parse_http_target(health.http));
        return std::vector<std::string>{"jailsvc-probe", "http",      name_of(target.address),
                                        limit,           target.host, target.path};
    }
    const bool tcp = !health.tcp.empty();
    TRY(const HealthTarget target,
        tcp ? config::parse_tcp_target(health.tcp) : config::parse_unix_target(health.unix_socket));
    return std::vector<std::string>{"jailsvc-probe", tcp ? "tcp" : "unix", name_of(target.address),
                                    limit};
}

}  // namespace jailsvc::jailer
