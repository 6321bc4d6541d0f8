#include "control/varlink.hpp"

#include <fmt/format.h>

namespace jailsvc::control {
namespace {

constexpr std::string_view kServiceDescription = R"(# What every varlink service answers.
interface org.varlink.service

method GetInfo() -> (
  vendor: string,
  product: string,
  version: string,
  url: string,
  interfaces: []string
)

method GetInterfaceDescription(interface: string) -> (description: string)

error InterfaceNotFound (interface: string)
error MethodNotFound (method: string)
error MethodNotImplemented (method: string)
error InvalidParameter (parameter: string)
error PermissionDenied ()
error ExpectedMore ()
)";

Reply standard_error(std::string_view name, const char* key, std::string_view value) {
    return {.error = fmt::format("{}.{}", kServiceInterface, name), .parameters = {{key, value}}};
}

Reply describe(const Json& parameters) {
    const auto interface = parameters.find("interface");
    if (interface == parameters.end() || !interface->is_string()) {
        return invalid_parameter("interface");
    }
    const auto& name = interface->get_ref<const std::string&>();
    if (name == kInterface) return {.parameters = {{"description", control_description()}}};
    if (name == kServiceInterface) return {.parameters = {{"description", service_description()}}};
    return interface_not_found(name);
}

}  // namespace

std::string_view service_description() {
    return kServiceDescription;
}

MethodName split_method(std::string_view qualified) {
    const std::size_t dot = qualified.rfind('.');
    if (dot == std::string_view::npos) return {};
    return {qualified.substr(0, dot), qualified.substr(dot + 1)};
}

Reply error_reply(std::string_view name, Json parameters) {
    return {.error = fmt::format("{}.{}", kInterface, name), .parameters = std::move(parameters)};
}

Reply failed(std::string_view message) {
    return error_reply("Failed", {{"message", message}});
}

Reply interface_not_found(std::string_view interface) {
    return standard_error("InterfaceNotFound", "interface", interface);
}
Reply method_not_found(std::string_view method) {
    return standard_error("MethodNotFound", "method", method);
}
Reply method_not_implemented(std::string_view method) {
    return standard_error("MethodNotImplemented", "method", method);
}
Reply invalid_parameter(std::string_view parameter) {
    return standard_error("InvalidParameter", "parameter", parameter);
}

Reply answer_service_call(const Call& call) {
    const std::string_view method = split_method(call.method).method;
    if (method == "GetInterfaceDescription") return describe(call.parameters);
    if (method != "GetInfo") return method_not_found(call.method);
    return {.parameters = {{"vendor", "jailsvc"},
                           {"product", "jailsvc"},
                           {"version", JAILSVC_VERSION},
                           {"url", ""},
                           {"interfaces", {kServiceInterface, kInterface}}}};
}

}  // namespace jailsvc::control
