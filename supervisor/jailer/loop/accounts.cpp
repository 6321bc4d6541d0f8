#include "jailer/loop/accounts.hpp"

#include <array>
#include <charconv>
#include <optional>
#include <string_view>

#include "base/privilege.hpp"
#include "base/sys.hpp"

namespace jailsvc::jailer {
namespace {

constexpr std::size_t kMaxAccounts = 64U << 20;  ///< size of such a file [bytes]

/// uids 62996 (commands of credentials), 62997 (plan workers), the logger's and the engine's.
constexpr IdSpan kOurOwn{62996, 4};
static_assert(kOurOwn.overlaps({kEngineUid, 1}) && kOurOwn.overlaps({kLoggerUid, 1}));

std::optional<std::uint64_t> number(std::string_view text) {
    std::uint64_t value = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) {
        return std::nullopt;
    }
    return value;
}

using Fields = std::array<std::string_view, 3>;

/// The first three of a line's fields, which colons divide.
Fields split(std::string_view line) {
    Fields fields;
    for (std::string_view& field : fields) {
        const std::size_t colon = line.find(':');
        field = line.substr(0, colon);
        line.remove_prefix(colon == std::string_view::npos ? line.size() : colon + 1);
    }
    return fields;
}

template <typename Matches>
Result<bool> any_line(const std::string& file, const Matches& matches) {
    const auto text = sys::read_file(file, kMaxAccounts);
    if (!text && text.error().code == ENOENT) return false;
    if (!text) return std::unexpected(text.error());
    std::string_view rest = *text;
    while (!rest.empty()) {
        const std::size_t end = rest.find('\n');
        if (matches(split(rest.substr(0, end)))) return true;
        rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    }
    return false;
}

}  // namespace

Result<bool> lists_id(const std::string& file, const IdSpan& ids) {
    return any_line(file, [&](const Fields& fields) {  // name:password:number:…
        const auto id = number(fields[2]);
        return id && ids.overlaps({*id, 1});
    });
}

Result<bool> lists_range(const std::string& file, const IdSpan& ids) {
    return any_line(file, [&](const Fields& fields) {  // name:first:count
        const auto first = number(fields[1]);
        const auto count = number(fields[2]);
        return first && count && *first <= UINT32_MAX && *count <= UINT32_MAX &&
               ids.overlaps({*first, *count});
    });
}

Result<bool> ids_in_use(const IdSpan& ids, const std::string& directory) {
    if (ids.overlaps(kOurOwn)) return true;
    for (const char* file : {"/passwd", "/group"}) {
        TRY(const bool listed, lists_id(directory + file, ids));
        if (listed) return true;
    }
    for (const char* file : {"/subuid", "/subgid"}) {
        TRY(const bool listed, lists_range(directory + file, ids));
        if (listed) return true;
    }
    return false;
}

bool is_our_own_id(std::uint32_t id) {
    return kOurOwn.overlaps({id, 1});
}

}  // namespace jailsvc::jailer
