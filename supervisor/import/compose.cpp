#include "import/compose.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "config/names.hpp"
#include "config/quantity.hpp"
#include "import/command_line.hpp"
#include "import/compose_rows.hpp"
#include "import/directive.hpp"

namespace jailsvc::import {
namespace {

constexpr std::size_t kMaxServices = 1024;
constexpr std::size_t kMaxText = 1U << 20;  ///< [bytes]

std::string place_of(const ComposeContext& context, const YAML::Node& node) {
    return fmt::format("{}:{}", context.file_name, node.Mark().line + 1);
}

void note(Draft& draft, const ComposeContext& context, const std::string& key,
          const YAML::Node& node, Verdict verdict) {
    draft.notes.push_back({place_of(context, node), key + ": " + shown_node(node), verdict.outcome,
                           std::move(verdict.text)});
}

Verdict verdict_of(Service& service, const std::string& key, const YAML::Node& node) {
    if (key.starts_with("x-")) return left_out("for other programs");
    const ComposeRow* row = find_compose_row(key);
    if (row == nullptr) return left_out("no such key of a service is known");
    return row->take(service, node, row->key);
}

/// entrypoint, then command, as containers have it; and what the image itself would have said.
void settle_command(Service& service) {
    Draft& draft = service.draft;
    std::vector<std::string> words = service.entrypoint;
    words.insert(words.end(), service.command.begin(), service.command.end());
    const auto remark = [&](Outcome outcome, std::string text) {
        draft.notes.push_back({"(none)", "command", outcome, std::move(text)});
    };
    if (words.empty()) {
        draft.put_list("service", "exec_start", {"/CHANGE-ME"});
        return remark(Outcome::kLeftOut,
                      "the file does not say what is run: the image does; write it to exec_start");
    }
    if (service.entrypoint.empty()) {
        remark(Outcome::kNoted, "an entrypoint that the image has comes before it");
    }
    for (std::string& word : words) word = without_specifiers(word);
    if (!words.front().starts_with('/')) {
        words.insert(words.begin(), {"/bin/sh", "-c", "exec \"$0\" \"$@\""});
        remark(Outcome::kNoted, "the program is found along PATH by a shell of the jail");
    }
    draft.put_list("service", "exec_start", words);
}

void settle_network(Service& service) {
    Draft& draft = service.draft;
    if (draft.has("jail.network", "mode")) return;
    draft.put("jail.network", "mode", "private");
    draft.put_flag("jail.namespaces", "net", true);
    for (const std::string& other : service.needs) {
        draft.notes.push_back({"(none)", "networks", Outcome::kNoted,
                               fmt::format("to reach {} it needs [jail.network] edges = "
                                           "[\"{}:PORT\"]",
                                           other, other)});
    }
}

void import_service(const std::string& name, const YAML::Node& node, const ComposeContext& context,
                    Drafts& drafts) {
    Draft& draft = drafts[name];
    Service service{name, draft, context, {}, {}, {}};
    draft.put("install", "wanted_by", "");
    draft.drop("install", "wanted_by");
    draft.put_list("install", "wanted_by", {"default"});
    draft.put_flag("jail.identity", "dynamic_user", true);
    for (const auto& [key, value] : entries_of(node)) {
        note(draft, context, key, value, verdict_of(service, key, value));
    }
    settle_command(service);
    settle_network(service);
}

/// Top-level keys are told with the first service: they are about all of them.
void note_top(const std::string& key, const YAML::Node& node, const ComposeContext& context,
              Draft& draft) {
    constexpr std::pair<const char*, const char*> kKnown[] = {
        {"version", "says nothing to know"},
        {"name", "units have no project; their names are those of the services"},
        {"networks", "services reach each other by [jail.network] edges"},
        {"volumes", "volumes are directories below /var/lib/volumes"},
        {"configs", "services that name one have a note"},
        {"secrets", "services that name one have a note"},
        {"include", "import those files too"}};
    const auto* known = std::ranges::find(kKnown, key, [](const auto& row) { return row.first; });
    Verdict verdict = left_out("no such key is known");
    if (key.starts_with("x-")) verdict = noted("what other keys refer to, or for other programs");
    if (known != std::end(kKnown)) {
        const bool harmless = key == "version" || key == "name" || key == "volumes";
        verdict = harmless ? noted(known->second) : left_out(known->second);
    }
    note(draft, context, key, node, std::move(verdict));
}

Result<void> import_root(const YAML::Node& root, const ComposeContext& context, Drafts& drafts) {
    const auto top = entries_of(root);
    const auto services =
        std::ranges::find(top, "services", [](const auto& entry) { return entry.first; });
    if (services == top.end() || !services->second.IsMap()) {
        return fail(context.file_name + ": there are no \"services\"");
    }
    const auto all = entries_of(services->second);
    if (all.empty() || all.size() > kMaxServices) {
        return fail(
            fmt::format("{}: {} services; 1 to {}", context.file_name, all.size(), kMaxServices));
    }
    for (const auto& [name, node] : all) {
        if (!config::is_unit_name(name) || name.find('@') != std::string::npos) {
            return fail(fmt::format("{}: {} is no name that a unit can have",
                                    place_of(context, node), plain(name)));
        }
        import_service(name, node, context, drafts);
    }
    for (const auto& [key, node] : top) {
        if (key != "services") note_top(key, node, context, drafts[all.front().first]);
    }
    return {};
}

}  // namespace

Result<void> import_compose(const std::string& text, const ComposeContext& context,
                            Drafts& drafts) {
    if (text.size() > kMaxText) return fail(context.file_name + ": too long");
    try {
        return import_root(YAML::Load(text), context, drafts);
    } catch (const YAML::Exception& error) {
        return fail(fmt::format("{}:{}:{}: {}", context.file_name, error.mark.line + 1,
                                error.mark.column + 1, plain(error.msg)));
    }
}

}  // namespace jailsvc::import
