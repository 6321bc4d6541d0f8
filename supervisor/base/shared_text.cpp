#include "base/shared_text.hpp"

#include <utility>
#include <vector>

namespace jailsvc {

SharedText::SharedText(std::string_view text) {
    std::vector<Interned<std::string>> pieces;
    while (!text.empty()) {
        // Where the next line begins a table, or what looks like one: the split is no more than a
        // guess at what other texts have in common.
        const auto end = text.find("\n[");
        const auto length = end == std::string_view::npos ? text.size() : end + 1;
        pieces.emplace_back(std::string(text.substr(0, length)));
        text.remove_prefix(length);
    }
    pieces_ = std::move(pieces);
}

std::string SharedText::str() const {
    std::string text;
    for (const auto& piece : pieces_) text += *piece;
    return text;
}

}  // namespace jailsvc
