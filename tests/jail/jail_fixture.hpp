#pragma once

#include <string>
#include <vector>

#include "jailer/cgroup/tree.hpp"
#include "jailer/jail/jail.hpp"

/// What the jail tests share: plans built by hand, jails that end with their scope, and programs
/// whose output is the evidence.
namespace jailsvc::jailer::test {

/// Says why and leaves the test where the machine does not let us test; 77 is the exit status of a
/// program in which nothing else happened.
[[nodiscard]] bool can_jail();

#define REQUIRE_JAILS()                           \
    if (!::jailsvc::jailer::test::can_jail()) {   \
        WARN("skipped: making jails needs root"); \
        return;                                   \
    }

struct OpFields {
    std::uint32_t flags = 0;
    std::array<std::uint64_t, 3> number{};
    std::array<std::string, 2> text{};
    std::string blob{};
    bool optional = false;
};

/// An operation of a kind, its stage looked up.
[[nodiscard]] Op make_op(jsv_kind kind, OpFields fields = {});
[[nodiscard]] Plan make_plan(std::vector<Op> ops);

/// New pid, mount, ipc, uts and cgroup namespaces.
[[nodiscard]] std::vector<Op> usual_namespaces();
/// What the profile `default` asks for: the host's root read-only, own /proc, /dev, /tmp, /run,
/// masks, a user of its own without capabilities.
[[nodiscard]] Plan default_plan();

/// Empty directory of our own, removed at the end.
class TempDirectory {
public:
    TempDirectory();
    TempDirectory(const TempDirectory&) = delete;
    TempDirectory& operator=(const TempDirectory&) = delete;
    ~TempDirectory();
    [[nodiscard]] const std::string& path() const { return path_; }

private:
    std::string path_;
};

/// What became of a program.
struct Ran {
    std::string output;  ///< stdout and stderr
    int status = -1;     ///< exit status, or 128 + signal
};

/// A jail: its stub runs, or the failure says why not.
class Jail {
public:
    explicit Jail(Plan plan, ResolvedIds ids = {});
    Jail(const Jail&) = delete;
    Jail& operator=(const Jail&) = delete;
    ~Jail();

    [[nodiscard]] bool stands() const { return stands_; }
    [[nodiscard]] std::string why() const;  ///< describe() of what kept it from standing
    [[nodiscard]] const std::vector<JailFailure>& weakened() const { return weakened_; }
    [[nodiscard]] const CompiledPlan& plan() const { return plan_; }
    [[nodiscard]] const ResolvedIds& ids() const { return ids_; }
    [[nodiscard]] cgroup::Tree& groups() { return groups_; }
    [[nodiscard]] pid_t stub() const { return stub_.pid; }
    [[nodiscard]] int stub_pidfd() const { return stub_.pidfd.get(); }

    /// A program at its gate; fails the test if it does not get there.
    [[nodiscard]] Jailed<Parked> park(const Program& program);
    /// What the last parked program reported to have found denied.
    [[nodiscard]] std::uint32_t evidence() const { return evidence_; }
    /// Runs to its end; both attests must hold.
    [[nodiscard]] Ran run(std::vector<std::string> argv);
    [[nodiscard]] Ran run(Program program);
    /// `/bin/sh -c script`.
    [[nodiscard]] Ran shell(const std::string& script);

private:
    SpawnContext context_;
    cgroup::Tree groups_;
    CompiledPlan plan_;
    ResolvedIds ids_;
    Parked stub_;
    bool stands_ = false;
    std::uint32_t evidence_ = 0;
    JailFailure failure_;
    std::vector<JailFailure> weakened_;
};

[[nodiscard]] const SpawnContext& spawn_context();

/// Next report, waiting for it; fails the test after some seconds.
[[nodiscard]] Report await_report(const CompiledPlan& plan, Parked& parked);
/// Waits for the process's end: exit status, or 128 + signal.
[[nodiscard]] int await_end(const Parked& parked);

}  // namespace jailsvc::jailer::test
