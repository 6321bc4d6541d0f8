#pragma once

#include "selftest/own_groups.hpp"

namespace jailsvc::jailer::test {

using selftest::own_groups;

}  // namespace jailsvc::jailer::test
