// cgroups: how much of the machine a service may use.
//
//   [jail.cgroups]
//   memory_max = "512M"         # beyond it the kernel ends a process of the service
//   memory_high = "400M"        # beyond it the service is slowed and made to give memory back (v2)
//   memory_swap_max = 0         # of that, in swap
//   oom_group = true            # out of memory ends the whole service
//   cpu_quota = "50%"           # of one processor; "200%" is two
//   cpu_weight = 100            # share when processors are short: 1 to 10000, others have 100
//   cpus = "0-3,6"              # the processors it may run on
//   tasks_max = 512             # processes and threads, the jail's init included
//   io_weight = 100             # share of disks: 1 to 10000, others have 100
//   io_max = { "/dev/sda" = "rbps=10M wiops=200" }
//
// An absent key is no limit. Operations name files of cgroup v2 and their values; the core finds
// out what the machine calls them. Sources: cgroups(7), the kernel's cgroup-v2.rst. Runs wholly in
// the [plan] phase; keeps no state.

#include <jailsvc_plugin.hpp>

#include "cpu.hpp"
#include "io.hpp"

namespace {

using jsv::key;
using jsv::Planner;

constexpr jsv_key kKeys[] = {
    key(JSV_BYTES, "memory_max", nullptr,
        "Memory of the whole service; beyond it the kernel ends one of its processes. 0: no "
        "limit."),
    key(JSV_BYTES, "memory_high", nullptr,
        "Memory beyond which the service is slowed down and has to give back; cgroup v2 only. 0: "
        "no "
        "limit."),
    key(JSV_BYTES, "memory_swap_max", nullptr,
        "Swap of the whole service; where cgroup v1 has the memory it needs memory_max too."),
    key(JSV_BOOL, "oom_group", "false",
        "When the kernel ends one process for want of memory, all of the service's are ended."),
    key(JSV_STRING, "cpu_quota", nullptr,
        "Processor time as a share of one processor: \"50%\", \"200%\" for two."),
    key(JSV_INTEGER, "cpu_weight", nullptr,
        "Share of the processors when they are short, 1 to 10000; a group without has 100."),
    key(JSV_STRING, "cpus", nullptr, "Processors the service may run on: \"0-3,6\"."),
    key(JSV_INTEGER, "tasks_max", nullptr,
        "Processes and threads of the whole service, the jail's init included. 0: no limit."),
    key(JSV_INTEGER, "io_weight", nullptr,
        "Share of the disks when they are busy, 1 to 10000; a group without has 100."),
    key(JSV_STRING_MAP, "io_max", nullptr,
        "Limits by block device, \"/dev/sda\" = \"rbps=10M wiops=200\": bytes (rbps, wbps) and "
        "operations (riops, wiops) per second."),
};

constexpr std::int64_t kMaxWeight = 10000;
constexpr std::int64_t kMaxTasks = 4194304;  // PID_MAX_LIMIT, linux/threads.h
/// The init of the jail is one of the tasks, and a program needs one besides.
constexpr std::int64_t kMinTasks = 2;

void add(Planner& plan, const char* name, const char* file, std::string value) {
    plan.add({.kind = JSV_OP_CGROUP, .key = name, .text = {file, std::move(value)}});
}

void add_size(Planner& plan, const char* name, const char* file, bool zero_is_none) {
    const auto bytes = plan.bytes(name);
    if (!bytes || (zero_is_none && *bytes == 0)) return;
    add(plan, name, file, std::to_string(*bytes));
}

void add_weight(Planner& plan, const char* name, const char* file) {
    const auto weight = plan.integer(name);
    if (!weight) return;
    if (*weight < 1 || *weight > kMaxWeight) {
        return plan.fail(name, std::to_string(*weight) + " is no weight; use 1 to 10000");
    }
    add(plan, name, file, std::to_string(*weight));
}

void add_memory(Planner& plan) {
    add_size(plan, "memory_max", "memory.max", true);
    add_size(plan, "memory_high", "memory.high", true);
    add_size(plan, "memory_swap_max", "memory.swap.max", false);
    if (plan.flag("oom_group").value_or(false)) add(plan, "oom_group", "memory.oom.group", "1");
}

void add_processors(Planner& plan) {
    if (const auto quota = plan.text("cpu_quota")) {
        const auto value = jailsvc::cgroups::cpu_max(*quota);
        if (!value) {
            return plan.fail("cpu_quota", "\"" + *quota +
                                              "\" is no share; write \"50%\", or \"200%\" for "
                                              "two processors");
        }
        add(plan, "cpu_quota", "cpu.max", *value);
    }
    add_weight(plan, "cpu_weight", "cpu.weight");
    if (const auto cpus = plan.text("cpus")) {
        const auto value = jailsvc::cgroups::cpu_list(*cpus);
        if (!value) {
            return plan.fail("cpus", "\"" + *cpus +
                                         "\" names no processors; write numbers and ranges, "
                                         "\"0-3,6\"");
        }
        add(plan, "cpus", "cpuset.cpus", *value);
    }
}

void add_tasks(Planner& plan) {
    const auto tasks = plan.integer("tasks_max");
    if (!tasks || *tasks == 0) return;
    if (*tasks < kMinTasks || *tasks > kMaxTasks) {
        return plan.fail("tasks_max", std::to_string(*tasks) +
                                          " tasks make no service; use 2 to 4194304, or 0 for no "
                                          "limit");
    }
    add(plan, "tasks_max", "pids.max", std::to_string(*tasks));
}

void add_disks(Planner& plan) {
    add_weight(plan, "io_weight", "io.weight");
    for (const auto& [device, limits] : plan.entries("io_max")) {
        const auto value = jailsvc::cgroups::io_max(device, limits);
        if (!value) return plan.fail("io_max", value.error());
        add(plan, "io_max", "io.max", *value);
    }
}

int plan(const jsv_host* host) {
    Planner planner(host);
    add_memory(planner);
    add_processors(planner);
    add_tasks(planner);
    add_disks(planner);
    return planner.result();
}

constexpr jsv_plugin kPlugin = jsv::plugin(
    kKeys,
    {.name = "cgroups",
     .version = "1.0",
     .doc = "How much of the machine's memory, processors, disks and process ids the service gets.",
     .plan = plan});

}  // namespace

const jsv_plugin* jailsvc_plugin_entry(void) {
    return &kPlugin;
}
