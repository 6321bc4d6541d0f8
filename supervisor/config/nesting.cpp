#include "config/nesting.hpp"

namespace jailsvc::config {
namespace {

/// Walks over TOML tokens as far as brackets and dots need it. Malformed text may mislead it, but
/// only after the byte at which the parser stops anyway.
class Scanner {
public:
    Scanner(std::string_view text, std::size_t limit) : text_(text), limit_(limit) {}

    std::optional<TextPlace> run() {
        while (at_ < text_.size()) {
            const char c = text_[at_];
            if (c == '"' || c == '\'') {
                skip_string(c);
                continue;
            }
            if (c == '#') {
                skip_comment();
                continue;
            }
            count(c);
            if (open_ > limit_ || dots_ > limit_) return place_;
            advance();
        }
        return std::nullopt;
    }

private:
    void count(char c) {
        switch (c) {
            case '.':
                ++dots_;
                break;
            case '[':
            case '{':
                ++open_;
                dots_ = 0;
                break;
            case ']':
            case '}':
                open_ -= open_ > 0 ? 1U : 0U;
                dots_ = 0;
                break;
            case '=':
            case ',':
            case '\n':
                dots_ = 0;
                break;
            default:
                break;
        }
    }

    void advance() {
        if (text_[at_] == '\n') {
            ++place_.line;
            place_.column = 1;
        } else {
            ++place_.column;
        }
        ++at_;
    }

    void skip_comment() {
        while (at_ < text_.size() && text_[at_] != '\n') advance();
    }

    bool three(char quote) const {
        const std::string_view next = text_.substr(at_, 3);
        return next.size() == 3 && next[0] == quote && next[1] == quote && next[2] == quote;
    }

    void skip_string(char quote) {
        const bool multi = three(quote);
        for (int i = 0; i < (multi ? 3 : 1); ++i) advance();
        while (at_ < text_.size()) {
            if (multi ? three(quote) : text_[at_] == quote) break;
            if (!multi && text_[at_] == '\n') return;
            if (quote == '"' && text_[at_] == '\\') advance();
            if (at_ < text_.size()) advance();
        }
        for (int i = 0; i < (multi ? 3 : 1) && at_ < text_.size(); ++i) advance();
        // A multi-line string may end in up to two quotes of its own content.
        for (int i = 0; multi && i < 2 && at_ < text_.size() && text_[at_] == quote; ++i) advance();
    }

    std::string_view text_;
    std::size_t limit_;
    std::size_t at_ = 0;
    std::size_t open_ = 0;
    std::size_t dots_ = 0;
    TextPlace place_;
};

}  // namespace

std::optional<TextPlace> find_deep_nesting(std::string_view text, std::size_t limit) {
    return Scanner(text, limit).run();
}

}  // namespace jailsvc::config
