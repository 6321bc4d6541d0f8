#include "config/condition_keys.hpp"

#include <algorithm>
#include <functional>

#include "base/capability_names.hpp"
#include "config/checks.hpp"
#include "config/core_rows.hpp"
#include "config/names.hpp"
#include "config/nearest.hpp"

namespace jailsvc::config {
namespace {

constexpr std::size_t kMaxValues = 64;

/// Every value, without its marks, is one that `good` takes; else `what` is told of it.
template <typename Good>
Check every(Good good, const char* what) {
    return [good, what](const Value& value, const CheckContext& context) {
        const auto& list = std::get<TextList>(value.data);
        if (list.size() > kMaxValues) {
            context.complain(value.where, fmt::format("{} are the most", kMaxValues));
        }
        for (const Text& one : list) {
            if (good(parse_condition(one.text).text)) continue;
            context.complain(one.where, fmt::format("{} {}", shown(one.text), what));
        }
    };
}

bool is_word(std::string_view text) {
    return !text.empty() && text.find(' ') == std::string_view::npos;
}

Check paths() {
    return every([](std::string_view text) { return is_absolute_path(text); },
                 "is no absolute path without \"..\"");
}

Check words(const char* what) {
    return every(is_word, what);
}

Check machines() {
    constexpr std::string_view kNames[] = {"yes", "no", "vm", "container"};
    return every(
        [kNames](std::string_view text) {
            return std::ranges::find(kNames, text) != std::end(kNames);
        },
        "is none of \"yes\", \"no\", \"vm\" and \"container\"");
}

struct Row {
    const char* name;
    ConditionMember member;
    const char* doc;
    std::function<Check()> check;
};

const std::vector<Row>& rows() {
    using C = ConditionTable;
    static const std::vector<Row> kRows{
        {"path_exists", &C::path_exists, "There is something by that path.", paths},
        {"path_is_directory", &C::path_is_directory, "It is a directory.", paths},
        {"path_is_symbolic_link", &C::path_is_symbolic_link, "It is a symbolic link.", paths},
        {"path_is_mount_point", &C::path_is_mount_point, "Something is mounted there.", paths},
        {"path_is_read_write", &C::path_is_read_write,
         "It is on a file system that can be written.", paths},
        {"directory_not_empty", &C::directory_not_empty,
         "It is a directory, and something is in it.", paths},
        {"file_not_empty", &C::file_not_empty, "It is a regular file that is not empty.", paths},
        {"file_is_executable", &C::file_is_executable, "It is a regular file that may be executed.",
         paths},
        {"kernel_command_line", &C::kernel_command_line,
         "The kernel was started with that word, or with \"WORD=…\".",
         [] { return words("is no word of a kernel's command line"); }},
        {"virtualization", &C::virtualization,
         "\"vm\", \"container\"; \"yes\" for either, \"no\" for neither.", machines},
        {"architecture", &C::architecture,
         "The machine's, as uname(2) or systemd calls it: \"x86_64\", \"arm64\".",
         [] { return words("is no name of an architecture"); }},
        {"host", &C::host, "The host's name.", [] { return words("is no name of a host"); }},
        {"user", &C::user, "The user of the supervisor, by name or number.",
         [] { return words("is no user"); }},
        {"capability", &C::capability,
         "The supervisor may give that capability away: \"net_admin\" or \"CAP_NET_ADMIN\".",
         [] {
             return every([](std::string_view text) { return capability_number(text).has_value(); },
                          "is no name of a capability");
         }},
        {"environment", &C::environment,
         "The supervisor has that variable in its own environment, or \"NAME=VALUE\" exactly.",
         [] { return words("is no variable"); }},
    };
    return kRows;
}

constexpr Rows<ConditionTable, Rarely<ConditionTable>> condition{"unit.condition",
                                                                 &Unit::condition};
constexpr Rows<ConditionTable, Rarely<ConditionTable>> assertion{"unit.assert", &Unit::assertion};

}  // namespace

std::vector<CoreKey> condition_keys() {
    std::vector<CoreKey> keys;
    for (const auto& table : {condition, assertion}) {
        for (const Row& row : rows())
            keys.push_back(table(row.name, row.member, row.doc, row.check()));
    }
    return keys;
}

ConditionValue parse_condition(std::string_view written) {
    ConditionValue value;
    value.any = written.starts_with('|');
    if (value.any) written.remove_prefix(1);
    value.negated = written.starts_with('!');
    if (value.negated) written.remove_prefix(1);
    value.text = written;
    return value;
}

const std::vector<std::pair<std::string_view, ConditionMember>>& condition_members() {
    static const auto kMembers = [] {
        std::vector<std::pair<std::string_view, ConditionMember>> members;
        for (const Row& row : rows()) members.emplace_back(row.name, row.member);
        return members;
    }();
    return kMembers;
}

}  // namespace jailsvc::config
