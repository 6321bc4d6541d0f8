#include "jailer/loop/fd_stores.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

#include "ipc/messages.hpp"

namespace jailsvc::jailer {
namespace {

constexpr std::size_t kMaxName = 255;

/// The engine checks names too, but faces clients: one must not become two variables, or two names.
bool is_name(std::string_view name) {
    return !name.empty() && name.size() <= kMaxName &&
           std::ranges::all_of(name, [](char c) { return c >= ' ' && c < 0x7f && c != ':'; });
}

}  // namespace

void FdStores::add(const std::string& unit, std::uint16_t index, Fd fd) {
    if (index < ipc::kMaxFdStore) stores_[unit].fds.insert_or_assign(index, std::move(fd));
}

/// In whichever order the two come: what is not listed is let go of when they are given.
void FdStores::name(const std::string& unit, std::string_view text) {
    if (text.empty()) return forget(unit);
    std::map<std::uint16_t, std::string> names;
    while (!text.empty()) {
        const std::string_view line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(text.size(), line.size() + 1));
        std::uint16_t index = 0;
        const auto [end, code] = std::from_chars(line.data(), line.data() + line.size(), index);
        const auto at = static_cast<std::size_t>(end - line.data());
        if (code != std::errc() || index >= ipc::kMaxFdStore || line.size() < at + 4) continue;
        if (is_name(line.substr(at + 3))) names.insert_or_assign(index, line.substr(at + 3));
    }
    stores_[unit].names = std::move(names);
}

void FdStores::give(const std::string& unit, Program& program, Environment& environment) {
    const auto found = stores_.find(unit);
    if (found == stores_.end()) return;
    Store& store = found->second;
    std::erase_if(store.fds, [&](const auto& item) { return !store.names.contains(item.first); });
    if (store.fds.empty()) return;
    std::string& names = environment["LISTEN_FDNAMES"];
    for (const auto& [index, fd] : store.fds) {
        program.passed.push_back(fd.get());
        if (!names.empty()) names += ':';
        names += store.names.at(index);
    }
    environment["LISTEN_FDS"] = std::to_string(program.passed.size());
    program.pid_variable = "LISTEN_PID";
}

}  // namespace jailsvc::jailer
