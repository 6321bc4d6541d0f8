#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.hpp"
#include "base/result.hpp"
#include "jailer/child/child_op.hpp"
#include "jailer/jail/handover.hpp"
#include "jailer/jail/mapped_trees.hpp"
#include "jailer/plan/plan.hpp"

/// From a plan to processes: the stub that holds a jail, the programs that run in it. Nothing here
/// waits: every process reports over its gate, which the jailer's loop watches.
///
/// A start, in calls:
///   CompiledPlan::make            once per load
///   apply_parent_operations       host directories and the like
///   spawn_stub                    clone3 into new namespaces; mounts; parks as their PID 1
///     gate readable → read_report → kBuilt: programs may enter it; later
///     kReady: jailsvc-stub runs, and nobody in the jail can trace it
///   attest_jail                   from outside: namespaces, mounts, hostname, files
///   spawn_program                 clone3(CLONE_PARENT) into the stub's pid namespace, setns to the
///                                 rest, limits, ids, capabilities, lockdown; waits at its gate.
///                                 Before kBuilt too: then it waits outside for let_in
///     gate readable → read_report → kReady (the keeper has the pid by then)
///   attest_program                ids, capabilities, no_new_privs, limits, namespaces, descriptors
///   attest_init                   once it is kReady: the jail's init is harmless
///   open_gate                     after all of these: the program is executed; end of file on the
///   gate says it was,
///                                 a kFailed report (kStepExec) that it was not
/// A plan whose programs execute once has no other gate than that exec: the child hands over a
/// seccomp listener, goes on into its exec, and stands there (seccomp_unotify(2)). read_report then
/// wants to be called when either descriptor is readable. Where the filter has a second stage, the
/// gate outlives the exec: send_main_filter → exec → kMain → attest_main → open_gate → end of file.
namespace jailsvc::jailer {

/// A plan that has been checked, as it is kept while its unit is loaded: small, the operations
/// shared with other plans. What a start works with is put together for that start.
class CompiledPlan {
public:
    [[nodiscard]] static Result<CompiledPlan> make(Plan plan);
    CompiledPlan(CompiledPlan&&) noexcept;
    CompiledPlan& operator=(CompiledPlan&&) noexcept;
    ~CompiledPlan();

    [[nodiscard]] const std::string& unit() const;
    [[nodiscard]] const Digest& digest() const;  ///< of the effective unit
    /// Put together, once for all who have it at the same time.
    [[nodiscard]] std::shared_ptr<const Plan> whole() const;
    [[nodiscard]] Plan plan() const { return *whole(); }
    /// For children; the pointers lead into this object.
    [[nodiscard]] std::vector<ChildOp> child_ops() const;
    /// The first of that kind, or nullptr.
    [[nodiscard]] const Op* find(jsv_kind kind) const;
    /// Every operation of that kind with its index in plan(), which is not put together for it.
    void for_each(jsv_kind kind,
                  const std::function<void(std::uint32_t index, const Op& op)>& look) const;
    /// Whether the unit lists the operation as optional; steps of the core are not.
    [[nodiscard]] bool is_optional(std::uint32_t index) const;
    [[nodiscard]] std::uint64_t namespaces() const;  ///< CLONE_NEW* of all namespace operations
    [[nodiscard]] bool needs_stub() const { return namespaces() != 0; }  ///< all but profile host

private:
    struct Impl;
    explicit CompiledPlan(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

class Ground;

/// What spawning needs to know of its surroundings; lives as long as the jailer.
struct SpawnContext {
    /// Children become the keeper's (CLONE_PARENT). Tests without a keeper say false and wait
    /// themselves.
    bool clone_parent = true;
    int stub_program = -1;        ///< O_PATH|O_CLOEXEC descriptor of jailsvc-stub
    std::string stage_directory;  ///< empty directory, root's, where new roots are put together
    int probe = -1;               ///< open_probe(); -1: no plan with Landlock can be started
    int probe_program = -1;       ///< hold_probe(); -1: nothing but exec can be checked
    std::string learner{};        ///< the program jailsvc-learn
    std::string records{};        ///< directory of what it has learned, made at the first need
    /// Where jails are made without a pivot_root; null where this machine cannot tell that they
    /// are.
    std::shared_ptr<const Ground> ground{};
};

/// The control groups that a child goes into before anything else: none, where there are none.
struct CgroupEntry {
    int unified = -1;            ///< directory in cgroup v2, for CLONE_INTO_CGROUP
    const int* tasks = nullptr;  ///< open `tasks` files of v1 groups; the child writes itself into
    std::size_t task_count = 0;
};

/// uid and gid that replace JSV_IDS_DYNAMIC, and own what JSV_OP_HOST_DIRECTORY makes; as the jail
/// counts them, where it has a user namespace.
struct ResolvedIds {
    uid_t uid = 0;
    gid_t gid = 0;
    std::uint32_t range = 0;  ///< first host id of the unit's own, where it has JSV_ID_MAP_OWN
    uid_t keeper = 0;         ///< then on the host the owner of what JSV_MOUNT_IDMAP binds show
};

/// A process between clone and exec.
struct Parked {
    pid_t pid = -1;  ///< in our pid namespace
    Fd pidfd;
    Fd gate;      ///< SOCK_SEQPACKET; closing it ends the process
    Fd listener;  ///< once it came: the exec is the gate, and closing this makes it fail
    std::uint32_t evidence = 0;  ///< came with it, see Report
    std::uint64_t notice = 0;    ///< the kernel's id of the exec that waits; 0: none does
    bool opened = false;
    enum class Main { kPlain, kAwaited, kReached };
    Main main = Main::kPlain;  ///< whether it has to report from its main, and has
    bool learns = false;       ///< its calls have to be answered: start_learner, not open_gate
};

/// A program to run in a jail.
struct Program {
    std::vector<std::string> argv;         ///< argv[0] is an absolute jail path
    std::vector<std::string> environment;  ///< "NAME=VALUE", complete
    std::string working_directory;         ///< jail path; empty: what the plan says, else /
    int stdin_fd = -1;                     ///< -1: /dev/null
    int stdout_fd = -1;
    int stderr_fd = -1;
    int executable = -1;       ///< O_CLOEXEC; executed in place of argv[0], which is a mere name
    std::vector<int> passed;   ///< become 3, 4, … (listening sockets)
    std::string pid_variable;  ///< set to the pid that the program has for itself; empty: none
    bool new_session = true;
    bool terminal = false;  ///< stdin becomes the new session's controlling terminal
    bool waits = false;     ///< outside the jail, until let_in
};

/// Which file a descriptor is open on.
struct FileIdentity {
    dev_t device = 0;
    ino_t inode = 0;
    bool operator==(const FileIdentity&) const = default;
};
[[nodiscard]] Result<std::vector<FileIdentity>> identify(const std::vector<int>& descriptors);

/// Why an operation does not hold, or could not be applied. `op` indexes Plan::ops or is a kStep*.
struct JailFailure {
    std::uint32_t op = 0;
    int code = 0;      ///< errno; 0 when attest saw something else than was asked for
    std::string text;  ///< "mount /srv/web at /: Operation not permitted", "…: CapBnd is 3f, not 0"
};
template <typename T>
using Jailed = std::expected<T, JailFailure>;

/// "web: chroot: bind: source /srv: No such file or directory" — unit, plugin, operation, the rest.
[[nodiscard]] std::string describe(const Plan& plan, const JailFailure& failure);

/// A directory in no tree, open to everybody: there a program that Landlock confines tries what
/// must be denied.
[[nodiscard]] Result<Fd> open_probe();

/// What this process ignores, whatever started it, its children would ignore, and over their exec
/// (signal(7)): once, before the first of them.
void ignore_no_signals() noexcept;

/// What they leave to be done before the jail can be made.
struct ParentWork {
    std::vector<MappedTree> trees;    ///< for spawn_stub
    std::vector<Handover> handovers;  ///< directories with a former owner's files: hand_over
    std::vector<std::string> notes;   ///< what people should know of it
};

/// JSV_STAGE_PARENT operations, as the jailer, before any process exists; and the trees that only
/// it can make. Directories to be made anew are moved into `trash` (see trash.hpp); without one
/// they are emptied here and now.
[[nodiscard]] Jailed<ParentWork> apply_parent_operations(const CompiledPlan& plan,
                                                         const ResolvedIds& ids,
                                                         const std::string& trash = {});
/// Removes what they made with JSV_DIR_RECREATE.
void undo_parent_operations(const CompiledPlan& plan, const std::string& trash = {});

/// The jail's init in new namespaces; it reports kBuilt when all mounts stand, and kReady when
/// jailsvc-stub runs. `network`, if not -1, is the network namespace it is born into, instead of a
/// new one; `credentials` the mount that JSV_OP_CREDENTIALS attaches (CredentialStore).
[[nodiscard]] Jailed<Parked> spawn_stub(const SpawnContext& context, const CompiledPlan& plan,
                                        const ResolvedIds& ids, int network = -1,
                                        const CgroupEntry& groups = {}, int credentials = -1,
                                        const std::vector<MappedTree>& mapped = {});

/// `stub` is the pidfd of the jail's init, or -1 where the plan needs none.
[[nodiscard]] Jailed<Parked> spawn_program(const SpawnContext& context, const CompiledPlan& plan,
                                           const ResolvedIds& ids, int stub, const Program& program,
                                           const CgroupEntry& groups = {});

/// Next report of a parked process. nullopt: nothing there yet. End of file is kEnd. An exec that
/// waits is kReady.
struct Report {
    enum class Kind { kReady, kFailed, kWeakened, kBuilt, kEnd, kMain };
    Kind kind = Kind::kEnd;
    JailFailure failure;         ///< for kFailed, kWeakened
    std::uint32_t evidence = 0;  ///< with kReady: what the child found denied, for attest_program
};
[[nodiscard]] std::optional<Report> read_report(const CompiledPlan& plan, Parked& parked);

/// Reads back from the kernel that every namespace and mount operation holds in the stub.
/// Operations marked optional that do not hold are returned, the first other one is the error.
/// `network` is the inode of the network namespace the stub was to be born into, or 0.
[[nodiscard]] Jailed<std::vector<JailFailure>> attest_jail(const SpawnContext& context,
                                                           const CompiledPlan& plan,
                                                           const ResolvedIds& ids, pid_t stub,
                                                           std::uint64_t network = 0);
/// The init, which lives as long as the jail and in all of its namespaces, has no privilege left.
[[nodiscard]] Jailed<void> attest_init(pid_t stub);
/// The same for the program at its gate: process, identity and lockdown operations, and that it
/// is in the stub's namespaces and below the jail's root with no descriptor but the declared:
/// 0, 1, 2, those of Program::passed, on the same files, the gate, and Program::executable where
/// there is one. `stub` is -1 where the plan
/// needs none. `evidence` is that of its kReady report: what nobody else can see.
[[nodiscard]] Jailed<std::vector<JailFailure>> attest_program(
    const CompiledPlan& plan, const ResolvedIds& ids, pid_t stub, pid_t program,
    const std::vector<FileIdentity>& passed = {}, std::uint32_t evidence = 0,
    const std::optional<FileIdentity>& executable = {});

/// Lets a program that waits outside go into its jail, once that one's init is kBuilt.
[[nodiscard]] Result<void> let_in(const Parked& parked);

/// Lets the program's exec go on.
[[nodiscard]] Result<void> open_gate(Parked& parked);

/// To one that is about to be executed and has a second stage: the filter that it is to install at
/// its main. It then reports kMain, waits for open_gate, and only then ends its side of the gate.
[[nodiscard]] Result<void> send_main_filter(const CompiledPlan& plan, Parked& parked);

/// Reads back that it did.
[[nodiscard]] Jailed<void> attest_main(const CompiledPlan& plan, pid_t program);

/// In the place of open_gate for one that learns: a process that answers its calls, and records
/// them for `unit`, takes over the listener and lets the exec go on. It ends with the last process
/// that is asked about, and does not depend on us.
[[nodiscard]] Result<void> start_learner(const SpawnContext& context, const std::string& unit,
                                         const std::string& program, Parked& parked);

}  // namespace jailsvc::jailer
