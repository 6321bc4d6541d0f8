#ifndef JAILSVC_UNVEIL_LIBRARIES_HPP
#define JAILSVC_UNVEIL_LIBRARIES_HPP

#include <string>
#include <vector>

namespace unveil {

/// What has to be there for a program to be executed, by its paths in the tree at `root` ("" for
/// the host's): the program, its interpreter or dynamic loader, and the libraries that this would
/// load, found as ld.so(8) finds them; without those that the program opens by itself (dlopen(3)).
/// Sorted, each once, named as the loader names them.
[[nodiscard]] std::vector<std::string> closure_of(const std::string& root,
                                                  const std::vector<std::string>& programs);

/// Entries of a cache of libraries (ldconfig(8)) for `name`, in its order. `bytes` is its content.
[[nodiscard]] std::vector<std::string> find_in_cache(const std::string& bytes,
                                                     const std::string& name);

}  // namespace unveil

#endif  // JAILSVC_UNVEIL_LIBRARIES_HPP
