#include "paths.hpp"

#include <utility>

namespace jailsvc::chroot {

bool is_within(std::string_view path, std::string_view folder) {
    if (folder == "/" || path == folder) return true;
    return path.starts_with(folder) && path[folder.size()] == '/';
}

std::string absolute_path(jsv::Planner& plan, const char* name, std::string text) {
    if (text == "/") return text;
    if (text.ends_with('/')) text.pop_back();
    if (text.size() < 2 || text.front() != '/' ||
        !jsv::is_plain(std::string_view(text).substr(1))) {
        plan.fail(name, "\"" + text +
                            "\" is no absolute path; write one that begins with / and "
                            "has no \"..\", \".\" or \"//\" in it");
    }
    return text;
}

Strings list_or(jsv::Planner& plan, const char* name, Strings fallback) {
    return plan.list(name).value_or(std::move(fallback));
}

}  // namespace jailsvc::chroot
