// Ports and volumes of a service in a compose file.

#include <fmt/format.h>

#include <algorithm>

#include "import/compose_rows.hpp"

namespace jailsvc::import {
namespace {

/// "8080:80", "127.0.0.1:8080:80", "53:53/udp", "80".
Verdict one_port(Service& service, const std::string& port) {
    const std::size_t slash = port.find('/');
    const std::string protocol = slash == std::string::npos ? "" : port.substr(slash);
    const std::string both = port.substr(0, slash);
    if (both.find('-') != std::string::npos) return left_out("ranges: name each port");
    if (protocol != "" && protocol != "/tcp" && protocol != "/udp")
        return left_out("no such protocol");
    const std::size_t last = both.rfind(':');
    const std::string inside = both.substr(last == std::string::npos ? 0 : last + 1);
    std::string outside = last == std::string::npos ? inside : both.substr(0, last);
    const std::size_t address = outside.rfind(':');
    const bool bound = address != std::string::npos;
    if (bound) outside = outside.substr(address + 1);
    const auto is_port = [](const std::string& text) {
        return !text.empty() && text.size() <= 5 &&
               text.find_first_not_of("0123456789") == std::string::npos;
    };
    if (!is_port(inside) || !is_port(outside)) return left_out("no port");
    service.draft.add("jail.network", "forwards",
                      fmt::format("{}:{}{}", outside, inside, protocol == "/udp" ? "/udp" : ""));
    if (bound) return noted("on every address of the host: " + port);
    return {};
}

/// "SOURCE:TARGET[:ro]"; a name is a volume's.
Verdict one_volume(Service& service, const std::string& source, const std::string& target,
                   bool read_only) {
    if (!target.starts_with('/')) return left_out("an absolute path in the container is wanted");
    if (source.empty()) {
        service.draft.add("jail.chroot", "tmpfs", without_specifiers(target));
        return noted("without a name it is empty at each start");
    }
    const bool named = source.find('/') == std::string::npos && !source.starts_with('.');
    const std::string from =
        named ? "/var/lib/volumes/" + source : path_from(source, service.context);
    service.draft.add("jail.chroot", read_only ? "binds_ro" : "binds",
                      without_specifiers(from + ":" + target));
    return named ? noted("make the directory " + from) : Verdict{};
}

}  // namespace

Verdict take_ports(Service& service, const YAML::Node& node, const char* /*key*/) {
    if (!node.IsSequence()) return left_out("a list is wanted");
    Verdict whole;
    for (const auto& item : node) {
        std::string port;
        if (item.IsMap()) {
            const auto inside = item["target"] ? scalar_of(item["target"], service.context) : "";
            const auto outside =
                item["published"] ? scalar_of(item["published"], service.context) : inside;
            const auto protocol =
                item["protocol"] ? scalar_of(item["protocol"], service.context) : "tcp";
            if (!inside || !outside || !protocol) return left_out("no ports");
            port = fmt::format("{}:{}/{}", *outside, *inside, *protocol);
        } else {
            const auto text = scalar_of(item, service.context);
            if (!text) return left_out(text.error().message);
            port = *text;
        }
        const Verdict verdict = one_port(service, port);
        if (verdict.outcome == Outcome::kTranslated) continue;
        whole.outcome = std::max(whole.outcome, verdict.outcome);
        whole.text += (whole.text.empty() ? "" : "; ") + verdict.text;
    }
    return whole;
}

Verdict take_volumes(Service& service, const YAML::Node& node, const char* /*key*/) {
    if (!node.IsSequence()) return left_out("a list is wanted");
    Verdict whole;
    for (const auto& item : node) {
        std::string source, target;
        bool read_only = false;
        if (item.IsMap()) {
            const auto get = [&](const char* key) {
                return item[key] ? scalar_of(item[key], service.context).value_or("") : "";
            };
            source = get("type") == "tmpfs" ? "" : get("source");
            target = get("target");
            read_only = get("read_only") == "true";
        } else {
            const auto text = scalar_of(item, service.context);
            if (!text) return left_out(text.error().message);
            const std::size_t colon = text->find(':');
            source = colon == std::string::npos ? "" : text->substr(0, colon);
            target = text->substr(colon == std::string::npos ? 0 : colon + 1);
            const std::size_t options = target.find(':');
            read_only = options != std::string::npos &&
                        (target.substr(options) + ",").find("ro,") != std::string::npos;
            target = target.substr(0, options);
        }
        const Verdict verdict = one_volume(service, source, target, read_only);
        if (verdict.outcome == Outcome::kTranslated) continue;
        whole.outcome = std::max(whole.outcome, verdict.outcome);
        whole.text += (whole.text.empty() ? "" : "; ") + verdict.text;
    }
    return whole;
}

}  // namespace jailsvc::import
