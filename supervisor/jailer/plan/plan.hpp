#pragma once

#include <jailsvc_plugin.h>

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.hpp"
#include "base/result.hpp"

namespace jailsvc::jailer {

/// One operation of a plan, owning its strings; see jsv_op for what the fields mean per kind.
struct Op {
    jsv_kind kind{};
    jsv_stage stage{};
    std::uint32_t flags = 0;
    std::array<std::uint64_t, 3> number{};
    std::array<std::string, 2> text;
    std::string blob;
    std::string plugin;     ///< "core" for what the core adds itself
    bool optional = false;  ///< the unit allows this one not to hold; status then says so

    bool operator==(const Op&) const = default;
};

/// What the interpreter does for one start of one unit: operations in the order of application.
struct Plan {
    std::string unit;
    Digest digest{};  ///< of the effective unit it was made from
    std::vector<Op> ops;
    /// "NAME=VALUE", sorted, complete: follows from `unit` and the environment operations, see
    /// collect_environment.
    std::vector<std::string> environment;

    /// CLONE_NEW* of all operations that give the jail a namespace of its own.
    [[nodiscard]] std::uint64_t namespace_flags() const;
};

/// How a kind is called and what its fields are, for printing, checking and errors.
struct KindInfo {
    jsv_kind kind;
    jsv_stage stage;
    std::string_view name;                 ///< "bind"
    std::array<std::string_view, 2> text;  ///< field names; empty: unused
    std::array<std::string_view, 3> number;
    unsigned paths;  ///< so many of the texts, from the first, are paths
};

/// nullptr for an unknown kind.
[[nodiscard]] const KindInfo* find_kind(unsigned kind);
[[nodiscard]] std::string_view stage_name(jsv_stage stage);

/// The program's whole environment: PATH and JAILSVC_UNIT, what plugins set, over that what the
/// unit sets (operations of "core"). JAILSVC_UNIT cannot be replaced.
[[nodiscard]] std::vector<std::string> collect_environment(const Plan& plan);

/// One line for people: "mounts  bind  source=/srv target=/data ro  (chroot)".
[[nodiscard]] std::string to_line(const Op& op);

/// The plan as JSON for `jailsvc plan --json`.
[[nodiscard]] std::string to_json(const Plan& plan, const std::vector<std::string>& sockets = {});

/// Flat bytes for the way from the plan worker to the jailer. Reading back checks every length and
/// kind and puts the plan through check_plan: the worker ran plugin code on hostile input. The
/// environment is not carried but collected anew.
[[nodiscard]] std::string serialise(const Plan& plan);
[[nodiscard]] Result<Plan> deserialise(std::string_view bytes);

}  // namespace jailsvc::jailer
