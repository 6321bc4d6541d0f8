#pragma once

#include <catch2/catch.hpp>
#include <map>
#include <string>
#include <utility>

#include "fake_host.hpp"

/// The plan of the one plugin that is linked into the test.
namespace jailsvc::test {

using Keys = std::map<std::string, FakeHost::Value>;

/// The host after a plan that must succeed.
inline FakeHost planned_by(FakeHost host) {
    const int rc = host.plan(*jailsvc_plugin_entry());
    INFO(host.failed_key << ": " << host.failure);
    REQUIRE(rc == 0);
    return host;
}
inline FakeHost planned(Keys keys) {
    FakeHost host;
    host.keys = std::move(keys);
    return planned_by(std::move(host));
}

/// Plans, which must be refused; "key: message".
inline std::string refusal_by(FakeHost host) {
    REQUIRE(host.plan(*jailsvc_plugin_entry()) == -ECANCELED);
    return host.failed_key + ": " + host.failure;
}
inline std::string refusal(Keys keys) {
    FakeHost host;
    host.keys = std::move(keys);
    return refusal_by(std::move(host));
}

}  // namespace jailsvc::test
