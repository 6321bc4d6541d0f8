#include "jailer/plan/plan_core.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <map>

#include "base/sys.hpp"
#include "config/environment_files.hpp"
#include "jailer/plan/plan_check.hpp"
#include "jailer/plugin/trusted_file.hpp"

namespace jailsvc::jailer {
namespace {

constexpr std::size_t kMaxEnvironmentFile = 1U << 20;  ///< [bytes]
constexpr std::string_view kBlanks = " \t\r";

struct Variable {
    std::string value;
    /// Not from the unit, which everybody may see: from a file or the supervisor's own environment,
    /// either of which root alone may read. What shows a plan leaves such values out.
    bool secret = true;
};
using Variables = std::map<std::string, Variable>;

Op core_op(jsv_kind kind) {
    Op op;
    op.kind = kind;
    op.stage = find_kind(kind)->stage;
    op.plugin = "core";
    return op;
}

Op number_op(jsv_kind kind, std::int64_t value) {
    Op op = core_op(kind);
    op.number[0] = static_cast<std::uint64_t>(value);
    return op;
}

std::string_view trimmed(std::string_view text) {
    const std::size_t first = text.find_first_not_of(kBlanks);
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

/// One pair of quotes around a value is not part of it.
std::string_view unquoted(std::string_view text) {
    const bool quoted = text.size() >= 2 && text.front() == text.back() &&
                        (text.front() == '"' || text.front() == '\'');
    return quoted ? text.substr(1, text.size() - 2) : text;
}

/// NAME=VALUE lines; empty ones and those that begin with '#' or ';' are passed over.
Result<void> read_lines(const std::string& path, std::string_view content, Variables& variables) {
    for (std::size_t number = 1; !content.empty(); ++number) {
        const std::size_t end = content.find('\n');
        const std::string_view line = trimmed(content.substr(0, end));
        content = end == std::string_view::npos ? std::string_view() : content.substr(end + 1);
        if (line.empty() || line.front() == '#' || line.front() == ';') continue;
        const std::size_t equals = line.find('=');
        if (equals == std::string_view::npos || equals == 0) {
            return fail(fmt::format("{}:{}: no NAME=VALUE", path, number));
        }
        variables[std::string(trimmed(line.substr(0, equals)))] = {
            .value = std::string(unquoted(trimmed(line.substr(equals + 1))))};
    }
    return {};
}

/// Whether the file is still the one that the unit was loaded with.
Result<void> check_stamp(int fd, const std::string& path, const config::EnvironmentTable& table) {
    const auto known = table.stamps.find(path);
    // A unit kept since an earlier start knows no stamps: its file may have been edited since.
    if (known == table.stamps.end()) return {};
    struct stat info{};
    if (::fstat(fd, &info) == -1) return fail_errno(path);
    if (config::stamp_of(info) == known->second) return {};
    return fail(path + ": has changed; run jailsvc daemon-reload first", ESTALE);
}

Result<void> read_environment_file(const std::string& path, const config::EnvironmentTable& table,
                                   Variables& variables) {
    TRY(const Fd fd, open_trusted_file(AT_FDCWD, path, path));
    TRY_VOID(check_stamp(fd.get(), path, table));
    auto content = sys::read_fd(fd.get(), kMaxEnvironmentFile);
    if (!content) return fail_in(path, std::move(content).error());
    return read_lines(path, *content, variables);
}

Result<Variables> unit_environment(const config::EnvironmentTable& table) {
    Variables variables;
    for (const std::string& name : table.pass) {
        if (const char* value = std::getenv(name.c_str()); value != nullptr) {
            variables[name] = {.value = value};
        }
    }
    for (const auto& [name, value] : table.set) {
        variables[name] = {.value = value, .secret = false};
    }
    for (const std::string& path : table.file) {
        auto read = read_environment_file(path, table, variables);
        if (!read) return fail_in("environment.file", std::move(read).error());
    }
    return variables;
}

}  // namespace

Result<std::vector<Op>> core_operations(const config::Unit& unit) {
    std::vector<Op> ops{core_op(JSV_OP_SESSION)};
    if (unit.service.nice) ops.push_back(number_op(JSV_OP_NICE, *unit.service.nice));
    if (unit.service.oom_score_adjust) {
        ops.push_back(number_op(JSV_OP_OOM_SCORE, *unit.service.oom_score_adjust));
    }
    if (!unit.service.working_directory.empty()) {
        ops.push_back(core_op(JSV_OP_CHDIR));
        ops.back().text[0] = unit.service.working_directory;
    }
    TRY(const Variables variables, unit_environment(*unit.environment));
    for (const auto& [name, variable] : variables) {
        ops.push_back(core_op(JSV_OP_ENVIRONMENT));
        ops.back().text = {name, variable.value};
        ops.back().flags = variable.secret ? JSV_ENV_SECRET : 0;
    }
    for (const Op& op : ops) TRY_VOID(check_op(op));
    return ops;
}

}  // namespace jailsvc::jailer
