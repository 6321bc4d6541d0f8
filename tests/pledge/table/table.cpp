// Prints docs/PLEDGE.md from the plugin's table.
#include <cstdio>
#include <map>
#include <string>

#include "promises.hpp"

namespace {

using namespace pledge;

/// "with wpath: O_RDWR, nothing made": what must hold for the call to pass.
std::string condition(const Rule& rule) {
    std::string text;
    if (rule.also != 0) text += "with " + words_of(rule.also);
    if (rule.unless != 0) text += "without " + words_of(rule.unless);
    if (!rule.note.empty()) text += (text.empty() ? "" : ": ") + std::string(rule.note);
    return text;
}

void print(const Name& name) {
    std::string whole;
    std::map<std::string_view, std::string> checked;
    for (const Group& group : groups()) {
        if ((group.promises & name.promise) == 0) continue;
        for (const Rule& rule : group.rules) {
            const std::string text = condition(rule);
            if (text.empty()) {
                whole += (whole.empty() ? "" : " ") + std::string(rule.call);
            } else {
                std::string& all = checked[rule.call];
                if (all.find(text) != std::string::npos) continue;
                all += (all.empty() ? "" : "; ") + text;
            }
        }
    }
    std::printf("## %s\n\n%s.\n\n", std::string(name.name).c_str(),
                std::string(name.meaning).c_str());
    if (!whole.empty()) std::printf("`%s`\n\n", whole.c_str());
    for (const auto& [call, text] : checked) {
        std::printf("- `%s`: %s\n", std::string(call).c_str(), text.c_str());
    }
    if (!checked.empty()) std::printf("\n");
}

}  // namespace

int main() {
    std::printf(
        "# Promises, system call by system call\n\n"
        "Written by the program `pledge-table` from the plugin's own table. A call that stands in "
        "a "
        "list\npasses with any arguments; one with a colon passes if what follows holds. `execve` "
        "and `execveat`\npass once without the promise. ");
    for (const std::string_view call : absent()) {
        std::printf("`%s` ", std::string(call).c_str());
    }
    std::printf(
        "and\ncalls with a number above %d do not exist (ENOSYS). All others are violations.\n\n",
        kNewestCall);
    for (const Name& name : names()) print(name);
    return 0;
}
