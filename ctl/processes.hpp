#pragma once

#include <string>
#include <vector>

#include "context.hpp"

namespace jailsvc::ctl {

struct ProcessOptions {
    std::vector<std::string> units;  ///< empty: all that run
};
/// The tree of processes of units, as `jailsvc ps`.
int run_ps(const Context& context, const ProcessOptions& options);

struct TopOptions {
    int rounds = 0;    ///< how many tables; 0: until interrupted
    double every = 2;  ///< [s] between them
};
/// Which units use the machine now, as `jailsvc top`.
int run_top(const Context& context, const TopOptions& options);

/// One process in a tree, for printing.
struct TreeRow {
    std::string prefix;  ///< "├─", "│ └─"
    Json process;
};
/// In the order of a tree, children below their parents; those whose parent is not among them are
/// roots. Loops in what is said, which a kernel does not make, are cut.
[[nodiscard]] std::vector<TreeRow> as_tree(const Json& processes);

}  // namespace jailsvc::ctl
