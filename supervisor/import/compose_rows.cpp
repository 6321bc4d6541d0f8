// Keys of a service in a compose file, and what each becomes.

#include "import/compose_rows.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/signals.hpp"
#include "config/names.hpp"
#include "config/quantity.hpp"

namespace jailsvc::import {
namespace {

Verdict text(Service& service, const YAML::Node& node, const char* key) {
    const auto value = scalar_of(node, service.context);
    if (!value) return left_out(value.error().message);
    const auto [table, name] = table_key(key);
    service.draft.put(table, name, without_specifiers(*value));
    return {};
}

Verdict nothing(Service&, const YAML::Node&, const char* why) {
    return left_out(why);
}
Verdict covered(Service&, const YAML::Node&, const char* why) {
    return noted(why);
}

/// Where the key does not add to a list, `of` takes each.
Verdict each(Service& service, const YAML::Node& node, const char* key) {
    const auto list = list_of(node, service.context);
    if (!list) return left_out(list.error().message);
    const auto [table, name] = table_key(key);
    for (const std::string& one : *list) service.draft.add(table, name, without_specifiers(one));
    return {};
}

Verdict bytes(Service& service, const YAML::Node& node, const char* key) {
    auto value = scalar_of(node, service.context);
    if (!value) return left_out(value.error().message);
    // "512m", "1gb": units of compose are powers of 1024 too.
    std::string size = *value;
    if (!size.empty() && (size.back() == 'b' || size.back() == 'B')) size.pop_back();
    std::ranges::transform(size, size.begin(),
                           [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    const auto parsed = config::parse_bytes(size);
    if (!parsed) return left_out("no size");
    const auto [table, name] = table_key(key);
    service.draft.put(table, name, config::format_bytes(*parsed));
    return {};
}

Verdict number(Service& service, const YAML::Node& node, const char* key) {
    const auto value = scalar_of(node, service.context);
    std::int64_t parsed = 0;
    const char* end = value ? value->data() + value->size() : nullptr;
    if (!value || std::from_chars(value->data(), end, parsed).ptr != end || value->empty()) {
        return left_out("no number");
    }
    const auto [table, name] = table_key(key);
    service.draft.put_number(table, name, parsed);
    return {};
}

Verdict duration(Service& service, const YAML::Node& node, const char* key) {
    const auto value = scalar_of(node, service.context);
    if (!value || !config::parse_duration(*value)) return left_out("no duration");
    const auto [table, name] = table_key(key);
    service.draft.put(table, name, *value);
    return {};
}

Verdict image(Service& service, const YAML::Node& node, const char*) {
    const auto value = scalar_of(node, service.context);
    if (!value) return left_out(value.error().message);
    const std::string root = "/var/lib/machines/" + service.name;
    service.draft.put("jail.chroot", "mode", "directory");
    service.draft.put("jail.chroot", "root", root);
    if (!service.draft.has("jail.chroot", "read_only")) {
        service.draft.put_flag("jail.chroot", "read_only", false);
    }
    return noted(fmt::format("images are not fetched: unpack it to {}", root));
}

Verdict words(Service& service, const YAML::Node& node, std::vector<std::string>& into) {
    if (node.IsNull()) return {};
    if (node.IsSequence()) {
        auto list = list_of(node, service.context);
        if (!list) return left_out(list.error().message);
        into = std::move(*list);
        return {};
    }
    const auto line = scalar_of(node, service.context);
    auto split = line ? split_words(*line) : std::unexpected(line.error());
    if (!split) return left_out(split.error().message);
    into = std::move(*split);
    return {};
}
Verdict command(Service& service, const YAML::Node& node, const char*) {
    return words(service, node, service.command);
}
Verdict entrypoint(Service& service, const YAML::Node& node, const char*) {
    return words(service, node, service.entrypoint);
}

Verdict environment(Service& service, const YAML::Node& node, const char*) {
    const auto pairs = pairs_of(node, service.context);
    if (!pairs) return left_out(pairs.error().message);
    for (const auto& [name, value] : *pairs) {
        service.draft.set_entry("environment", "set", name, without_specifiers(value));
    }
    return noted("for everybody to see; secrets belong in [credentials]");
}

Verdict env_file(Service& service, const YAML::Node& node, const char*) {
    const auto list = list_of(node, service.context);
    if (!list) return left_out(list.error().message);
    for (const std::string& one : *list) {
        service.draft.add("environment", "file",
                          without_specifiers(path_from(one, service.context)));
    }
    return noted("must be root's, and there");
}

Verdict restart(Service& service, const YAML::Node& node, const char*) {
    const auto value = scalar_of(node, service.context);
    if (!value) return left_out(value.error().message);
    const std::string policy = value->substr(0, value->find(':'));
    for (const char* known : {"no", "always", "on-failure", "unless-stopped"}) {
        if (policy != known) continue;
        service.draft.put("service", "restart", policy);
        if (policy.size() == value->size()) return {};
        return noted("start_limit_burst says how often, within start_limit_interval");
    }
    return left_out("no such policy");
}

Verdict depends_on(Service& service, const YAML::Node& node, const char*) {
    std::string conditions;
    std::vector<std::string> names;
    if (node.IsMap()) {
        for (const auto& [name, how] : entries_of(node)) {
            names.push_back(name);
            const YAML::Node condition = how.IsMap() ? how["condition"] : YAML::Node();
            if (!condition || !condition.IsScalar()) continue;
            if (condition.Scalar() == "service_started") continue;
            conditions +=
                fmt::format("{}{}: {}", conditions.empty() ? "" : ", ", name, condition.Scalar());
        }
    } else if (const auto list = list_of(node, service.context)) {
        names = *list;
    } else {
        return left_out(list.error().message);
    }
    for (const std::string& name : names) {
        if (!config::is_unit_name(name)) return left_out("names no service");
        service.draft.add("unit", "requires", name);
        service.draft.add("unit", "after", name);
        service.needs.push_back(name);
    }
    if (conditions.empty()) return {};
    return noted("waits until they are up as their type says, not for " + conditions);
}

Verdict user(Service& service, const YAML::Node& node, const char*) {
    const auto value = scalar_of(node, service.context);
    if (!value || value->empty()) return left_out("names no user");
    const std::size_t colon = value->find(':');
    service.draft.put_flag("jail.identity", "dynamic_user", false);
    service.draft.put("jail.identity", "user", without_specifiers(value->substr(0, colon)));
    if (colon != std::string::npos) {
        service.draft.put("jail.identity", "group", without_specifiers(value->substr(colon + 1)));
    }
    return {};
}

Verdict capabilities(Service& service, const YAML::Node& node, const char*) {
    const auto list = list_of(node, service.context);
    if (!list) return left_out(list.error().message);
    for (const std::string& one : *list) {
        std::string name = config::plain_capability(one);
        std::ranges::transform(name, name.begin(),
                               [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
        service.draft.add("jail.identity", "capabilities", name);
    }
    return {};
}

Verdict cpus(Service& service, const YAML::Node& node, const char*) {
    const auto value = scalar_of(node, service.context);
    char* end = nullptr;
    const double share = value ? std::strtod(value->c_str(), &end) : 0;
    if (!value || *end != '\0' || !(share > 0) || share > 4096) return left_out("no number");
    service.draft.put("jail.cgroups", "cpu_quota", fmt::format("{}%", std::lround(share * 100)));
    return {};
}

Verdict hostname(Service& service, const YAML::Node& node, const char*) {
    service.draft.put_flag("jail.namespaces", "uts", true);
    return text(service, node, "jail.namespaces.hostname");
}

Verdict network_mode(Service& service, const YAML::Node& node, const char*) {
    const auto value = scalar_of(node, service.context);
    if (!value) return left_out(value.error().message);
    if (*value == "host" || *value == "none") {
        service.draft.put("jail.network", "mode", *value == "host" ? "host" : "loopback");
        return {};
    }
    if (value->starts_with("service:") && config::is_unit_name(value->substr(8))) {
        service.draft.put("jail.network", "mode", "join");
        service.draft.put("jail.network", "join", value->substr(8));
        return {};
    }
    return left_out("services reach each other by [jail.network] edges");
}

Verdict stop_signal(Service& service, const YAML::Node& node, const char* key) {
    const auto value = scalar_of(node, service.context);
    if (!value || !parse_signal(*value)) return left_out("no signal of that name");
    return text(service, node, key);
}

Verdict truth(Service& service, const YAML::Node& node, const char* key) {
    const auto value = scalar_of(node, service.context);
    const auto on = value ? truth_of(*value) : std::nullopt;
    if (!on) return left_out("neither true nor false");
    const auto [table, name] = table_key(key);
    service.draft.put_flag(table, name, *on);
    return {};
}

Verdict ulimits(Service& service, const YAML::Node& node, const char*) {
    for (const auto& [name, value] : entries_of(node)) {
        std::string limit;
        if (value.IsMap()) {
            const auto soft = value["soft"] ? scalar_of(value["soft"], service.context) : "";
            const auto hard = value["hard"] ? scalar_of(value["hard"], service.context) : "";
            if (!soft || !hard) return left_out("no limits");
            limit = fmt::format("{}:{}", *soft, *hard);
        } else if (const auto one = scalar_of(value, service.context)) {
            limit = *one;
        }
        for (std::size_t at; (at = limit.find("-1")) != std::string::npos;) {
            limit.replace(at, 2, "infinity");
        }
        service.draft.set_entry("jail.identity", "limits", name, limit);
    }
    return {};
}

/// deploy.resources.limits; the rest is about clusters.
Verdict deploy(Service& service, const YAML::Node& node, const char*) {
    const YAML::Node resources = node.IsMap() ? node["resources"] : YAML::Node();
    const YAML::Node limits = resources && resources.IsMap() ? resources["limits"] : YAML::Node();
    if (!limits || !limits.IsMap()) return left_out("about clusters");
    std::string lost;
    for (const auto& [key, value] : entries_of(limits)) {
        Verdict verdict = left_out("no such limit");
        if (key == "cpus") verdict = cpus(service, value, "");
        if (key == "memory") verdict = bytes(service, value, "jail.cgroups.memory_max");
        if (key == "pids") verdict = number(service, value, "jail.cgroups.tasks_max");
        if (verdict.outcome == Outcome::kLeftOut) lost += " limits." + key;
    }
    for (const auto& [key, value] : entries_of(node)) {
        if (key != "resources") lost += " " + key;
    }
    for (const auto& [key, value] : entries_of(resources)) {
        if (key != "limits") lost += " resources." + key;
    }
    return lost.empty() ? Verdict{} : noted("without" + lost);
}

Verdict devices(Service& service, const YAML::Node& node, const char*) {
    const auto list = list_of(node, service.context);
    if (!list) return left_out(list.error().message);
    std::string moved;
    for (const std::string& one : *list) {
        const std::string source = one.substr(0, one.find(':'));
        const std::size_t colon = one.find(':');
        const std::string rest = colon == std::string::npos ? source : one.substr(colon + 1);
        if (rest.substr(0, rest.find(':')) != source) {
            moved += " " + one;
            continue;
        }
        service.draft.add("jail.chroot", "devices", without_specifiers(source));
    }
    return moved.empty() ? Verdict{} : noted("without those of another name:" + moved);
}

constexpr ComposeRow kRows[] = {
    {"image", image},
    {"command", command},
    {"entrypoint", entrypoint},
    {"environment", environment},
    {"env_file", env_file},
    {"restart", restart},
    {"depends_on", depends_on},
    {"ports", take_ports},
    {"volumes", take_volumes},
    {"user", user},
    {"cap_add", capabilities},
    {"cap_drop", covered, "no capabilities but those of cap_add are there"},
    {"working_dir", text, "service.working_directory"},
    {"hostname", hostname},
    {"mem_limit", bytes, "jail.cgroups.memory_max"},
    {"memswap_limit", nothing, "memory_swap_max counts swap alone"},
    {"mem_reservation", nothing, "no memory is kept for a unit"},
    {"mem_swappiness", nothing, "no such setting here"},
    {"cpus", cpus},
    {"cpuset", text, "jail.cgroups.cpus"},
    {"cpu_shares", nothing, "cpu_weight, with another scale"},
    {"cpu_quota", nothing, "cpus says it, or [jail.cgroups] cpu_quota as a percentage"},
    {"cpu_period", nothing, "cpus says it, or [jail.cgroups] cpu_quota as a percentage"},
    {"pids_limit", number, "jail.cgroups.tasks_max"},
    {"ulimits", ulimits},
    {"deploy", deploy},
    {"stop_signal", stop_signal, "service.kill_signal"},
    {"stop_grace_period", duration, "service.timeout_stop"},
    {"read_only", truth, "jail.chroot.read_only"},
    {"tmpfs", each, "jail.chroot.tmpfs"},
    {"devices", devices},
    {"group_add", each, "jail.identity.supplementary_groups"},
    {"oom_score_adj", number, "service.oom_score_adjust"},
    {"network_mode", network_mode},
    {"init", covered, "every jail has an init of its own"},
    {"container_name", covered, "the unit's name is the service's"},
    {"expose", covered, "edges of other units name the ports that they reach"},
    {"networks", nothing, "services reach each other by [jail.network] edges"},
    {"build", nothing, "images are not built here; unpack a built one"},
    {"healthcheck", nothing, "write it as [health] where that is known"},
    {"privileged", nothing,
     "a jail is never without walls by itself: profile = \"host\" takes them"},
    {"labels", nothing, "units have no labels"},
    {"label_file", nothing, "units have no labels"},
    {"annotations", nothing, "units have no labels"},
    {"logging", nothing, "[logging] says where output goes"},
    {"secrets", nothing, "[credentials] file says it: NAME = path"},
    {"configs", nothing, "[jail.chroot] binds_ro may serve"},
    {"security_opt", nothing, "the jail has no_new_privileges and a filter anyway"},
    {"sysctls", nothing, "no such settings are made in a jail"},
    {"extra_hosts", nothing, "a private network writes its own /etc/hosts"},
    {"dns", nothing, "names are looked up as the jail's files say"},
    {"dns_search", nothing, "names are looked up as the jail's files say"},
    {"dns_opt", nothing, "names are looked up as the jail's files say"},
    {"domainname", nothing, "no domain name is set"},
    {"ipc", nothing, "each jail has its own"},
    {"pid", nothing, "each jail has its own"},
    {"uts", nothing, "each jail has its own"},
    {"cgroup", nothing, "each jail has its own"},
    {"cgroup_parent", nothing, "each unit has a group of its own, and no other above"},
    {"userns_mode", nothing, "[jail.namespaces] user = true may serve"},
    {"isolation", nothing, "not for this system"},
    {"runtime", nothing, "jails are made by the kernel's own means"},
    {"platform", nothing, "programs are the machine's own"},
    {"pull_policy", nothing, "images are not fetched"},
    {"shm_size", nothing, "[jail.chroot] tmpfs = [\"/dev/shm:size=…\"] may serve"},
    {"storage_opt", nothing, "no such storage here"},
    {"blkio_config", nothing, "[jail.cgroups] io_max and io_weight may serve"},
    {"device_cgroup_rules", nothing, "[jail.cgroups] devices may serve"},
    {"gpus", nothing, "[jail.chroot] devices names nodes"},
    {"oom_kill_disable", nothing, "the kernel decides"},
    {"stdin_open", nothing, "a service has no standard input"},
    {"tty", nothing, "a service has no terminal"},
    {"links", nothing, "services reach each other by [jail.network] edges"},
    {"external_links", nothing, "services reach each other by [jail.network] edges"},
    {"mac_address", nothing, "addresses are drawn"},
    {"scale", nothing, "instances of a template are several of a unit"},
    {"profiles", nothing, "jailsvc enable decides what is started"},
    {"extends", nothing, "write what it takes over into the file before"},
    {"develop", nothing, "about making the image"},
    {"attach", nothing, "output is in the unit's log"},
    {"credential_spec", nothing, "not for this system"},
    {"volumes_from", nothing, "name the volumes"},
    {"post_start", nothing, "exec_start_post may serve"},
    {"pre_stop", nothing, "exec_stop may serve"},
    {"use_api_socket", nothing, "no such socket is handed into a jail"},
};

}  // namespace

const ComposeRow* find_compose_row(std::string_view name) {
    const auto* found = std::ranges::find(kRows, name, &ComposeRow::name);
    return found == std::end(kRows) ? nullptr : found;
}

}  // namespace jailsvc::import
