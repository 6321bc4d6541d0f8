#include "boot/options.hpp"

#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <iterator>
#include <string_view>

#include "pid1/log.hpp"

namespace jailsvc::boot {
namespace {

using pid1::log;

constexpr char kHelp[] =
    "usage: jailsvc-init [--config DIR] [--state DIR] [--plugins DIR] [--quiet]\n"
    "Starts and keeps the supervisor: as PID 1, under another init, or as a container's "
    "entrypoint.\n"
    "  --config DIR   units in DIR/units, profiles in DIR/profiles\n"
    "  --state DIR    everything that is written, below DIR (default: /run, /var/lib, /var/log)\n"
    "  --plugins DIR  plugins from DIR\n"
    "  --quiet        warnings and errors only\n"
    "  --help, --version\n"
    "End it with SIGTERM; a second one hurries.\n";

int print(const char* text) noexcept {
    return ::write(STDOUT_FILENO, text, std::strlen(text)) < 0 ? 1 : 0;
}

int refuse(const char* option, const char* why) noexcept {
    constexpr int kUsage = 2;
    log("%s: %s", option, why);
    return kUsage;
}

}  // namespace

int read_options(int argc, char** argv, Options& options) noexcept {
    std::strcpy(options.run, "/run/jailsvc");
    std::size_t& count = options.count;
    count = pid1::kRoleArgument + 1;
    for (int i = 1; i < argc; ++i) {
        const char* option = argv[i];
        char* value = std::strchr(argv[i], '=');
        if (value != nullptr) *value++ = '\0';  // "--state=DIR" is "--state DIR"
        const std::string_view name = option;
        if (name == "--help") return print(kHelp);
        if (name == "--version") return print("jailsvc-init " JAILSVC_VERSION "\n");
        const bool flag = name == "--quiet";
        if (!flag && name != "--config" && name != "--state" && name != "--plugins") {
            return refuse(option, "unknown option; --help lists what there is");
        }
        if (count + 5 > std::size(options.arguments)) return refuse(option, "give each once");
        options.arguments[count++] = argv[i];
        if (flag && value != nullptr) return refuse(option, "takes no value");
        if (flag) continue;
        char* path = value != nullptr ? value : argv[++i];  // the last one is followed by a null
        if (path == nullptr || *path != '/') return refuse(option, "give an absolute path");
        options.arguments[count++] = path;
        if (name == "--config") options.config = path;
        if (name != "--state") continue;
        const int size = std::snprintf(options.run, sizeof options.run, "%s/run", path);
        // RUN/control must fit a socket's name (unix(7): 108 bytes).
        if (size >= static_cast<int>(sizeof options.run)) return refuse(path, "use a shorter path");
    }
    return -1;
}

}  // namespace jailsvc::boot
