#include "base/shared_text.hpp"

namespace jailsvc {

SharedText::SharedText(std::string_view text) {
    while (!text.empty()) {
        // Where the next line begins a table, or what looks like one: the split is no more than a
        // guess at what other texts have in common.
        const auto end = text.find("\n[");
        const auto length = end == std::string_view::npos ? text.size() : end + 1;
        pieces_.emplace_back(std::string(text.substr(0, length)));
        text.remove_prefix(length);
    }
    pieces_.shrink_to_fit();
}

std::string SharedText::str() const {
    std::string text;
    for (const auto& piece : pieces_) text += *piece;
    return text;
}

}  // namespace jailsvc
