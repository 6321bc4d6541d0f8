#pragma once

#include "base/fd.hpp"
#include "base/result.hpp"

/// Network namespaces as descriptors (network_namespaces(7)), seen by the single-threaded jailer.
namespace jailsvc::jailer {

/// While it lives, this process is in another network namespace, and so is whatever it clones and
/// whatever sockets it makes. That it ends must not fail: everything after it would happen to the
/// wrong network, so we rather end, and the keeper starts us anew.
class IntoNetwork {
public:
    /// `target`: a namespace, or a pidfd of a process in it; -1 stays.
    explicit IntoNetwork(int target);
    IntoNetwork(const IntoNetwork&) = delete;
    IntoNetwork& operator=(const IntoNetwork&) = delete;
    ~IntoNetwork();
    [[nodiscard]] int code() const { return code_; }  ///< errno of why it is not there; 0: it is

private:
    Fd own_;
    int code_ = 0;
};

/// Sets the loopback of the network namespace that this process is in up or down.
[[nodiscard]] Result<void> set_loopback(bool up);

}  // namespace jailsvc::jailer
