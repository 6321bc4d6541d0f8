#include "engine/boot_marks.hpp"

#include <dirent.h>

#include <memory>

#include "config/names.hpp"

namespace jailsvc::engine {
namespace {

constexpr std::string_view kStarted = ".started";
constexpr std::string_view kStopped = ".stopped";

struct CloseDirectory {
    void operator()(DIR* directory) const { ::closedir(directory); }
};

}  // namespace

BootMarks::BootMarks(const std::string& directory, Link& jailer) : jailer_(jailer) {
    const std::unique_ptr<DIR, CloseDirectory> open(::opendir(directory.c_str()));
    if (open == nullptr) return;  // nothing was ever asked
    while (const dirent* entry = ::readdir(open.get())) {
        std::string_view name = entry->d_name;
        const bool stopped = name.ends_with(kStopped);
        if (!stopped && !name.ends_with(kStarted)) continue;
        name.remove_suffix(stopped ? kStopped.size() : kStarted.size());
        if (!config::is_unit_name(name)) continue;
        marks_.insert_or_assign(std::string(name),
                                stopped ? ipc::Asked::kStop : ipc::Asked::kStart);
    }
}

void BootMarks::set(const std::string& unit, ipc::Asked asked) {
    if (of(unit) == asked) return;
    if (asked == ipc::Asked::kNothing) {
        marks_.erase(unit);
    } else {
        marks_.insert_or_assign(unit, asked);
    }
    auto remember = ipc::make<ipc::Remember>();
    remember.asked = asked;
    ipc::set_text(remember.unit, unit);
    jailer_.send(remember);
}

ipc::Asked BootMarks::of(std::string_view unit) const {
    const auto at = marks_.find(unit);
    return at == marks_.end() ? ipc::Asked::kNothing : at->second;
}

std::vector<std::string> BootMarks::units(ipc::Asked asked) const {
    std::vector<std::string> names;
    for (const auto& [unit, mark] : marks_) {
        if (mark == asked) names.push_back(unit);
    }
    return names;
}

}  // namespace jailsvc::engine
