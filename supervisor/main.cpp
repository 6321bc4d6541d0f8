// jailsvcd: the engine, the jailer and the logger, one program told apart by its first argument.
// Started by the keeper with its channel as descriptor ipc::kKeeperFd.

#include <sys/socket.h>

#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "base/places.hpp"
#include "doctor/doctor.hpp"
#include "engine/run.hpp"
#include "ipc/messages.hpp"
#include "jailer/run.hpp"
#include "logger/run.hpp"
#include "verify/installed.hpp"
#include "verify/transient.hpp"
#include "verify/verify.hpp"

namespace {

constexpr int kUsage = 2;

/// Whether the keeper has started us: nobody else has a packet socket as our descriptor 3.
bool has_keeper() {
    int type = 0;
    socklen_t size = sizeof type;
    return ::getsockopt(jailsvc::ipc::kKeeperFd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 &&
           type == SOCK_SEQPACKET;
}

int refuse_by_hand(std::string_view role) {
    std::fprintf(stderr,
                 "jailsvcd %.*s: is started by jailsvc-init, never by hand: run `jailsvc-init`, "
                 "which starts and keeps all of the supervisor\n",
                 static_cast<int>(role.size()), role.data());
    return kUsage;
}

int usage() {
    std::fputs(
        "usage: jailsvcd engine|jailer|logger [--config DIR] [--state DIR] [--plugins DIR]\n"
        "       jailsvcd verify [OPTIONS] FILE...\n"
        "       jailsvcd installed [OPTIONS] [NAME]...\n"
        "       jailsvcd explain [--json] [OPTIONS] [TABLE|TABLE.KEY|markdown|json-schema]...\n"
        "       jailsvcd creds [OPTIONS] encrypt|decrypt|list [--json] ARGUMENT...\n"
        "       jailsvcd doctor [OPTIONS] [--json] [--colour]\n"
        "The loops are started by jailsvc-init, never by hand.\n",
        stderr);
    return kUsage;
}

}  // namespace

int main(int argc, char** argv) {
    using namespace jailsvc;
    const std::vector<std::string> arguments(argv + 1, argv + argc);
    if (arguments.empty()) return usage();
    const std::string_view role = arguments.front();
    const std::vector<std::string> rest(arguments.begin() + 1, arguments.end());
    if (role == "verify") return verify::verify(rest);
    if (role == "installed") return verify::installed(rest);
    if (role == "transient") return verify::transient(rest);
    if (role == "explain") return jailer::explain(rest);
    if (role == "creds") return jailer::creds(rest);
    if (role == "doctor") return doctor::doctor(rest);

    const auto places = Places::from_arguments(rest);
    if (!places) {
        std::fprintf(stderr, "jailsvcd: %s\n", places.error().message.c_str());
        return kUsage;
    }
    const bool is_loop = role == "engine" || role == "jailer" || role == "logger";
    if (is_loop && !has_keeper()) return refuse_by_hand(role);
    if (role == "engine") return engine::run(*places);
    if (role == "jailer") return jailer::run(*places);
    if (role == "logger") return logger::run(*places);
    return usage();
}
