#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "base/fd.hpp"
#include "jailer/jail/jail.hpp"
#include "jailer/loop/program.hpp"

namespace jailsvc::jailer {

/// What services have handed over for their next start: as the keeper tells it, who has it from the
/// engine.
class FdStores {
public:
    void add(const std::string& unit, std::uint16_t index, Fd fd);
    /// The whole list: what is not in it has gone. Empty: all.
    void name(const std::string& unit, std::string_view text);
    void forget(const std::string& unit) { stores_.erase(unit); }

    /// Passes them to a main process, after those it has been given already, as sd_listen_fds(3)
    /// finds them.
    void give(const std::string& unit, Program& program, Environment& environment);

private:
    struct Store {
        std::map<std::uint16_t, Fd> fds;
        std::map<std::uint16_t, std::string> names;
    };
    std::map<std::string, Store> stores_;
};

}  // namespace jailsvc::jailer
