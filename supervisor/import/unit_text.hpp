#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace jailsvc::import {

/// One "Key=Value" of a unit file of systemd.syntax(7).
struct Directive {
    std::string place;  ///< "nginx.service:12"
    std::string section;
    std::string key;
    std::string value;  ///< continuation lines joined
};

/// All of them in order. What is no directive is an error that names its line.
[[nodiscard]] Result<std::vector<Directive>> parse_unit_text(std::string_view file_name,
                                                             std::string_view text);

/// Words as systemd.syntax(7) quotes them; the escapes of C within quotes and without.
[[nodiscard]] Result<std::vector<std::string>> split_words(std::string_view text);

}  // namespace jailsvc::import
