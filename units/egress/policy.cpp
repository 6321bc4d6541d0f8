#include "egress/policy.hpp"

#include <fmt/format.h>

#include <cstdio>

#include "base/sys.hpp"

namespace jailsvc::egress {
namespace {

constexpr std::size_t kMaxFile = 1U << 20;

}  // namespace

Result<Policy> parse_policy(std::string_view text) {
    Policy policy;
    for (std::size_t number = 1; !text.empty(); ++number) {
        const auto end = text.find('\n');
        if (end == std::string_view::npos) return fail("ends within a line");
        const std::string_view line = text.substr(0, end);
        text.remove_prefix(end + 1);
        const auto space = line.find(' ');
        const std::string_view word = line.substr(0, space);
        const std::string_view rest = space == std::string_view::npos ? "" : line.substr(space + 1);
        if (word == "unit" && policy.unit.empty()) {
            policy.unit = rest;
        } else if (word == "allow") {
            auto added = policy.allowed.add(rest);
            if (!added) {
                return fail_in(fmt::format("line {}: {}", number, rest), std::move(added).error());
            }
        } else {
            return fail(fmt::format("line {}: not understood", number));
        }
    }
    if (policy.unit.empty()) return fail("names no unit");
    return policy;
}

void PolicyFile::load() {
    const auto text = sys::read_file(path_, kMaxFile);
    auto parsed = text ? parse_policy(*text) : Result<Policy>(std::unexpected(text.error()));
    if (parsed) {
        policy_ = std::make_shared<const Policy>(std::move(*parsed));
        return;
    }
    policy_ = nullptr;
    fmt::print(stderr, "egress: nothing is allowed: {}: {}\n", path_, parsed.error().message);
}

std::shared_ptr<const Policy> PolicyFile::current() {
    struct stat info{};
    const bool there = ::stat(path_.c_str(), &info) == 0;
    const Stamp now = there ? Stamp{info.st_ino, info.st_ctim, info.st_size} : Stamp{};
    const bool same = stamp_ && stamp_->inode == now.inode && stamp_->size == now.size &&
                      stamp_->changed.tv_sec == now.changed.tv_sec &&
                      stamp_->changed.tv_nsec == now.changed.tv_nsec;
    if (!same) {
        stamp_ = now;
        load();
    }
    return policy_;
}

}  // namespace jailsvc::egress
