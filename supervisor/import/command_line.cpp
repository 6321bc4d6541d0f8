#include "import/command_line.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "import/directive.hpp"

namespace jailsvc::import {
namespace {

/// What stands before the program's path; each is of one letter.
void take_prefixes(std::string& program, CommandLine& command, bool& raw, bool& named) {
    while (!program.empty()) {
        const char prefix = program.front();
        if (prefix == '-') {
            command.notes.emplace_back("\"-\": a failure counts as one here");
        } else if (prefix == '@') {
            named = true;
            command.notes.emplace_back("\"@\": the program gets its path as its name");
        } else if (prefix == '+' || prefix == '!') {
            command.notes.emplace_back("\"+\", \"!\": it runs in the jail as all others do");
        } else if (prefix == ':') {
            raw = true;
        } else if (prefix != '|') {
            return;
        }
        program.erase(0, 1);
    }
}

bool is_name_start(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/// Whether systemd would replace something in it: "$NAME", "${NAME}"; "$$" is a dollar.
bool has_variable(std::string_view word) {
    for (std::size_t i = 0; i + 1 < word.size(); ++i) {
        if (word[i] != '$') continue;
        if (word[i + 1] == '$') {
            ++i;
        } else if (word[i + 1] == '{' || is_name_start(word[i + 1])) {
            return true;
        }
    }
    return false;
}

std::string without_doubled_dollars(std::string word) {
    for (std::size_t at = 0; (at = word.find("$$", at)) != std::string::npos; ++at) {
        word.erase(at, 1);
    }
    return word;
}

/// For a shell: "${NAME}" is one word, a word that is nothing but "$NAME" is split at blanks.
std::string shell_word(std::string_view word) {
    if (word.size() > 1 && word[0] == '$' && is_name_start(word[1])) {
        const bool alone = std::all_of(word.begin() + 1, word.end(), [](char c) {
            return is_name_start(c) || (c >= '0' && c <= '9');
        });
        if (alone) return std::string(word);
    }
    std::string out = "\"";
    for (std::size_t i = 0; i < word.size(); ++i) {
        const bool doubled = word[i] == '$' && i + 1 < word.size() && word[i + 1] == '$';
        const bool variable = word[i] == '$' && i + 1 < word.size() &&
                              (word[i + 1] == '{' || is_name_start(word[i + 1]));
        if (doubled) {
            out += "\\$";
            ++i;
            continue;
        }
        if ((word[i] == '$' && !variable) || word[i] == '"' || word[i] == '\\' || word[i] == '`') {
            out += '\\';
        }
        out += word[i];
    }
    return out + '"';
}

/// "-f": names of files are not looked up for what variables hold.
std::vector<std::string> through_a_shell(const std::vector<std::string>& words) {
    std::string script = "exec";
    for (const std::string& word : words) {
        script += ' ' + (has_variable(word) ? shell_word(word)
                                            : shell_quoted(without_doubled_dollars(word)));
    }
    return {"/bin/sh", "-fc", script};
}

Result<CommandLine> to_command(std::vector<std::string> words) {
    CommandLine command;
    bool raw = false;
    bool named = false;
    take_prefixes(words.front(), command, raw, named);
    if (words.front().empty()) return fail("names no program");
    if (named && words.size() > 1) words.erase(words.begin() + 1);
    if (!words.front().starts_with('/')) words.front() = path_of_program(words.front());
    for (std::string& word : words) {
        TRY(word, with_our_specifiers(word));
    }
    if (!raw && std::ranges::any_of(words, has_variable)) {
        command.notes.emplace_back(
            "its variables are replaced by a shell, which it needs in its jail");
        command.argv = through_a_shell(words);
        return command;
    }
    for (std::string& word : words) {
        command.argv.push_back(raw ? std::move(word) : without_doubled_dollars(std::move(word)));
    }
    return command;
}

}  // namespace

std::string shell_quoted(std::string_view word) {
    std::string out = "'";
    for (const char c : word) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
    return out + "'";
}

std::string path_of_program(const std::string& name) {
    for (const char* folder :
         {"/usr/local/sbin/", "/usr/local/bin/", "/usr/sbin/", "/usr/bin/", "/sbin/", "/bin/"}) {
        if (::access((folder + name).c_str(), X_OK) == 0) return folder + name;
    }
    return "/usr/bin/" + name;
}

Result<std::vector<CommandLine>> parse_command_line(std::string_view text) {
    TRY(const auto words, split_words(text));
    std::vector<CommandLine> commands;
    std::vector<std::string> current;
    const auto end = [&]() -> Result<void> {
        if (current.empty()) return {};
        TRY(auto command, to_command(std::exchange(current, {})));
        commands.push_back(std::move(command));
        return {};
    };
    for (const std::string& word : words) {
        if (word == ";") {
            TRY_VOID(end());
        } else {
            current.push_back(word);
        }
    }
    TRY_VOID(end());
    if (commands.empty()) return fail("names no program");
    return commands;
}

}  // namespace jailsvc::import
