#include "verify/weaknesses.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "config/jail_view.hpp"
#include "config/names.hpp"

namespace jailsvc::verify {
namespace {

/// With one of these and the host's uid 0 a service reaches what its jail keeps from it: mounts,
/// other processes, the kernel's memory, every file. See capabilities(7) and docs/SECURITY.md.
constexpr std::string_view kAlmighty[] = {
    "all", "sys_admin", "sys_ptrace", "sys_module", "sys_rawio", "dac_read_search", "bpf"};

bool is_root(const config::Unit& unit) {
    const auto view = config::JailView::open(unit, "jail.identity");
    if (!view || view->get_bool("dynamic_user").value_or(false)) return false;
    const std::string user = view->get_string("user").value_or("");
    return user == "root" || user == "0";
}

bool has_user_namespace(const config::Unit& unit) {
    const auto view = config::JailView::open(unit, "jail.namespaces");
    return view && view->get_bool("user").value_or(false);
}

std::vector<std::string> almighty_of(const config::Unit& unit) {
    const auto view = config::JailView::open(unit, "jail.identity");
    std::vector<std::string> found;
    if (!view) return found;
    for (const std::string& written :
         view->get_list("capabilities").value_or(std::vector<std::string>{})) {
        const std::string name = config::plain_capability(written);
        if (std::ranges::find(kAlmighty, name) != std::end(kAlmighty)) found.push_back(written);
    }
    return found;
}

}  // namespace

config::Diagnostics find_weaknesses(const config::Unit& unit, const config::JailPlaces& places,
                                    const std::string& file) {
    // Profile "host" says of itself that there is no jail.
    if (unit.jail.profile == "host" || !is_root(unit) || has_user_namespace(unit)) return {};
    const auto almighty = almighty_of(unit);
    if (almighty.empty()) return {};
    config::Diagnostic found{.file = file};
    const auto place = places.find("jail.identity.capabilities");
    if (place != places.end()) found = place->second;
    found.message = fmt::format(
        "[jail.identity] capabilities: root with {} is not jailed in any useful sense; give it a "
        "user namespace ([jail.namespaces] user = true), another user, or say profile = \"host\"",
        almighty.front());
    return {std::move(found)};
}

}  // namespace jailsvc::verify
