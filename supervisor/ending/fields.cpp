#include "ending/fields.hpp"

namespace jailsvc::ending {
namespace {

bool is_blank(char c) noexcept {
    return c == ' ' || c == '\t';
}

bool is_octal(const char* text) noexcept {
    for (int i = 1; i <= 3; ++i) {
        if (text[i] < '0' || text[i] > '7') return false;
    }
    return text[0] == '\\';
}

void decode(char* text) noexcept {
    char* out = text;
    while (*text != '\0') {
        const bool octal = is_octal(text);
        const int code = octal ? (text[1] - '0') * 64 + (text[2] - '0') * 8 + text[3] - '0' : *text;
        *out++ = static_cast<char>(code);
        text += octal ? 4 : 1;
    }
    *out = '\0';
}

}  // namespace

char* cut_last_line(char* text, std::size_t& size) noexcept {
    if (size > 0 && text[size - 1] == '\n') --size;
    text[size] = '\0';
    while (size > 0 && text[size - 1] != '\n') --size;
    return text + size;
}

char* cut_field(char* line, unsigned number) noexcept {
    for (;; --number) {
        while (is_blank(*line)) ++line;
        if (*line == '\0') return nullptr;
        char* end = line;
        while (*end != '\0' && !is_blank(*end)) ++end;
        if (number == 0) {
            *end = '\0';
            decode(line);
            return line;
        }
        line = end;
    }
}

}  // namespace jailsvc::ending
