#include "config/nearest.hpp"

#include <algorithm>

namespace jailsvc::config {
namespace {

constexpr std::size_t kMaxWord = 64;    // nobody misspells longer words; bounds the work
constexpr std::size_t kMaxQuoted = 80;  // of hostile text in a message [bytes]

}  // namespace

std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> before(b.size() + 1), above(b.size() + 1), row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j) above[j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t replace = above[j - 1] + (a[i - 1] == b[j - 1] ? 0U : 1U);
            row[j] = std::min({above[j] + 1, row[j - 1] + 1, replace});
            const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if (swapped) row[j] = std::min(row[j], before[j - 2] + 1);
        }
        std::swap(before, above);
        std::swap(above, row);
    }
    return above[b.size()];
}

std::string nearest(std::string_view word, const std::vector<std::string>& candidates) {
    if (word.empty() || word.size() > kMaxWord) return {};
    const std::string* best = nullptr;
    std::size_t least = std::max<std::size_t>(word.size() / 3, 1) + 1;
    for (const std::string& candidate : candidates) {
        const std::size_t distance = edit_distance(word, candidate);
        if (distance >= least || distance >= candidate.size()) continue;
        least = distance;
        best = &candidate;
    }
    return best != nullptr ? *best : std::string();
}

std::string join_or(const std::vector<std::string>& words) {
    std::string text;
    for (std::size_t i = 0; i < words.size(); ++i) {
        if (i > 0) text += i + 1 == words.size() ? " or " : ", ";
        text += "\"" + words[i] + "\"";
    }
    return text;
}

std::string shown(std::string_view text) {
    const bool shortened = text.size() > kMaxQuoted;
    if (shortened) {
        text = text.substr(0, kMaxQuoted);
        // Not in the middle of a UTF-8 sequence.
        while (!text.empty() && (static_cast<unsigned char>(text.back()) & 0xc0U) == 0x80U) {
            text.remove_suffix(1);
        }
        if (!text.empty() && static_cast<unsigned char>(text.back()) >= 0xc0U) {
            text.remove_suffix(1);
        }
    }
    std::string out = "\"";
    for (const char c : text) out += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c;
    return out + (shortened ? "…\"" : "\"");
}

}  // namespace jailsvc::config
