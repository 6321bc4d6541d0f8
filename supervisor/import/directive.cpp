#include "import/directive.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "config/names.hpp"
#include "config/quantity.hpp"

namespace jailsvc::import {
namespace {

/// Steps of systemd's own boot, which are over when a supervisor of ours starts units.
constexpr std::string_view kBootTargets[] = {"network",
                                             "network-online",
                                             "network-pre",
                                             "remote-fs",
                                             "local-fs",
                                             "local-fs-pre",
                                             "nss-lookup",
                                             "nss-user-lookup",
                                             "sysinit",
                                             "basic",
                                             "syslog",
                                             "time-sync",
                                             "time-set",
                                             "paths",
                                             "slices",
                                             "swap",
                                             "getty",
                                             "rpcbind",
                                             "shutdown",
                                             "umount",
                                             "final",
                                             "reboot",
                                             "initrd",
                                             "emergency",
                                             "rescue",
                                             "cryptsetup",
                                             "sound",
                                             "remote-fs-pre",
                                             "initrd-switch-root"};
/// What starts with the machine.
constexpr std::string_view kStartTargets[] = {"multi-user", "default", "graphical",
                                              "sockets",    "timers",  "basic"};

OurName target_name(std::string_view stem) {
    if (std::ranges::find(kStartTargets, stem) != std::end(kStartTargets)) return {"default", ""};
    if (std::ranges::find(kBootTargets, stem) != std::end(kBootTargets)) {
        return {"", "a step of systemd's boot, which is over when units start here"};
    }
    return {std::string(stem), ""};
}

/// A name that may have a %i.
bool can_be_name(std::string name) {
    for (std::size_t at = 0; (at = name.find("%i", at)) != std::string::npos;) name.erase(at, 1);
    return config::is_unit_name(name) || config::is_template_name(name);
}

}  // namespace

OurName our_name(std::string_view name) {
    const std::size_t dot = name.rfind('.');
    const std::string_view kind = dot == std::string_view::npos ? "" : name.substr(dot + 1);
    std::string_view stem = name.substr(0, dot);
    if (stem.starts_with("systemd-") || stem == "dbus" || stem == "udev") {
        return {"", "a part of systemd's own"};
    }
    if (kind == "target") return target_name(stem);
    if (kind != "service" && kind != "socket" && kind != "timer") {
        return {"", "there are no units of that kind here"};
    }
    const auto ours = with_our_specifiers(stem);
    if (!ours || !can_be_name(*ours)) return {"", "no name that a unit can have here"};
    return {*ours, ""};
}

const Row* find_row(std::string_view section, std::string_view name) {
    for (const auto* rows : {&unit_rows(), &service_rows(), &jail_rows(), &activation_rows()}) {
        const auto found = std::ranges::find_if(
            *rows, [&](const Row& row) { return row.name == name && row.section == section; });
        if (found != rows->end()) return &*found;
    }
    return nullptr;
}

TableKey table_key(const char* key) {
    const std::string text = key;
    const std::size_t dot = text.rfind('.');
    return {text.substr(0, dot), text.substr(dot + 1)};
}

std::optional<bool> truth_of(std::string_view text) {
    std::string lower(text);
    std::ranges::transform(lower, lower.begin(),
                           [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    for (const char* yes : {"1", "yes", "y", "true", "t", "on"}) {
        if (lower == yes) return true;
    }
    for (const char* no : {"0", "no", "n", "false", "f", "off"}) {
        if (lower == no) return false;
    }
    return std::nullopt;
}

Result<std::string> with_our_specifiers(std::string_view text) {
    constexpr std::pair<char, const char*> kOurs[] = {
        {'%', "%%"},   {'i', "%i"},         {'I', "%i"},       {'n', "%n"},   {'N', "%n"},
        {'p', "%p"},   {'P', "%p"},         {'t', "%t"},       {'S', "%S"},   {'u', "%u"},
        {'E', "/etc"}, {'C', "/var/cache"}, {'L', "/var/log"}, {'T', "/tmp"}, {'V', "/var/tmp"}};
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            out += text[i];
            continue;
        }
        const char letter = ++i < text.size() ? text[i] : ' ';
        const auto* ours =
            std::ranges::find(kOurs, letter, [](const auto& row) { return row.first; });
        if (ours == std::end(kOurs)) {
            return fail(fmt::format("specifier %{} stands for nothing here", plain({&letter, 1})));
        }
        out += ours->second;
    }
    return out;
}

Verdict take_text(Place& place, const char* key) {
    const auto text = with_our_specifiers(place.value());
    if (!text) return left_out(text.error().message);
    const auto [table, name] = table_key(key);
    place.draft.put(table, name, *text);
    return {};
}

Verdict take_bool(Place& place, const char* key) {
    const auto on = truth_of(place.value());
    if (!on) return left_out("neither yes nor no");
    const auto [table, name] = table_key(key);
    place.draft.put_flag(table, name, *on);
    return {};
}

Verdict take_number(Place& place, const char* key) {
    std::int64_t number = 0;
    const std::string& text = place.value();
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size()) return left_out("no number");
    const auto [table, name] = table_key(key);
    place.draft.put_number(table, name, number);
    return {};
}

Verdict take_duration(Place& place, const char* key) {
    const auto duration = config::parse_duration(place.value());
    if (!duration) return left_out(duration.error().message);
    const auto [table, name] = table_key(key);
    // Of a limit 0 and infinity mean that there is none.
    const bool none = duration->count() == 0 && name.starts_with("timeout_");
    place.draft.put(table, name, none ? "infinity" : config::format_duration(*duration));
    return {};
}

Verdict take_bytes(Place& place, const char* key) {
    const auto [table, name] = table_key(key);
    if (place.value() == "infinity") {
        place.draft.put(table, name, "0");
        return {};
    }
    const auto bytes = config::parse_bytes(place.value());
    if (!bytes) return left_out("a size in bytes is wanted here, as \"512M\"");
    place.draft.put(table, name, config::format_bytes(*bytes));
    return {};
}

Verdict take_words(Place& place, const char* key) {
    const auto [table, name] = table_key(key);
    if (place.value().empty()) {
        place.draft.drop(table, name);
        return {};
    }
    const auto text = with_our_specifiers(place.value());
    if (!text) return left_out(text.error().message);
    const auto words = split_words(*text);
    if (!words) return left_out(words.error().message);
    for (const std::string& word : *words) place.draft.add(table, name, word);
    return {};
}

Verdict take_nothing(Place&, const char* why) {
    return left_out(why);
}
Verdict take_as_covered(Place& place, const char* why) {
    const auto on = truth_of(place.value());
    if (on && !*on) return noted(fmt::format("the jail does so all the same: {}", why));
    return noted(why);
}

}  // namespace jailsvc::import
