#include "jailer/loop/uids.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <sstream>

#include "base/sys.hpp"
#include "config/load.hpp"
#include "jailer/loop/accounts.hpp"

namespace jailsvc::jailer {
namespace {

constexpr std::size_t kMaxFile = 8U << 20;

}  // namespace

Uids::Uids(std::string file, Range range, InUse in_use)
    : file_(std::move(file)), range_(range), in_use_(std::move(in_use)), next_(range.first) {}

Result<Uids> Uids::open(std::string file) {
    TRY(Uids uids, open(std::move(file), Range{}, [](uid_t uid) { return ids_in_use({uid, 1}); }));
    for (const auto& [unit, uid] : uids.by_unit_) {
        if (!is_our_own_id(uid)) continue;
        return fail(
            fmt::format("{}: uid {} of unit {} is one of the supervisor's own; remove the "
                        "line, and give the unit's files to root",
                        uids.file_, uid, unit));
    }
    return uids;
}

Result<Uids> Uids::open(std::string file, Range range, InUse in_use) {
    Uids uids(std::move(file), range, std::move(in_use));
    auto text = sys::read_file(uids.file_, kMaxFile);
    if (!text && text.error().code == ENOENT) return uids;
    if (!text) return std::unexpected(std::move(text).error());
    TRY_VOID(uids.parse(*text));
    return uids;
}

Result<void> Uids::parse(const std::string& text) {
    std::istringstream lines(text);
    std::size_t number = 0;
    for (std::string line; std::getline(lines, line);) {
        ++number;
        const auto space = line.find(' ');
        const std::string unit = line.substr(0, space);
        uid_t uid = 0;
        const char* end = line.data() + line.size();
        const bool split = space != std::string::npos;
        const auto parsed = split ? std::from_chars(line.data() + space + 1, end, uid)
                                  : std::from_chars_result{end, std::errc::invalid_argument};
        if (parsed.ec != std::errc() || parsed.ptr != end || !config::is_unit_name(unit)) {
            return fail(
                fmt::format("{}:{}: expected \"UNIT UID\"; restore the file, or remove it "
                            "if no unit has files of its own",
                            file_, number));
        }
        if (auto added = add(unit, uid); !added) {
            return fail(fmt::format("{}:{}: {}", file_, number, added.error().message));
        }
    }
    return {};
}

Result<void> Uids::add(const std::string& unit, uid_t uid) {
    if (by_unit_.contains(unit)) return fail(fmt::format("unit {} is listed twice", unit));
    const auto place = std::ranges::lower_bound(taken_, uid);
    if (place != taken_.end() && *place == uid) {
        return fail(fmt::format("uid {} is listed twice", uid));
    }
    taken_.insert(place, uid);
    by_unit_.try_emplace(unit, uid);
    if (uid >= next_ && uid < range_.last) next_ = uid + 1;
    return {};
}

/// The next free uid, in memory only.
Result<void> Uids::give(const std::string& unit) {
    const uid_t count = range_.last - range_.first + 1;
    for (uid_t tried = 0; tried < count; ++tried) {
        const uid_t uid = range_.first + (next_ - range_.first + tried) % count;
        if (std::ranges::binary_search(taken_, uid)) continue;
        TRY(const bool in_use, in_use_(uid));
        if (!in_use) return add(unit, uid);
    }
    return fail(fmt::format("all dynamic uids {}-{} are taken; give units a fixed "
                            "[jail.identity] user, or remove units' lines from {}",
                            range_.first, range_.last, file_),
                EUSERS);
}

Result<void> Uids::allocate(const std::vector<std::string>& units) {
    const uid_t former_next = next_;
    std::vector<std::string> given;
    Result<void> done;
    for (const std::string& unit : units) {
        if (has(unit)) continue;
        done = give(unit);
        if (!done) break;
        given.push_back(unit);
    }
    if (done && !given.empty()) done = save();
    if (done) return {};
    for (const std::string& unit : given) {  // not on disk, so not given
        taken_.erase(std::ranges::lower_bound(taken_, by_unit_[unit]));
        by_unit_.erase(unit);
    }
    next_ = former_next;
    return done;
}

Result<uid_t> Uids::allocate(const std::string& unit) {
    TRY_VOID(allocate(std::vector{unit}));
    return by_unit_[unit];
}

std::vector<std::string> Uids::units() const {
    std::vector<std::string> names;
    for (const auto& [unit, uid] : by_unit_) names.push_back(unit);
    return names;
}

Result<void> Uids::save() const {
    std::string text;
    for (const auto& [unit, uid] : by_unit_) text += fmt::format("{} {}\n", unit, uid);
    return sys::replace_file(file_, text, 0600);
}

}  // namespace jailsvc::jailer
