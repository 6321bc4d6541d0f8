#include "jailer/loop/remember_asked.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/sys.hpp"
#include "config/unit_files.hpp"
#include "ipc/channel.hpp"

namespace jailsvc::jailer {
namespace {

Result<void> write_mark(const std::string& directory, const std::string& name) {
    TRY_VOID(sys::make_directories(directory));
    const std::string path = directory + "/" + name;
    const Fd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644));
    if (!file) return fail_errno(path);
    return {};
}

/// The mark that stood for another answer goes after the new one is there, so that a machine that
/// loses its power has one of the two.
void replace_mark(const std::string& directory, const std::string& name, const std::string& other) {
    if (!name.empty()) {
        if (const auto written = write_mark(directory, name); !written) {
            return spdlog::error("what was asked is not kept for the next boot: {}",
                                 written.error().message);
        }
    }
    (void)::unlink(fmt::format("{}/{}", directory, other).c_str());
}

}  // namespace

void remember_asked(const Places& places, const config::Sources& sources,
                    const ipc::Remember& request) {
    const std::string unit(ipc::get_text(request.unit));
    if (!config::is_unit_name(unit)) return;
    const std::string started = unit + ".started";
    const std::string stopped = unit + ".stopped";
    const config::UnitFiles files(sources, config::UnitFiles::Look::kByName);
    const bool is_unit = files.has_unit(unit);
    if (is_unit && request.asked == ipc::Asked::kStart) {
        return replace_mark(places.asked(), started, stopped);
    }
    if (is_unit && request.asked == ipc::Asked::kStop) {
        return replace_mark(places.asked(), stopped, started);
    }
    replace_mark(places.asked(), {}, started);
    replace_mark(places.asked(), {}, stopped);
}

}  // namespace jailsvc::jailer
