#pragma once

#include <algorithm>
#include <string>
#include <string_view>

#include "context.hpp"

namespace jailsvc::ctl {

/// The plan's operations, by name.
class PlanView {
public:
    explicit PlanView(const Json& plan) : all_(plan.value("operations", Json::array())) {}

    [[nodiscard]] const Json* find(std::string_view operation, std::string_view field = "",
                                   std::string_view value = "") const {
        const auto found = std::ranges::find_if(all_, [&](const Json& op) {
            return text(op, "operation") == operation &&
                   (field.empty() || text(op, field) == value);
        });
        return found == all_.end() ? nullptr : &*found;
    }
    [[nodiscard]] bool has_namespace(std::string_view type) const {
        return find("namespace", "type", type) != nullptr;
    }
    [[nodiscard]] const Json& all() const { return all_; }

    [[nodiscard]] static std::string text(const Json& op, std::string_view field) {
        const auto found = op.find(field);
        return found != op.end() && found->is_string() ? found->get<std::string>() : "";
    }
    [[nodiscard]] static bool has_flag(const Json& op, std::string_view flag) {
        const Json flags = op.value("flags", Json::array());
        return std::ranges::find(flags, Json(flag)) != flags.end();
    }

private:
    Json all_;
};

/// Whether one of the words of `all`, divided by blanks, is `word`.
[[nodiscard]] inline bool has_word(std::string_view all, std::string_view word) {
    return (" " + std::string(all) + " ").find(" " + std::string(word) + " ") != std::string::npos;
}

}  // namespace jailsvc::ctl
