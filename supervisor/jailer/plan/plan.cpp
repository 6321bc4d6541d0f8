#include "jailer/plan/plan.hpp"

#include <sched.h>

#include <map>

namespace jailsvc::jailer {
namespace {

constexpr std::string_view kDefaultPath =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

}  // namespace

std::uint64_t Plan::namespace_flags() const {
    std::uint64_t flags = 0;
    for (const Op& op : ops) {
        if (op.kind == JSV_OP_NAMESPACE) flags |= op.number[0];
        if (op.kind == JSV_OP_NETWORK || op.kind == JSV_OP_NETWORK_JOIN) flags |= CLONE_NEWNET;
    }
    return flags;
}

std::vector<std::string> collect_environment(const Plan& plan) {
    std::map<std::string_view, std::string_view> values{{"PATH", kDefaultPath}};
    for (const bool core : {false, true}) {
        for (const Op& op : plan.ops) {
            if (op.kind != JSV_OP_ENVIRONMENT || (op.plugin == "core") != core) continue;
            values[op.text[0]] = op.text[1];
        }
    }
    values["JAILSVC_UNIT"] = plan.unit;

    std::vector<std::string> environment;
    environment.reserve(values.size());
    for (const auto& [name, value] : values) {
        environment.push_back(std::string(name) + "=" + std::string(value));
    }
    return environment;
}

}  // namespace jailsvc::jailer
