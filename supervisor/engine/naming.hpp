#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "control/message.hpp"
#include "engine/elsewhere.hpp"
#include "engine/jobs.hpp"
#include "service/manager.hpp"

namespace jailsvc::engine {

/// Which units a call means: reads its parameters, loads instances of templates on the way, and
/// says of what is no unit what it is instead.
class Naming {
public:
    Naming(service::Manager& manager, Elsewhere& elsewhere)
        : manager_(manager), elsewhere_(elsewhere) {}

    /// What was read, or what the client is to be answered.
    template <typename T>
    using Answered = std::expected<T, control::Reply>;

    /// Whether a name may bring an instance of a template into being. Not for callers who may only
    /// look: anybody is one, and each name would cost memory, and the time to order all units anew.
    void let_load(bool allowed) { may_load_ = allowed; }

    /// The unit that "unit" names.
    [[nodiscard]] Answered<std::string> unit(const control::Json& parameters);

    /// The name in "unit" whose log may be kept, and where it is no unit's, what to answer if it is
    /// not: logs stay when units go.
    [[nodiscard]] Answered<std::pair<std::string, std::optional<control::Reply>>> logged(
        const control::Json& parameters);

    /// One entry for each of "units", at least one, in their order. Of several, those that are no
    /// units have their outcome already; one alone is refused.
    [[nodiscard]] Answered<std::vector<UnitOutcome>> units(const control::Json& parameters);

    /// "units", whose files need not load; all there are if none is named.
    [[nodiscard]] Answered<std::vector<std::string>> units_to_show(const control::Json& parameters);

    /// All of type Template.
    [[nodiscard]] control::Json templates() const;

private:
    /// Why nothing can be done with a unit of this name.
    struct Fault {
        enum class Kind : std::uint8_t { kUnknown, kTemplate, kErrors };
        Kind kind = Kind::kUnknown;
        std::string unit;
        std::string nearest;
        std::vector<std::string> errors;
    };
    [[nodiscard]] static control::Reply reply_of(const Fault& fault);
    [[nodiscard]] static UnitOutcome outcome_of(const Fault& fault);

    /// Loads those of them that are instances of templates and not known yet, all at once.
    void load_missing(const std::vector<std::string>& units);
    enum class Hint : std::uint8_t { kWanted, kNone };
    /// nullopt: there is such a unit.
    [[nodiscard]] std::optional<Fault> fault_of(const std::string& unit,
                                                Hint hint = Hint::kWanted) const;
    [[nodiscard]] std::string nearest_to(const std::string& unit) const;
    [[nodiscard]] Answered<std::vector<std::string>> names(const control::Json& parameters) const;

    service::Manager& manager_;
    Elsewhere& elsewhere_;
    bool may_load_ = false;
};

/// A parameter that may be absent or null, which is false.
[[nodiscard]] Naming::Answered<bool> flag(const control::Json& parameters, const char* name);

}  // namespace jailsvc::engine
