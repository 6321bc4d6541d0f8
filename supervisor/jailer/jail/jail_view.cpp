#include "jailer/jail/jail_view.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include "base/sys.hpp"
#include "jailer/jail/failure.hpp"

namespace jailsvc::jailer {

Jailed<struct statx> status_of(std::uint32_t op, int dir, const std::string& path, int flags) {
    struct statx status{};
    if (::statx(dir, path.c_str(), flags, STATX_BASIC_STATS | STATX_MNT_ID, &status) == -1) {
        return std::unexpected(failed(op, path, errno));
    }
    return status;
}

Jailed<JailView> JailView::open(pid_t stub) {
    const std::string directory = fmt::format("/proc/{}", stub);
    auto root = sys::open(directory + "/root", O_PATH | O_DIRECTORY);
    if (!root) return std::unexpected(failed(kStepPivot, directory + "/root", root.error().code));
    auto text = sys::read_file(directory + "/mountinfo", 16U << 20);
    if (!text) return std::unexpected(failed(kStepPivot, "mountinfo", text.error().code));
    auto table = MountTable::parse(*text);
    if (!table) return std::unexpected(not_held(kStepPivot, table.error().message));
    const auto status = status_of(kStepPivot, root->get(), "", AT_EMPTY_PATH);
    if (!status) return std::unexpected(status.error());
    return JailView(stub, std::move(*root), status->stx_mnt_id, std::move(*table));
}

Jailed<Place> JailView::find(std::uint32_t op, const std::string& path) const {
    Place place;
    auto fd = sys::open_beneath(root_.get(), path, O_PATH, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
    if (!fd && (fd.error().code == ENOENT || fd.error().code == ENOTDIR)) return place;
    if (!fd) return std::unexpected(failed(op, path, fd.error().code));
    auto status = status_of(op, fd->get(), "", AT_EMPTY_PATH);
    if (!status) return std::unexpected(std::move(status).error());
    place.fd = std::move(*fd);
    place.status = *status;
    place.mount = table_.find(status->stx_mnt_id);
    return place;
}

}  // namespace jailsvc::jailer
