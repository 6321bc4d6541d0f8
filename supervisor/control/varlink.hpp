#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "control/message.hpp"

/// What both ends know of the interfaces: names, standard errors, descriptions.
namespace jailsvc::control {

inline constexpr std::string_view kInterface = "io.jailsvc.Control";
inline constexpr std::string_view kServiceInterface = "org.varlink.service";

/// Text of io.jailsvc.Control.varlink, as installed in share/varlink.
[[nodiscard]] std::string_view control_description();
/// Text of org.varlink.service (https://varlink.org/Service).
[[nodiscard]] std::string_view service_description();

/// "io.jailsvc.Control" and "Start" of a method's qualified name; both empty if there is no dot.
struct MethodName {
    std::string_view interface;
    std::string_view method;
};
[[nodiscard]] MethodName split_method(std::string_view qualified);

/// An error reply of our own interface: NoSuchUnit, Failed, ….
[[nodiscard]] Reply error_reply(std::string_view name, Json parameters);
/// "Failed" with a message for people.
[[nodiscard]] Reply failed(std::string_view message);

// The standard errors of org.varlink.service.
[[nodiscard]] Reply interface_not_found(std::string_view interface);
[[nodiscard]] Reply method_not_found(std::string_view method);
[[nodiscard]] Reply method_not_implemented(std::string_view method);
[[nodiscard]] Reply invalid_parameter(std::string_view parameter);

/// Answers GetInfo and GetInterfaceDescription; MethodNotFound for anything else.
[[nodiscard]] Reply answer_service_call(const Call& call);

}  // namespace jailsvc::control
