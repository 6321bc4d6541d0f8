#include "words.hpp"

#include <string_view>

namespace jailsvc::ctl {
namespace {

constexpr char kMark = '\x01';

bool needs_mark(std::string_view word) {
    const bool list = word.starts_with('[') && word.ends_with(']');
    return list || word.starts_with(kMark);
}

}  // namespace

std::vector<std::string> marked_words(int argc, char** argv) {
    std::vector<std::string> words;
    bool behind = false;
    for (int i = 0; i < argc; ++i) {
        std::string word = argv[i];
        if (behind && needs_mark(word)) word.insert(0, 1, kMark);
        behind = behind || (i > 0 && (word == "exec" || word == "run"));
        words.push_back(std::move(word));
    }
    return words;
}

void unmark_words(std::vector<std::string>& words) {
    for (std::string& word : words) {
        if (word.starts_with(kMark)) word.erase(0, 1);
    }
}

}  // namespace jailsvc::ctl
