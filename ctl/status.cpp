#include <algorithm>
#include <cstdio>

#include "commands.hpp"
#include "unit_view.hpp"

namespace jailsvc::ctl {
namespace {

/// What was asked for as far as it is known, and what is wrong with the rest.
struct Known {
    Json units = Json::array();
    Json templates = Json::array();  ///< if no unit was named
    std::vector<Error> errors;
};

/// One call for all. A call that names one unknown unit is refused as a whole; then each by itself.
Known ask_status(const Context& context, const std::vector<std::string>& units) {
    Known known;
    auto answer = ask(context, "Status", {{"units", units}});
    if (answer) {
        known.units = answer->reply.parameters.value("units", Json::array());
        known.templates = answer->reply.parameters.value("templates", Json::array());
        return known;
    }
    const int code = answer.error().code;
    const bool of_one = code == kNoSuchUnit || code == kNotConfigured || code == kUsage;
    if (units.size() < 2 || !of_one) {
        known.errors.push_back(std::move(answer).error());
        return known;
    }
    for (const std::string& unit : units) {
        const Known one = ask_status(context, {unit});
        for (const Json& status : one.units) known.units.push_back(status);
        known.errors.insert(known.errors.end(), one.errors.begin(), one.errors.end());
    }
    return known;
}

/// One error alone stands for itself, as for every other command.
void print_status_json(const Known& known, bool named) {
    if (known.units.empty() && known.errors.size() == 1) {
        return print_json(error_json(known.errors[0]));
    }
    Json all{{"units", known.units}};
    if (!named) all["templates"] = known.templates;
    for (const Error& error : known.errors) all["errors"].push_back(error_json(error));
    print_json(all);
}

/// As LSB wants it: whether all run; unknown units weigh most.
int exit_code(const Known& known, bool named) {
    if (!named) return known.errors.empty() ? kOk : known.errors[0].code;
    const bool broken = std::any_of(known.units.begin(), known.units.end(), [](const Json& unit) {
        return unit.value("state", "") == "error";
    });
    if (broken || !known.errors.empty()) return kStatusUnknown;
    const bool all_up = std::all_of(known.units.begin(), known.units.end(), is_up);
    return all_up ? kOk : kStatusStopped;
}

}  // namespace

int run_status(const Context& context, const StatusOptions& options) {
    if (context.json && !options.value.empty()) {
        return report(context, {"--json and --value exclude each other", kUsage});
    }
    const Known known = ask_status(context, options.units);
    const Json& units = known.units;
    const bool named = !options.units.empty();
    if (context.json) {
        print_status_json(known, named);
        return exit_code(known, named);
    }
    for (const Error& error : known.errors) report(context, error);
    if (units.empty() && !known.errors.empty()) return exit_code(known, named);
    if (!options.value.empty()) {
        for (const auto& unit : units) {
            if (const auto shown = print_value(unit, options.value); !shown) {
                return report(context, shown.error());
            }
        }
    } else if (options.units.empty() || options.table) {
        print_table(context, units);
        print_templates(known.templates);
    } else {
        for (std::size_t i = 0; i < units.size(); ++i) {
            if (i > 0) std::puts("");
            print_details(context, units[i]);
        }
    }
    return exit_code(known, named);
}

}  // namespace jailsvc::ctl
