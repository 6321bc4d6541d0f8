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
#include "devices.hpp"
#include "doctor.hpp"
#include "io.hpp"
#include "pressure.hpp"
#include "text_file.hpp"

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
    key(JSV_STRING_LIST, "devices", nullptr,
        "Devices its processes may open or make, wherever their nodes are, besides null, zero, "
        "full, "
        "random, urandom, tty, ptys and those of [jail.chroot]: \"/dev/fuse rw\", \"char-input "
        "r\", "
        "\"block-sd\"; [\"all\"] for every one. Absent: no others, in a jail with a /dev of its "
        "own."),
    key(JSV_STRING, "memory_pressure", nullptr,
        "Trigger: \"some 150ms 2s\" is when some of its processes waited for memory 150 ms within "
        "2 s; \"full\" when all did. The window is 500ms to 10s."),
    key(JSV_STRING, "on_memory_pressure", "\"log\"",
        "What is done then: \"log\", \"restart\", \"stop\" or \"signal:USR1\"."),
    key(JSV_STRING, "cpu_pressure", nullptr, "The same for processor time."),
    key(JSV_STRING, "on_cpu_pressure", "\"log\"", "What is done then."),
    key(JSV_STRING, "io_pressure", nullptr, "The same for input and output."),
    key(JSV_STRING, "on_io_pressure", "\"log\"", "What is done then."),
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

void add_quota(Planner& plan) {
    const auto quota = plan.text("cpu_quota");
    if (!quota) return;
    const auto value = jailsvc::cgroups::cpu_max(*quota);
    if (!value) {
        return plan.fail("cpu_quota", "\"" + *quota +
                                          "\" is no share; write \"50%\", or \"200%\" for "
                                          "two processors");
    }
    add(plan, "cpu_quota", "cpu.max", *value);
}

void add_cpus(Planner& plan) {
    const auto cpus = plan.text("cpus");
    if (!cpus) return;
    const auto value = jailsvc::cgroups::cpu_list(*cpus);
    if (!value) {
        return plan.fail("cpus", "\"" + *cpus +
                                     "\" names no processors; write numbers and ranges, "
                                     "\"0-3,6\"");
    }
    add(plan, "cpus", "cpuset.cpus", *value);
}

void add_processors(Planner& plan) {
    add_quota(plan);
    add_weight(plan, "cpu_weight", "cpu.weight");
    add_cpus(plan);
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
        if (value) {
            add(plan, "io_max", "io.max", *value);
        } else {
            plan.fail(("io_max." + device).c_str(), value.error());
        }
    }
}

struct PressureKeys {
    const char* trigger;
    const char* action;
    const char* file;
};
constexpr PressureKeys kPressure[] = {{"memory_pressure", "on_memory_pressure", "memory.pressure"},
                                      {"cpu_pressure", "on_cpu_pressure", "cpu.pressure"},
                                      {"io_pressure", "on_io_pressure", "io.pressure"}};

void add_pressure(Planner& plan, const PressureKeys& keys) {
    const auto text = plan.text(keys.trigger);
    const auto wish = plan.text(keys.action);
    if (!text) {
        if (wish) plan.fail(keys.action, "says what is done, but no trigger when; set one too");
        return;
    }
    const auto trigger = jailsvc::cgroups::pressure_trigger(*text);
    if (!trigger) {
        return plan.fail(keys.trigger, "\"" + *text +
                                           "\" is no trigger; write \"some\" or \"full\", how long "
                                           "it may wait, and in how long (500ms to 10s): \"some "
                                           "150ms 2s\"");
    }
    const auto action = jailsvc::cgroups::pressure_action(wish.value_or("log"));
    if (!action) {
        return plan.fail(keys.action, "\"" + *wish +
                                          "\" is nothing that can be done; use \"log\", "
                                          "\"restart\", \"stop\" or \"signal:USR1\"");
    }
    plan.add({.kind = JSV_OP_PRESSURE,
              .key = keys.trigger,
              .text = {keys.file, *trigger},
              .number = {action->action, action->signal}});
}

/// Nothing but what is listed: the first operation says so, the others list.
void add_devices(Planner& plan) {
    const auto devices = plan.list("devices");
    if (!devices) {
        return plan.add({.kind = JSV_OP_DEVICES, .key = "devices", .flags = JSV_DEVICES_DEFAULT});
    }
    if (*devices == std::vector<std::string>{"all"}) return;
    plan.add({.kind = JSV_OP_DEVICES, .key = "devices"});
    const std::string kinds = jailsvc::cgroups::read_text("/proc/devices");
    for (const std::string& text : *devices) {
        const auto found = jailsvc::cgroups::read_device(text, kinds);
        if (!found) return plan.fail("devices", found.error());
        for (const auto& device : *found) {
            plan.add(
                {.kind = JSV_OP_DEVICES, .key = "devices", .text = {device.number, device.access}});
        }
    }
}

int plan(const jsv_host* host) {
    Planner planner(host);
    add_memory(planner);
    add_processors(planner);
    add_tasks(planner);
    add_disks(planner);
    for (const PressureKeys& keys : kPressure) add_pressure(planner, keys);
    add_devices(planner);
    return planner.result();
}

constexpr jsv_plugin kPlugin = jsv::plugin(
    kKeys,
    {.name = "cgroups",
     .version = "1.0",
     .doc = "How much of the machine's memory, processors, disks and process ids the service gets.",
     .plan = plan,
     .doctor = jailsvc::cgroups::doctor});

}  // namespace

const jsv_plugin* jailsvc_plugin_entry(void) {
    return &kPlugin;
}
