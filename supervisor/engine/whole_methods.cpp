#include "engine/whole_methods.hpp"

#include <fmt/format.h>
#include <jailsvc_plugin.h>
#include <unistd.h>

#include <string>

#include "control/varlink.hpp"
#include "engine/procfs.hpp"

namespace jailsvc::engine::methods {

void daemon_reload(const Parts& parts, Request& request) {
    const ReloadReport report = parts.elsewhere.reload();
    answer(request.client, {.parameters = {{"added", report.added},
                                           {"changed", report.changed},
                                           {"removed", report.removed},
                                           {"stale", report.stale},
                                           {"errors", report.errors},
                                           {"warnings", report.warnings}}});
}

void version(const Parts& /*parts*/, Request& request) {
    answer(request.client,
           {.parameters = {{"version", JAILSVC_VERSION},
                           {"abi", fmt::format("{}.{}", JSV_ABI_MAJOR, JSV_ABI_MINOR)},
                           {"pid", ::getppid()},
                           {"processes", supervisor_processes()}}});
}

void shutdown(const Parts& parts, Request& request) {
    const auto kind = request.parameters.find("kind");
    if (kind == request.parameters.end() || !kind->is_string() ||
        !parts.elsewhere.shutdown(kind->get_ref<const std::string&>())) {
        return answer(request.client, control::invalid_parameter("kind"));
    }
    answer(request.client, {});
}

}  // namespace jailsvc::engine::methods
