#include "doctor.hpp"

#include <dlfcn.h>
#include <sched.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <jailsvc_plugin.hpp>
#include <string>

#include "links.hpp"

struct nft_ctx;  // of libnftables

namespace jailsvc::network {
namespace {

/// One of each kind of thing that the rules between jails are made of.
constexpr const char* kRules = R"(add table inet probe
add set inet probe edges { type ipv4_addr . ipv4_addr . inet_proto . inet_service; }
add map inet probe forwards { type inet_proto . inet_service : ipv4_addr . inet_service; }
add chain inet probe guard { type filter hook prerouting priority raw; }
add rule inet probe guard iifname "probe*" meta nfproto ipv6 drop
add chain inet probe arrive { type nat hook prerouting priority dstnat; }
add rule inet probe arrive fib daddr type local dnat ip to meta l4proto . th dport map @forwards
add chain inet probe forward { type filter hook forward priority filter; }
add rule inet probe forward ct state established,related accept
add rule inet probe forward ip saddr . ip daddr . meta l4proto . th dport @edges accept
add rule inet probe forward reject with icmpx admin-prohibited
)";

/// Who keeps it from being done, as far as errno says.
std::string blocker(int code, const char* lacking) {
    const std::string why = std::strerror(code);
    if (code == EPERM) {
        return why + ": needs root with CAP_SYS_ADMIN and CAP_NET_ADMIN; containers take them away";
    }
    if (code == ENOSPC) return why + ": sysctl user.max_net_namespaces is reached";
    if (code == EOPNOTSUPP || code == EINVAL || code == ENOENT || code == EPROTONOSUPPORT) {
        return why + ": " + lacking;
    }
    return why;
}

/// Where everything else happens; nothing of it is left on the machine.
int enter_new_network() {
    return ::unshare(CLONE_NEWNET) == -1 ? errno : 0;
}

int try_loopback(jsv_probe& probe) {
    constexpr const char* kName = "network of its own";
    int code = enter_new_network();
    if (code == 0) code = raise_interface("lo");
    return jsv::report(probe, code == 0, kName,
                       code == 0 ? "" : blocker(code, "the kernel lacks CONFIG_NET_NS"));
}

int try_pair(jsv_probe& probe) {
    constexpr const char* kName = "veth pair";
    int code = enter_new_network();
    if (code == 0) code = make_veth_pair("probe0", "probe1");
    for (const char* end : {"probe0", "probe1"}) {
        if (code == 0) code = raise_interface(end);
    }
    return jsv::report(probe, code == 0, kName,
                       code == 0 ? ""
                                 : blocker(code,
                                           "the kernel lacks veth; modprobe veth, or use "
                                           "modes none, loopback and host"));
}

/// The functions of libnftables that the supervisor uses too (libnftables(3)).
struct Library {
    nft_ctx* (*make)(std::uint32_t flags) = nullptr;
    int (*buffer_error)(nft_ctx*) = nullptr;
    int (*run)(nft_ctx*, const char* commands) = nullptr;
    const char* (*error)(nft_ctx*) = nullptr;

    bool load() {
        void* file = ::dlopen("libnftables.so.1", RTLD_NOW | RTLD_LOCAL);
        return file != nullptr && find(file, "nft_ctx_new", make) &&
               find(file, "nft_ctx_buffer_error", buffer_error) &&
               find(file, "nft_run_cmd_from_buffer", run) &&
               find(file, "nft_ctx_get_error_buffer", error);
    }
    template <typename Function>
    static bool find(void* file, const char* name, Function*& function) {
        function = reinterpret_cast<Function*>(::dlsym(file, name));
        return function != nullptr;
    }
};

int try_rules(jsv_probe& probe) {
    constexpr const char* kName = "nftables rules";
    Library nft;
    if (!nft.load()) {
        return jsv::report(probe, 0, kName,
                           "libnftables.so.1 is missing, for mode private; install libnftables1");
    }
    if (const int code = enter_new_network(); code != 0) {
        return jsv::report(probe, 0, kName, blocker(code, "the kernel lacks CONFIG_NET_NS"));
    }
    nft_ctx* context = nft.make(0);
    if (context == nullptr || nft.buffer_error(context) != 0) {
        return jsv::report(probe, 0, kName, "libnftables: no memory");
    }
    errno = 0;
    if (nft.run(context, kRules) == 0) return jsv::report(probe, 1, kName, "");
    const int code = errno;
    const std::string said = nft.error(context);
    return jsv::report(probe, 0, kName,
                       code != 0 ? blocker(code,
                                           "the kernel lacks part of nf_tables (inet, nat, "
                                           "fib, ct, reject); modprobe them")
                                 : said.substr(0, said.find('\n')));
}

}  // namespace

int doctor(std::size_t i, jsv_probe* probe) {
    constexpr int (*kProbes[])(jsv_probe&) = {try_loopback, try_pair, try_rules};
    if (i >= std::size(kProbes)) return -ENOENT;
    return kProbes[i](*probe);
}

}  // namespace jailsvc::network
