#pragma once

#include <cstdint>

namespace jailsvc::jailer {

/// One operation as the child walks it: no destructor, no ownership; pointers lead into the arena
/// of the ChildPlan, which the child has by copy-on-write.
struct ChildOp {
    std::uint16_t kind;
    std::uint16_t stage;
    std::uint32_t flags;
    std::uint64_t number[3];
    const char* text[2];  ///< never null
    const void* blob;
    std::uint32_t blob_size;
    std::uint32_t index;  ///< into Plan::ops, for reports
    std::uint8_t optional;
};

/// What a child tells the jailer over its gate: at which operation it failed, or that it is ready.
/// A jail's init first says that the jail stands (kBuilt), and when it is executed that it runs.
struct GateReport {
    /// kListener is a kReady to come, with a descriptor: the exec that follows waits for an
    /// answer over it. kMain comes from the program itself, see main_stage.h.
    enum class Kind : std::uint32_t { kReady, kFailed, kWeakened, kListener, kBuilt, kMain };
    /// Which part of an operation it was, so that the text can name the path that was at fault.
    enum class About : std::uint32_t { kWhole, kSource, kTarget, kMount, kReadBack };
    Kind kind;
    std::uint32_t
        op;  ///< index into Plan::ops, or kStep…; with kReady and kListener what it probed
    std::int32_t code;  ///< errno, or kNotHeld
    About about;
};

/// Result of one operation in the child: code 0 is success.
struct Outcome {
    int code = 0;
    GateReport::About about = GateReport::About::kWhole;
    bool foreseen = false;  ///< the operation itself allows for it: reported, no failure

    [[nodiscard]] bool ok() const noexcept { return code == 0; }
};

/// An operation that ran without an error and yet does not hold: no errno of the kernel's own means
/// this (EBADE is used by no file system call).
inline constexpr int kNotHeld = 52;  // EBADE

/// A symbolic link on the way to a source that is not root's: whoever owns it chooses what the jail
/// gets to see. (EBADR is used by no file system call either.)
inline constexpr int kForeignLink = 53;

/// Steps of the core that no operation of the plan stands for.
inline constexpr std::uint32_t kStepDescriptors = 0xfffffff0;  ///< closing and placing them
inline constexpr std::uint32_t kStepEnter = 0xfffffff1;        ///< setns into the jail
inline constexpr std::uint32_t kStepPivot = 0xfffffff2;        ///< pivot_root, old root unmounted
inline constexpr std::uint32_t kStepExec = 0xfffffff3;
inline constexpr std::uint32_t kStepClone = 0xfffffff4;      ///< clone3 and the gate
inline constexpr std::uint32_t kStepScratch = 0xfffffff5;    ///< the tmpfs for files and masks
inline constexpr std::uint32_t kStepPrivate = 0xfffffff6;    ///< no mount propagates in or out
inline constexpr std::uint32_t kStepLockStub = 0xfffffff7;   ///< the stub gives up its privileges
inline constexpr std::uint32_t kStepIsolation = 0xfffffff8;  ///< what no single operation asked for
inline constexpr std::uint32_t kStepDirectory = 0xfffffff9;  ///< the working directory
inline constexpr std::uint32_t kStepCgroup = 0xfffffffb;     ///< entering the unit's control groups
inline constexpr std::uint32_t kStepMain = 0xfffffffc;       ///< the filter's second stage
inline constexpr std::uint32_t kStepKeyring = 0xfffffffa;    ///< a session keyring of its own
inline constexpr std::uint32_t kStepReport = 0xfffffffd;     ///< telling the jailer how far it is

}  // namespace jailsvc::jailer
