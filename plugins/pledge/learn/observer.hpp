#pragma once

#include <linux/seccomp.h>
#include <sys/types.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "record.hpp"

namespace pledge::learn {

/// What a process that waits in a system call is about to do, read from its memory and from /proc.
/// Another thread of it may change both at any time: good for advice, never for a decision.
class Observer {
public:
    /// Adds the call and the paths it names to the record. `still_waits` is asked after everything
    /// has been read: if it says no, the process has gone and its number may be another's.
    void observe(const seccomp_notif& notice, const std::function<bool()>& still_waits,
                 Record& record);

    /// A program that is about to be executed, with what its loader will want: once per run.
    static void observe_program(pid_t pid, const std::string& path, Record& record);

private:
    struct Seen {
        std::string path;
        unsigned uses;
    };
    void see_arguments(pid_t pid, const seccomp_data& data, std::vector<Seen>& seen);
    void see_mapping(pid_t pid, const seccomp_data& data, std::vector<Seen>& seen) const;

    /// Libraries opened by another name than their own, by their own.
    std::map<std::string, std::string> opened_as_{};
};

/// Without "." and "..", as text: "/a/./b//../c" is "/a/c".
[[nodiscard]] std::string normal(const std::string& path);

}  // namespace pledge::learn
