#include "config/specifiers.hpp"

#include <fmt/format.h>

#include "config/companions.hpp"
#include "config/nearest.hpp"

namespace jailsvc::config {
namespace {

/// Of one value after replacement [bytes]: names repeated in a large file must not fill memory.
constexpr std::size_t kMaxExpanded = 1U << 17;

Result<std::string> meaning_of(char letter, const Specifiers& specifiers) {
    switch (letter) {
        case '%':
            return "%";
        case 'n':
            return specifiers.name;
        case 'p':
            return specifiers.prefix;
        case 't':
            return specifiers.runtime_root;
        case 'S':
            return specifiers.state_root;
        case 'i':
            if (specifiers.instance) return *specifiers.instance;
            return fail("%i stands for nothing: the unit is no instance of a template");
        case 'I':
            if (specifiers.instance) return unit_of_companion(*specifiers.instance);
            return fail("%I stands for nothing: the unit is no instance of a template");
        case 'u':
            if (specifiers.user) return *specifiers.user;
            return fail(
                "%u stands for nothing: the unit names no user, and a dynamic one's name is "
                "chosen at its start; set user (and dynamic_user = false) in [jail.identity]");
        default:
            break;
    }
    return fail(
        fmt::format("unknown specifier {}; use %i %I %n %p %u %t %S, or %% for a percent sign",
                    shown(std::string{'%', letter})));
}

/// "50%": at the end and after a digit it is a percent sign and nothing else.
bool is_percentage(std::string_view text, std::size_t at) {
    return at > 0 && at + 1 == text.size() && text[at - 1] >= '0' && text[at - 1] <= '9';
}

class Expander {
public:
    Expander(const Specifiers& specifiers, Reporter& reporter)
        : specifiers_(specifiers), reporter_(reporter) {}

    void operator()(bool) {}
    void operator()(std::int64_t) {}
    void operator()(const IntegerList&) {}
    void operator()(Text& text) {
        auto expanded = expand(text.text, specifiers_);
        if (expanded) {
            text.text = std::move(*expanded);
        } else {
            reporter_.add(text.where, expanded.error().message);
        }
    }
    void operator()(TextList& list) {
        for (Text& one : list) (*this)(one);
    }
    void operator()(TextMap& map) {
        for (auto& [name, text] : map) (*this)(text);
    }
    void operator()(std::vector<TextList>& lists) {
        for (TextList& one : lists) (*this)(one);
    }

private:
    const Specifiers& specifiers_;
    Reporter& reporter_;
};

/// Of the names that a kRestKey stands for ("/srv/%i"); a key of a schema has no '%'.
void expand_names(Section& section, const Specifiers& specifiers, Reporter& reporter) {
    for (auto at = section.keys.begin(); at != section.keys.end();) {
        if (at->first.find('%') == std::string::npos) {
            ++at;
            continue;
        }
        auto entry = section.keys.extract(at++);
        const Where where = entry.mapped().where;
        auto name = expand(entry.key(), specifiers);
        if (!name) {
            reporter.add(where, fmt::format("{}: {}", shown(entry.key()), name.error().message));
            continue;
        }
        entry.key() = std::move(*name);
        const auto put = section.keys.insert(std::move(entry));
        if (!put.inserted)
            reporter.add(where, fmt::format("{}: there twice", shown(put.node.key())));
    }
}

}  // namespace

Result<std::string> expand(std::string_view text, const Specifiers& specifiers) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            out += text[i];
            continue;
        }
        if (is_percentage(text, i)) {
            out += '%';
            continue;
        }
        if (++i == text.size()) return fail("a lone % at the end; write %% for a percent sign");
        TRY(const std::string meaning, meaning_of(text[i], specifiers));
        out += meaning;
        if (out.size() > kMaxExpanded) return fail("too long after its specifiers are replaced");
    }
    return out;
}

void expand(Document& document, const Specifiers& specifiers, Reporter& reporter) {
    Expander expander(specifiers, reporter);
    for (auto& [name, section] : document.sections) {
        const std::size_t before = reporter.count();
        for (auto at = section.keys.begin(); at != section.keys.end();) {
            const std::size_t found = reporter.count();
            std::visit(expander, at->second.data);
            at = reporter.count() == found ? std::next(at) : section.keys.erase(at);
        }
        expand_names(section, specifiers, reporter);
        if (reporter.count() != before) section.incomplete = section.flawed = true;
    }
}

}  // namespace jailsvc::config
