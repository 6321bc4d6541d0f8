#ifndef JAILSVC_UNVEIL_ELF_FILE_HPP
#define JAILSVC_UNVEIL_ELF_FILE_HPP

#include <optional>
#include <string>
#include <vector>

namespace unveil {

/// What the dynamic loader needs to know of a program or library (elf(5)).
struct ElfFile {
    std::string interpreter;          ///< PT_INTERP; empty for libraries and static programs
    std::vector<std::string> needed;  ///< DT_NEEDED
    std::vector<std::string> rpath;   ///< DT_RPATH, split; empty where there is a DT_RUNPATH
    std::vector<std::string> runpath;
};

/// Reads an ELF file of this machine's word size and byte order. Nothing in it is believed: offsets
/// and counts are bounded. nullopt for anything else.
[[nodiscard]] std::optional<ElfFile> read_elf(const std::string& path);

/// The interpreter and its one argument of a file that begins with "#!" (execve(2)); empty for
/// others.
[[nodiscard]] std::vector<std::string> read_shebang(const std::string& path);

}  // namespace unveil

#endif  // JAILSVC_UNVEIL_ELF_FILE_HPP
