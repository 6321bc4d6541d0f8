#include "context.hpp"

#include <fmt/format.h>

#include <cstdio>

#include "patience.hpp"
#include "text.hpp"

namespace jailsvc::ctl {
namespace {

constexpr std::string_view kInterface = "io.jailsvc.Control.";

std::string text_of(const Json& parameters, const char* key) {
    const auto found = parameters.find(key);
    return found != parameters.end() && found->is_string() ? found->get<std::string>() : "";
}

std::string lines_of(const Json& parameters, const char* key) {
    std::string lines;
    for (const auto& line : parameters.value(key, Json::array())) {
        lines += "\n" + (line.is_string() ? line.get<std::string>() : line.dump());
    }
    return lines;
}

/// What an error reply means for the user, and the exit code.
Error explain(const control::Reply& reply) {
    std::string_view name = reply.error;
    if (name.starts_with(kInterface)) name.remove_prefix(kInterface.size());
    const Json& details = reply.parameters;
    const std::string unit = text_of(details, "unit");
    if (name == "NoSuchUnit") {
        const std::string nearest = text_of(details, "nearest");
        const std::string hint = nearest.empty() ? "`jailsvc list` shows what there is"
                                                 : fmt::format("did you mean \"{}\"?", nearest);
        return {fmt::format("no unit \"{}\"; {}", unit, hint), kNoSuchUnit};
    }
    if (name == "IsTemplate") {
        return {fmt::format("{} is a template; name an instance of it, as in \"{}1\"", unit, unit),
                kUsage};
    }
    if (name == "PermissionDenied") {
        return {fmt::format("this needs the role \"{}\": {}", text_of(details, "role"),
                            text_of(details, "role") == "operate"
                                ? "run it as root or as a member of group jailsvc"
                                : "run it as root"),
                kNotPermitted};
    }
    if (name == "IsAlias") return {"is another name of " + unit, kAlias};
    if (name == "NotRunning") {
        return {fmt::format("{} is not running; `jailsvc start {}` starts it", unit, unit),
                kNotRunning};
    }
    if (name == "InvalidUnit") {
        return {fmt::format("{} has errors:{}", unit, lines_of(details, "errors")), kNotConfigured};
    }
    if (name == "LimitReached") {
        return {text_of(details, "what"), kFailure};
    }
    if (name == "NotExecuted") {
        return {text_of(details, "message"),
                details.value("not_found", false) ? kNotFound : kNotExecutable};
    }
    if (name == "InvalidProperty") return {text_of(details, "message"), kUsage};
    if (name == "Failed") return {text_of(details, "message"), kFailure};
    return {fmt::format("{} {}", name, details.dump()), kFailure};
}

/// What a script may branch on; as the control interface names its errors.
const char* error_name(int code) {
    switch (code) {
        case kUsage:
            return "Usage";
        case kNotPermitted:
            return "PermissionDenied";
        case kNoSuchUnit:
            return "NoSuchUnit";
        case kNotConfigured:
            return "InvalidUnit";
        case kNotRunning:
            return "NotRunning";
        case kNotExecutable:
        case kNotFound:
            return "NotExecuted";
        default:
            return "Failed";
    }
}

}  // namespace

std::string socket_of(const Context& context) {
    if (!context.socket.empty()) return context.socket;
    return (context.state.empty() ? "/run/jailsvc" : context.state + "/run") + "/control";
}

Result<control::Client> connect(const Context& context) {
    const std::string socket = socket_of(context);
    auto client = control::Client::connect(socket);
    if (client) return client;
    const int code = client.error().code;
    if (code == EACCES) return fail(socket + ": permission denied", kNotPermitted);
    return fail(fmt::format("no supervisor answers at {} ({}); start jailsvc-init, or say where it "
                            "is with --state DIR",
                            socket, ::strerrordesc_np(code)),
                kFailure);
}

Result<control::Answer> checked(Result<control::Answer> answer) {
    if (!answer) return fail_in("the supervisor went away", {answer.error().message, kFailure});
    if (!answer->reply.error.empty()) return std::unexpected(explain(answer->reply));
    return answer;
}

Result<control::Answer> ask(const Context& context, std::string_view method,
                            const Json& parameters) {
    TRY(control::Client client, connect(context));
    return ask_on(context, client, method, parameters);
}

Result<control::Answer> ask_on(const Context& context, control::Client& client,
                               std::string_view method, const Json& parameters) {
    if (auto sent = client.send(method, parameters); !sent) {
        return checked(std::unexpected(std::move(sent).error()));
    }
    TRY_VOID(await_answer(client, socket_of(context)));
    return checked(client.receive());
}

Json error_json(const Error& error) {
    return {{"error", error_name(error.code)}, {"message", error.message}};
}

int report(const Context& context, const Error& error) {
    if (context.json) {
        print_json(error_json(error));
        return error.code != 0 ? error.code : kFailure;
    }
    std::fprintf(stderr, "jailsvc: %s\n", printable_lines(error.message).c_str());
    return error.code != 0 ? error.code : kFailure;
}

void print_json(const Json& value) {
    std::puts(value.dump(2, ' ', false, Json::error_handler_t::replace).c_str());
}

Result<void> print_value(const Json& object, const std::string& field) {
    const auto found = object.find(field);
    if (found == object.end()) {
        std::string known;
        for (const auto& [name, value] : object.items()) known += " " + name;
        return fail(fmt::format("--value: no field \"{}\"; there are{}", field, known), kUsage);
    }
    if (found->is_null()) {
        std::puts("");
    } else {
        std::puts(found->is_string() ? found->get<std::string>().c_str() : found->dump().c_str());
    }
    return {};
}

}  // namespace jailsvc::ctl
