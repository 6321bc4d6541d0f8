#include "jailer/tools/tool_arguments.hpp"

namespace jailsvc::jailer {

ToolArguments split_arguments(const std::vector<std::string>& arguments) {
    ToolArguments out;
    bool options_end = false;
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        const std::string& argument = arguments[i];
        if (options_end || !argument.starts_with("--")) {
            out.rest.push_back(argument);
        } else if (argument == "--") {
            options_end = true;
        } else {
            out.options.push_back(argument);
            const bool whole = argument == "--quiet" || argument.find('=') != std::string::npos;
            if (!whole && i + 1 < arguments.size()) {
                out.options.push_back(arguments[++i]);
            }
        }
    }
    return out;
}

}  // namespace jailsvc::jailer
