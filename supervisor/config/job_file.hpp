#pragma once

#include <map>
#include <string>
#include <vector>

#include "config/document.hpp"
#include "config/load.hpp"

namespace jailsvc::config {

/// What `jailsvc run` was asked for. All of it is as hostile as a command line can be.
struct JobWish {
    std::vector<std::string> command;  ///< the program by its path
    std::string profile = {};          ///< empty: the default
    std::string keep = "1h";
    std::string output_cap = "2000000";
    std::vector<std::string> environment = {};  ///< "NAME=VALUE"
    std::vector<std::string> properties = {};   ///< "TABLE.KEY=VALUE"
    std::vector<std::string> timer = {};        ///< "KEY=VALUE"
    bool stdin_ = false;
    bool terminal = false;
};

/// The job's unit file, written from values and never from pieces of text; checked as far as that
/// can be without its profile.
[[nodiscard]] Checked<std::string> job_file(const Schema& schema, const JobWish& wish);

}  // namespace jailsvc::config
