#include "base/privilege.hpp"

#include <grp.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace jailsvc {
namespace {

Result<void> change_ids(uid_t id) {
    if (::setgroups(0, nullptr) == -1) return fail_errno("setgroups");
    if (::setresgid(id, id, id) == -1) return fail_errno("setresgid");
    if (::setresuid(id, id, id) == -1) return fail_errno("setresuid");
    return {};
}

Result<void> drop_capabilities() {
    // The bounding set first: dropping from it needs CAP_SETPCAP (capabilities(7)).
    for (int capability = 0; ::prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; ++capability) {
        if (::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == -1 && errno != EPERM) {
            return fail_errno("drop a capability from the bounding set");
        }
    }
    return {};
}

Result<void> empty_capability_sets() {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct none[2] = {};
    if (::syscall(SYS_capset, &header, none) == -1) return fail_errno("capset");
    return {};
}

}  // namespace

Result<void> drop_privileges(uid_t id) {
    TRY_VOID(drop_capabilities());
    if (::geteuid() == 0) TRY_VOID(change_ids(id));
    TRY_VOID(empty_capability_sets());
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1) return fail_errno("no_new_privs");
    // Nobody who shares the uid may read our memory or descriptors (ptrace(2)).
    if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == -1) return fail_errno("not dumpable");
    return {};
}

}  // namespace jailsvc
