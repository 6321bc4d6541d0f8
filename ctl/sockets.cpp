#include <cstdio>

#include "commands.hpp"
#include "text.hpp"

namespace jailsvc::ctl {
namespace {

std::vector<std::string> row_of(const Json& socket) {
    const auto text = [&](const char* key) { return printable(socket.value(key, std::string())); };
    const auto number = [&](const char* key) {
        return std::to_string(socket.value(key, std::uint64_t{0}));
    };
    const bool open = socket.value("open", false);
    return {text("address"),       text("unit"),        text("name"),
            text("activation"),    open ? "yes" : "no", text("state"),
            number("connections"), number("accepted"),  number("refused")};
}

}  // namespace

int run_list_sockets(const Context& context) {
    const auto answer = ask(context, "ListSockets", Json::object());
    if (!answer) return report(context, answer.error());
    const Json sockets = answer->reply.parameters.value("sockets", Json::array());
    if (context.json) {
        print_json({{"sockets", sockets}});
        return kOk;
    }
    std::vector<std::vector<std::string>> rows{{"ADDRESS", "UNIT", "NAME", "ACTIVATION", "OPEN",
                                                "STATE", "CONNECTIONS", "ACCEPTED", "REFUSED"}};
    for (const Json& socket : sockets) rows.push_back(row_of(socket));
    std::fputs(table(rows).c_str(), stdout);
    return kOk;
}

}  // namespace jailsvc::ctl
