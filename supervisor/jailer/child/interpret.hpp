#pragma once

#include <sys/types.h>

#include <cstdint>

#include "jailer/child/child_op.hpp"

/// [child] What runs between clone and exec. Everything is handed over flat and ready made: the
/// child allocates nothing, takes no lock, and calls the kernel only.
namespace jailsvc::jailer {

/// How the child becomes a jail's PID 1.
struct StubJob {
    const ChildOp* ops;
    std::uint32_t count;
    int gate;                     ///< our end; becomes descriptor 3
    int stub_program;             ///< of jailsvc-stub
    const char* stage_directory;  ///< empty directory that new roots are attached to
    int ground;                   ///< mount namespace to start from, see Ground; or -1
    int credentials;              ///< detached mount for JSV_OP_CREDENTIALS, or -1
    int* trees;                   ///< `count` cells: detached source trees, the child's but for
                                  ///< those that only the jailer could open; or -1
    int* depths;                  ///< as many: how long the paths are that are to be revealed
    std::uint64_t namespaces;     ///< CLONE_NEW* it was made with
    bool needs_scratch;           ///< there are files or masks to be made
    std::uint32_t id_map;         ///< index of the JSV_OP_ID_MAP; meaningful with CLONE_NEWUSER
    const int* cgroup_tasks;      ///< open `tasks` files to write ourselves into
    std::uint32_t cgroup_task_count;
};

inline constexpr unsigned kPidRoom = 11;  ///< digits of a pid, with a NUL

/// How the child becomes a program of a jail.
struct ProgramJob {
    const ChildOp* ops;
    std::uint32_t count;
    int gate;                        ///< our end
    int stub;                        ///< pidfd of the jail's init, or -1
    int probe;                       ///< SpawnContext::probe, or -1 where nothing needs it
    std::uint64_t enter;             ///< CLONE_NEW* to be joined, without CLONE_NEWPID
    const int* descriptors;          ///< become 0, 1, 2, …; -1: /dev/null
    int* moved;                      ///< as many cells for the child
    std::uint32_t descriptor_count;  ///< at least 3
    int executable;                  ///< what is executed, in place of argv[0], or -1
    const char* const* argv;
    const char* const* environment;
    char* pid_digits;  ///< in the environment: room for kPidRoom of the own pid; or null
    bool gate_stays;   ///< open over the exec, right after the descriptors: the program reports too
    const char* working_directory;  ///< "" for what the plan says
    bool waits;                     ///< for one byte over the gate, before it enters the jail
    bool new_session;
    bool terminal;  ///< descriptor 0 is to be the session's controlling terminal
    uid_t uid;      ///< in place of JSV_IDS_DYNAMIC
    gid_t gid;
    const int* cgroup_tasks;  ///< as in StubJob
    std::uint32_t cgroup_task_count;
};

/// Applies namespace and mount operations, gives up every privilege, and becomes jailsvc-stub.
[[noreturn]] void run_stub(const StubJob& given) noexcept;

/// Enters the jail, applies process, identity and lockdown operations, waits at the gate, or in the
/// exec itself (child_seal.hpp), execs.
[[noreturn]] void run_program(const ProgramJob& job) noexcept;

/// Reports over the gate. A peer that has gone is found at the next read, by its end of file.
/// Negative errno where the jailer was not told.
int report(int gate, GateReport::Kind kind, std::uint32_t op, Outcome outcome = {}) noexcept;

/// Waits for one byte; anything else, the jailer's death included, ends this process.
void await_gate(int gate) noexcept;

}  // namespace jailsvc::jailer
