#include "jailer/loop/discard_job.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/sys.hpp"
#include "config/checks.hpp"
#include "config/effective.hpp"
#include "config/overlay.hpp"
#include "config/trusted_dir.hpp"

namespace jailsvc::jailer {
namespace {

/// The engine may be in a stranger's hands: what an administrator has put there stays.
bool is_job(const config::TrustedDir& dir, const std::string& file, const config::Schema& schema) {
    auto text = dir.read(file);
    if (!text) return false;
    config::Reporter reporter;
    const config::SourceText source{dir.path_of(file), std::move(*text)};
    const auto document = config::parse_document(source, schema, reporter);
    return document && document->find("job", "keep") != nullptr;
}

}  // namespace

void discard_job(const config::Sources& sources, const config::Schema& schema,
                 const std::string& unit) {
    if (!config::is_unit_name(unit)) return;
    const std::string& root = sources.unit_dirs.front();
    const auto dir = config::TrustedDir::open(root, config::Trust::kRootOnly);
    const std::string file = unit + ".toml";
    if (!dir || !is_job(*dir, file, schema)) return;
    const std::string path = dir->path_of(file);
    // Below a directory that root alone can write to.
    if (::unlink(path.c_str()) == -1 && errno != ENOENT) {
        return spdlog::error("{}: {}: {}", unit, path, std::strerror(errno));
    }
    const std::string drop_ins = path + ".d";
    (void)::unlink(fmt::format("{}/{}", drop_ins, config::kOverlayFile).c_str());
    (void)::rmdir(drop_ins.c_str());
}

}  // namespace jailsvc::jailer
