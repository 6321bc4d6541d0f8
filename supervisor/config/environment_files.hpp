#pragma once

#include <sys/stat.h>

#include <map>
#include <string>

#include "config/document.hpp"
#include "config/trusted_dir.hpp"
#include "config/unit.hpp"

/// Files of [environment] `file` are part of the effective unit: an edited one makes it another.
/// They may hold secrets and be readable by root alone, so what stands for their content is what
/// stat(2) tells everybody who may search their directory; no digest of theirs is there to be
/// guessed from.
namespace jailsvc::config {

/// Changes whenever the file is written or replaced: its ctime cannot be set.
[[nodiscard]] std::string stamp_of(const struct stat& info);

/// Stamps by path of the files that the document names. Missing and untrusted ones are reported.
[[nodiscard]] std::map<std::string, std::string> stamp_environment_files(const Document& document,
                                                                         Trust trust,
                                                                         Reporter& reporter);

/// Makes the stamps part of the unit: in its table, and as comments in its text and so its digest.
void add_stamps(Unit& unit, std::map<std::string, std::string> stamps);

}  // namespace jailsvc::config
