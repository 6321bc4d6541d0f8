#include "egress/settings.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>

#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>

#include "base/sys.hpp"

namespace jailsvc::egress {
namespace {

constexpr std::size_t kMaxFile = 65536;
constexpr std::size_t kMaxRanges = 64;

struct NumberKey {
    std::string_view name;
    std::int64_t Settings::* member;
    std::int64_t least, most;
};
constexpr NumberKey kNumbers[] = {
    {"connections", &Settings::connections, 1, 4000},
    {"head_timeout", &Settings::head_timeout, 1, 3600},
    {"connect_timeout", &Settings::connect_timeout, 1, 3600},
    {"idle_timeout", &Settings::idle_timeout, 1, 604800},
    {"lifetime", &Settings::lifetime, 1, 31536000},
};

/// "FILE:LINE:COLUMN: KEY: WHY".
class Reader {
public:
    explicit Reader(const std::string& file) : file_(file) {}

    Result<void> read(const toml::key& key, const toml::node& node, Settings& settings) {
        const std::string_view name = key.str();
        if (name == "permit_ranges") return read_ranges(node, settings);
        if (name == "nameservers") return read_servers(node, settings);
        const auto* number = std::ranges::find(kNumbers, name, &NumberKey::name);
        if (number == std::end(kNumbers)) {
            return refuse(key.source(), name,
                          "not known; use permit_ranges, nameservers, "
                          "connections, head_timeout, connect_timeout, "
                          "idle_timeout or lifetime");
        }
        const auto value = node.value_exact<std::int64_t>();
        if (!value || *value < number->least || *value > number->most) {
            return refuse(
                node.source(), name,
                fmt::format("expected a number from {} to {}", number->least, number->most));
        }
        settings.*number->member = *value;
        return {};
    }

private:
    std::unexpected<Error> refuse(const toml::source_region& at, std::string_view key,
                                  std::string_view why) {
        return fail(
            fmt::format("{}:{}:{}: {}: {}", file_, at.begin.line, at.begin.column, key, why));
    }

    Result<void> read_ranges(const toml::node& node, Settings& settings) {
        const toml::array* list = node.as_array();
        if (list == nullptr || list->size() > kMaxRanges) {
            return refuse(node.source(), "permit_ranges", "expected an array of up to 64 ranges");
        }
        for (const toml::node& one : *list) {
            const auto text = one.value_exact<std::string_view>();
            auto range = Range::parse(text.value_or(std::string_view()));
            if (!range) {
                return refuse(one.source(), "permit_ranges",
                              fmt::format("\"{}\" {}", text.value_or(""), range.error().message));
            }
            settings.permit_ranges.push_back(*range);
        }
        return {};
    }

    Result<void> read_servers(const toml::node& node, Settings& settings) {
        const toml::array* list = node.as_array();
        for (std::size_t i = 0; list != nullptr && i < list->size(); ++i) {
            const auto text = list->get(i)->value_exact<std::string_view>();
            if (!text || text->empty() || text->find(',') != std::string_view::npos) break;
            settings.nameservers += fmt::format("{}{}", i == 0 ? "" : ",", *text);
        }
        const auto found = static_cast<std::size_t>(std::ranges::count(settings.nameservers, ','));
        if (list != nullptr && !settings.nameservers.empty() && found + 1 == list->size())
            return {};
        return refuse(node.source(), "nameservers",
                      "expected an array of addresses, \"192.0.2.1\" or \"[2001:db8::1]:53\"");
    }

    const std::string& file_;
};

}  // namespace

Result<Settings> parse_settings(std::string_view text, const std::string& name) {
    const toml::parse_result parsed = toml::parse(text, std::string_view(name));
    if (!parsed) {
        const auto& error = parsed.error();
        return fail(fmt::format("{}:{}:{}: {}", name, error.source().begin.line,
                                error.source().begin.column, error.description()));
    }
    Settings settings;
    Reader reader(name);
    for (const auto& [key, node] : parsed.table()) TRY_VOID(reader.read(key, node, settings));
    return settings;
}

Result<Settings> read_settings(const std::string& path) {
    auto text = sys::read_file(path, kMaxFile);
    if (!text && text.error().code == ENOENT) return Settings{};
    if (!text) return std::unexpected(std::move(text).error());
    return parse_settings(*text, path);
}

}  // namespace jailsvc::egress
