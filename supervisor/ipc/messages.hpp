#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <type_traits>

/// Every message between keeper, engine, jailer and logger, and nothing else. The four talk over
/// SOCK_SEQPACKET pairs that the keeper makes; a packet is one of these structs, descriptors ride
/// along by SCM_RIGHTS. All four come from one build or speak the same kVersion; a packet of
/// another version, an unknown type or a wrong size is refused (EBADMSG) and logged by its
/// receiver.
///
/// Who talks to whom:
///   keeper <-> engine, keeper <-> jailer, keeper <-> logger   (descriptor kKeeperFd of each)
///   engine <-> jailer, engine <-> logger                      (pairs handed out by kPeer)
/// When one of the three dies, the keeper makes its pairs anew and hands the survivors new ends.
///
/// A process's life, told in messages:
///   engine  -> jailer  Start{token}        the engine has written its intent to its record
///   jailer  -> keeper  Intent{token}       a child is about to exist
///   jailer  -> keeper  Register{token,pid} + pidfd       before the child may pass its gate
///   jailer  -> engine  Started{token,pid} | StartFailed{token, why}
///   keeper  -> engine  Exited{token, status, rusage}     repeated after an engine's death
///   engine  -> keeper  ExitAck{token}      only now the keeper forgets
namespace jailsvc::ipc {

inline constexpr std::uint16_t kVersion = 1;
inline constexpr int kKeeperFd = 3;            ///< where each of the three finds its keeper
inline constexpr std::size_t kNameSize = 128;  ///< unit name with its NUL; longer ones are refused
inline constexpr std::size_t kTextSize = 768;  ///< one line for people, with its NUL
inline constexpr std::size_t kMaxMessage = 2048;  ///< receive buffer [bytes]
inline constexpr std::size_t kMaxFds = 4;
inline constexpr std::size_t kMaxUnits = 16384;   ///< records in the state memfd
inline constexpr std::size_t kRecordSize = 1024;  ///< room for one unit's [bytes]
/// Size of the state memfd: a header page, then kMaxUnits records. Sparse; sealed against resizing.
inline constexpr std::size_t kStateSize = 4096 + kMaxUnits * kRecordSize;

using Token =
    std::uint64_t;  ///< names one start for ever; 0 is none. Never reused while remembered.
/// Tokens with this bit are the jailer's own helpers (the jail's init): no exit report is kept.
/// Below it a number that tells two inits of one jail apart, then the token of the jail.
inline constexpr Token kStubBit = Token{1} << 63;
inline constexpr Token kMaxToken = (Token{1} << 48) - 1;  ///< of a start

/// Exit code of a process that ended between clone and exec, as a shell has it. A program may use
/// it too: only where the jailer died without having answered it means that none was executed.
inline constexpr int kNotExecutedCode = 127;

enum class Role : std::uint16_t { kKeeper, kEngine, kJailer, kLogger };

/// What a spawned process is for. Everything but kMain runs in the jail that kMain has or will
/// have.
enum class Purpose : std::uint16_t {
    kMain,
    kStartPre,
    kStartPost,
    kReload,
    kStop,
    kStopPost,
    kHealth,
    kClient,     ///< `jailsvc exec`
    kStub,       ///< init of the jail's pid namespace
    kListen,     ///< no process: the unit's sockets are opened
    kCondition,  ///< no process: the unit's conditions are looked at
};

enum class Type : std::uint16_t {
    kHello = 1,
    // keeper -> any
    kPeer,
    kStored,
    kAlive,
    kSnapshotEnd,
    // any -> keeper
    kStore,
    kUnstore,
    // keeper <-> engine
    kExited,
    kExitAck,
    kShutdown,
    kShutdownDone,
    kHeartbeat,
    // jailer -> keeper
    kIntent,
    kRegister,
    kAbandon,
    // engine -> jailer
    kStart,
    kSignal,
    kTeardown,
    kForget,
    kPlanRequest,
    kReloadUnits,
    kExec,
    kStatsRequest,
    // jailer -> engine
    kSchema,
    kStarted,
    kStartFailed,
    kTornDown,
    kPlanReply,
    kStatsReply,
    // engine <-> logger
    kLogOpen,
    kLogOpened,
    // jailer -> engine
    kGroups,
    // engine -> keeper
    kStopping,
    // engine -> logger
    kLogRunEnded,
    // engine -> jailer
    kSetProperty,
    // jailer -> engine
    kSetPropertyReply,
    kPressure,
    // engine -> jailer
    kAwaitConnection,
    kCloseSockets,
    // jailer -> engine
    kActivated,
    kConnection,
    kSocketState,
    // engine -> jailer
    kFindMain,
    // jailer -> engine
    kFoundMain,
    // logger -> engine
    kLogRunOver,
    // engine -> logger
    kLogRemove,
    // engine -> jailer
    kLend,
    kDiscard,
    kRemember,
};

struct Header {
    std::uint16_t version;
    Type type;
    std::uint32_t size;  ///< of the whole packet [bytes]
};

/// First packet each of the three sends on kKeeperFd; the keeper answers with its peers (kPeer),
/// what it keeps for that role (kStored, kAlive, kExited), then kSnapshotEnd.
struct Hello {
    static constexpr Type kType = Type::kHello;
    Header header;
    Role role;
    std::uint16_t reserved[3];
};

/// + 1 descriptor: this role's new end of its pair with `peer`. An older end is closed on receipt.
struct Peer {
    static constexpr Type kType = Type::kPeer;
    Header header;
    Role peer;
    std::uint16_t reserved[3];
};

/// What a kept descriptor is.
enum class Kept : std::uint16_t {
    kState,     ///< memfd of the engine's records, made by the keeper; to the engine
    kControl,   ///< listening control socket, made by the keeper; to the engine
    kLogPipe,   ///< read end of a unit's output pipe, index: LogStream; to the jailer and the
                ///< logger
    kUnit,      ///< sealed memfd with the effective unit of token, the jail's first start; to the
                ///< jailer, and in the snapshot to the engine, whose unit file may have gone.
                ///< With index kMainBegun the jail serves no other run
    kListener,  ///< a unit's listening socket, by its place in the unit; with index kListenerUnit a
                ///< sealed memfd with the effective unit that they are of; to the jailer
    kNotify,    ///< where a unit tells of itself, index: NotifyKind; to the engine
    kLogSettings,  ///< sealed memfd with the unit's LogSettings where they are not the usual ones,
                   ///< stored before its pipes; to the logger and the jailer
    kMainProcess,  ///< pidfd of a unit's main process that the keeper is not the parent of, token:
                   ///< its own; to the engine and the jailer
    kFdStore,      ///< a descriptor that a service has handed over for its next start, index: its
                   ///< place; the engine's, to the jailer
    kFdNames,      ///< sealed memfd with their names, a line "INDEX NAME" each; likewise
};

/// What a kept kNotify is. Each is made anew for every jail, so that nothing of an earlier run is
/// read as this one's.
enum class NotifyKind : std::uint16_t {
    kPrivate,  ///< datagram socket that the unit's jail and root alone can reach
    kOpen,     ///< the same in the host's tree: others may write to it
    kNewline,  ///< read end of the pipe that the program has as notify_fd
};
inline constexpr std::uint16_t kNotifyKinds = 3;

/// Descriptors that are kept for one unit, and for all of them together.
inline constexpr std::size_t kMaxFdStore = 128;
inline constexpr std::size_t kMaxFdStores = 2048;

/// Which pipe of a unit's.
enum class LogStream : std::uint16_t {
    kOutput,  ///< standard output, and standard error unless that has a pipe of its own
    kError,
};
inline constexpr std::size_t kLogStreams = 2;

/// What the logger does with a unit's output; these values for a unit that says nothing.
struct LogSettings {
    enum Sink : std::uint8_t {
        kFile = 1,        ///< the unit's log file
        kJournal = 2,     ///< systemd's journal
        kSyslog = 4,      ///< /dev/log, RFC 3164
        kSyslog5424 = 8,  ///< /dev/log, RFC 5424
        kConsole = 16,    ///< /dev/console
        kContainer = 32,  ///< standard output of the keeper
    };
    std::uint8_t sinks[kLogStreams] = {kFile, kFile};
    std::uint8_t split = 0;              ///< 1: two pipes, lines say which one they came from
    std::uint8_t compress = 1;           ///< 1: rotated files, with zstd
    std::uint32_t keep = 5;              ///< rotated files
    std::uint64_t rate_limit = 0;        ///< [bytes/s], 0: none
    std::uint64_t max_size = 16U << 20;  ///< of the file before it is rotated [bytes]
    std::uint64_t max_age_s = 0;         ///< of its first line before it is rotated, 0: any
    std::uint64_t output_cap = 0;        ///< of what one run writes [bytes], 0: none
    std::uint64_t passing = 0;           ///< 1: the log goes with the unit (LogRemove)
    bool operator==(const LogSettings&) const = default;
};

/// Index of a kUnit whose main process was begun (index 0: the jail is before its main process).
inline constexpr std::uint16_t kMainBegun = 1;

/// Index of the effective unit among the kListeners of a unit.
inline constexpr std::uint16_t kListenerUnit = 0xffff;

/// What names a kept descriptor; storing the same key again replaces.
struct Key {
    Kept kind;
    std::uint16_t index;  ///< among several of one kind and unit (listeners)
    std::uint32_t reserved;
    Token token;  ///< 0 where the kind has none
    char unit[kNameSize];
};

struct Headed {
    Header header;
};

/// A registered process.
struct Process {
    Token token;
    std::int32_t pid;  ///< in the keeper's pid namespace
    Purpose purpose;
    std::uint16_t reserved;
    char unit[kNameSize];
};

/// How a process ended.
struct Ending {
    std::int32_t status;  ///< as wait(2) gives it: WIFEXITED, WTERMSIG, …
    std::uint32_t unused;
    std::uint64_t ended_ns;  ///< CLOCK_BOOTTIME
    std::uint64_t user_us;   ///< CPU time of the process and its waited-for children
    std::uint64_t system_us;
    std::uint64_t max_rss_kib;
};

/// keeper -> any, + 1 descriptor: sent when the key is stored and again after a Hello.
struct Stored : Headed, Key {
    static constexpr Type kType = Type::kStored;
};

/// any -> keeper, + 1 descriptor to keep.
struct Store : Headed, Key {
    static constexpr Type kType = Type::kStore;
};

/// any -> keeper: close the kept descriptor with this key; unknown keys are no error.
struct Unstore : Headed, Key {
    static constexpr Type kType = Type::kUnstore;
};

/// keeper -> engine and jailer, in the snapshot: this registered process lives. To the jailer with
/// its pidfd.
struct Alive : Headed, Process {
    static constexpr Type kType = Type::kAlive;
};

struct SnapshotEnd {
    static constexpr Type kType = Type::kSnapshotEnd;
    Header header;
};

/// keeper -> engine at the exit and in every snapshot until ExitAck; to the jailer in its snapshot
/// (so that it never starts a token twice).
struct Exited : Headed, Process, Ending {
    static constexpr Type kType = Type::kExited;
};

struct ExitAck {
    static constexpr Type kType = Type::kExitAck;
    Header header;
    Token token;
};

enum class ShutdownKind : std::uint16_t { kExit, kPowerOff, kReboot, kHalt, kKexec, kSoftReboot };

/// keeper -> engine: a signal asked for the end (SIGTERM, SIGINT, SIGPWR, Ctrl-Alt-Del). And back,
/// with signal 0: a client or a unit did. The keeper waits for ShutdownDone until `deadline_ns`.
struct Shutdown {
    static constexpr Type kType = Type::kShutdown;
    Header header;
    ShutdownKind kind;
    std::uint16_t signal;
    std::uint32_t reserved;
    std::uint64_t deadline_ns;  ///< CLOCK_BOOTTIME
};

/// So long the keeper waits at most for the engine to stop everything, whatever the engine says;
/// the bound that service managers have for a shutdown (systemd.special(7), shutdown.target).
inline constexpr std::uint64_t kLongestStopNs = 30 * 60 * std::uint64_t{1'000'000'000};

/// engine -> keeper: the answer to Shutdown. What the units' timeouts allow takes until then; the
/// keeper takes this for its own deadline, unless it was told to hurry.
struct Stopping {
    static constexpr Type kType = Type::kStopping;
    Header header;
    std::uint64_t deadline_ns;  ///< CLOCK_BOOTTIME
};

/// engine -> keeper: everything is stopped; end the rest, then exit with `exit_code` or reboot(2).
struct ShutdownDone {
    static constexpr Type kType = Type::kShutdownDone;
    Header header;
    ShutdownKind kind;
    std::uint16_t exit_code;
    std::uint32_t reserved;
};

/// keeper -> engine, answered with the same serial.
struct Heartbeat {
    static constexpr Type kType = Type::kHeartbeat;
    Header header;
    std::uint64_t serial;
};

/// jailer -> keeper: until Register or Abandon of this token, unknown exits are remembered. One at
/// a time: the jailer registers or gives up a child before it announces the next.
struct Intent {
    static constexpr Type kType = Type::kIntent;
    Header header;
    Token token;
};

/// jailer -> keeper, + its pidfd. If the process has ended already, Exited follows.
struct Register : Headed, Process {
    static constexpr Type kType = Type::kRegister;
};

struct Abandon {
    static constexpr Type kType = Type::kAbandon;
    Header header;
    Token token;
};

/// engine -> jailer. Repeating a token is harmless: the jailer answers with what became of it.
struct Start {
    static constexpr Type kType = Type::kStart;
    Header header;
    Token token;
    Token main_token;  ///< of the running service, for every purpose but kMain; else 0
    Purpose purpose;
    std::uint16_t command;             ///< index into the list of commands of that purpose
    std::int32_t main_status;          ///< wait status of the ended service, for kStopPost
    std::uint32_t main_out_of_memory;  ///< 1: that SIGKILL was the kernel's, for want of memory
    std::uint32_t main_watchdog;       ///< 1: it ended of its watchdog
    std::uint8_t digest[32];  ///< of the effective unit as the engine knows it; mismatch refuses
    char unit[kNameSize];
};

enum class Whom : std::uint16_t {
    kProcess,  ///< the one process of `token`
    kAll,      ///< everything in the unit's jail
};

/// engine -> jailer. For an ended process: no error, nothing happens.
struct Signal {
    static constexpr Type kType = Type::kSignal;
    Header header;
    Token token;
    std::int32_t signo;
    Whom whom;
    std::uint16_t reserved;
    char unit[kNameSize];
};

/// engine -> jailer: the unit is down; end what is left in its jail, drop what the start made
/// (namespaces, runtime directory), answer TornDown. Without `restarts` the kept kUnit goes too,
/// also that of a jail that was torn down before.
struct Teardown {
    static constexpr Type kType = Type::kTeardown;
    Header header;
    Token token;             ///< of the service that ended
    std::uint32_t restarts;  ///< 1: it starts again by itself, as what it was; what no process
                             ///< needs may go later
    char unit[kNameSize];
};

/// engine -> jailer: the unit left memory (its file is gone); drop caches and its log pipe.
struct Forget {
    static constexpr Type kType = Type::kForget;
    Header header;
    char unit[kNameSize];
};

struct PlanRequest {
    static constexpr Type kType = Type::kPlanRequest;
    Header header;
    std::uint64_t serial;
    char unit[kNameSize];
};

/// engine -> jailer: unit files may have changed; cached plans are checked again.
struct ReloadUnits {
    static constexpr Type kType = Type::kReloadUnits;
    Header header;
};

/// engine -> jailer, + the socket of a client that wants a command run in the unit's jail. The
/// jailer reads the ExecRequest from that socket itself and trusts only the credentials the kernel
/// stamped on it: the engine can neither forge nor change it, nor lead it into another unit's
/// jail.
struct Exec {
    static constexpr Type kType = Type::kExec;
    Header header;
    Token token;       ///< of the new process
    Token main_token;  ///< whose jail
    char unit[kNameSize];
};

struct StatsRequest {
    static constexpr Type kType = Type::kStatsRequest;
    Header header;
    std::uint64_t serial;
    Token token;
    char unit[kNameSize];
};

/// jailer -> engine, + a sealed memfd: the plugins' schemas as JSON (see config/schema.hpp). Sent
/// on every new pair, before anything else.
struct Schema {
    static constexpr Type kType = Type::kSchema;
    Header header;
};

/// jailer -> engine, on every new pair: where the control groups of units are, "web.unit" below
/// each directory, for what the kernel counts in them. Anybody may read those files.
struct Groups {
    static constexpr Type kType = Type::kGroups;
    static constexpr std::size_t kPathSize = 400;
    struct Place {
        char directory[kPathSize];  ///< empty: no such groups, or too long a name
        std::uint32_t v2;           ///< its files are cgroup v2's
        std::uint32_t reserved;
    };
    Header header;
    Place tracker;  ///< lists a unit's processes
    Place memory;
    Place cpu;
    Place pids;
};

/// jailer -> engine: the program has been executed (its exec succeeded). With exec_ns 0: a process
/// of this token has ended; whether it was executed an earlier jailer would have known.
struct Started {
    static constexpr Type kType = Type::kStarted;
    Header header;
    Token token;
    std::int32_t pid;
    std::uint32_t weakened;  ///< how many operations listed in `optional` did not hold
    std::uint64_t exec_ns;   ///< CLOCK_BOOTTIME
    char unit[kNameSize];
};

/// Of a StartFailed to a kCondition: one of [unit.condition] does not hold, or of [unit.assert].
inline constexpr char kConditionUnmet[] = "condition";
inline constexpr char kAssertionUnmet[] = "assertion";

/// jailer -> engine: the program was not executed, and will not be.
struct StartFailed {
    static constexpr Type kType = Type::kStartFailed;
    Header header;
    Token token;
    std::int32_t code;  ///< errno, or 0
    std::uint32_t reserved;
    char unit[kNameSize];
    char plugin[32];       ///< "core" where no plugin asked for the step
    char operation[32];    ///< as `jailsvc plan` prints it, "plan", "exec", …
    char text[kTextSize];  ///< the whole story for people
};

struct TornDown {
    static constexpr Type kType = Type::kTornDown;
    Header header;
    Token token;
    char unit[kNameSize];
};

/// jailer -> engine, + a sealed memfd: the plan as JSON (ok) or the error's text.
struct PlanReply {
    static constexpr Type kType = Type::kPlanReply;
    Header header;
    std::uint64_t serial;
    std::uint32_t ok;
    std::uint32_t reserved;
};

/// jailer -> engine: what /proc tells only the privileged about a service.
struct StatsReply {
    static constexpr Type kType = Type::kStatsReply;
    Header header;
    std::uint64_t serial;
    std::uint64_t pss_kib;
    std::uint64_t processes;
};

/// engine -> jailer, + a sealed memfd: keys of [jail.cgroups] as TOML, that are to hold for the
/// unit from now on, in its groups if it runs, and for its next starts. All of them or none.
struct SetProperty {
    static constexpr Type kType = Type::kSetProperty;
    Header header;
    std::uint64_t serial;
    char unit[kNameSize];
};

/// jailer -> engine, + a sealed memfd. Done (ok): its files say so from now on; the memfd holds the
/// effective unit as which it runs now, nothing if it does not run. Or nothing has changed, and the
/// memfd holds why.
struct SetPropertyReply {
    static constexpr Type kType = Type::kSetPropertyReply;
    Header header;
    std::uint64_t serial;
    std::uint32_t ok;
    std::uint32_t reserved;
    char unit[kNameSize];
};

enum class Resource : std::uint16_t { kMemory, kCpu, kIo };
enum class OnPressure : std::uint16_t { kLog, kRestart, kStop, kSignal };

/// jailer -> engine: the unit's processes waited for a resource for longer than its trigger allows.
struct Pressure {
    static constexpr Type kType = Type::kPressure;
    Header header;
    Resource resource;
    OnPressure action;   ///< that its unit wants
    std::int32_t signo;  ///< of kSignal
    char unit[kNameSize];
};

/// engine -> jailer: nothing of the unit runs, and its sockets are open; say when something comes
/// over them (Activated), once. Repeating it is harmless.
struct AwaitConnection {
    static constexpr Type kType = Type::kAwaitConnection;
    Header header;
    char unit[kNameSize];
};

/// engine -> jailer: the unit is down; its sockets are closed, their files removed. Of an instance
/// that is to have a connection: that one is closed, if it has not been passed on.
struct CloseSockets {
    static constexpr Type kType = Type::kCloseSockets;
    Header header;
    char unit[kNameSize];
};

/// jailer -> engine: something came over the sockets of a unit that waits for it; or, with a text,
/// they cannot go on, and why.
struct Activated {
    static constexpr Type kType = Type::kActivated;
    Header header;
    char unit[kNameSize];
    char text[kTextSize];
};

/// jailer -> engine: a connection was accepted for a new instance of the unit's template, which is
/// to be started.
struct Connection {
    static constexpr Type kType = Type::kConnection;
    Header header;
    char unit[kNameSize];
    char instance[kNameSize];
};

/// jailer -> engine, when any of it changes, and on every new pair for each unit with sockets: a
/// unit that the engine knows to be down is answered with CloseSockets.
struct SocketState {
    static constexpr Type kType = Type::kSocketState;
    Header header;
    std::uint32_t open;      ///< sockets
    std::uint32_t current;   ///< connections that are being served (accept)
    std::uint64_t accepted;  ///< of them since the sockets were opened; else activations
    std::uint64_t refused;   ///< closed for a limit
    char unit[kNameSize];
};

/// engine -> jailer: another process of the unit is its main process from now on. Repeating a token
/// is harmless. If there is such a process in the unit's jail, its pidfd is kept as kMainProcess.
struct FindMain {
    static constexpr Type kType = Type::kFindMain;
    Header header;
    Token token;       ///< of its own
    Token main_token;  ///< of the service
    std::int32_t pid;  ///< as the jail counts; 0: in the unit's pid_file, or what exec_start left
    std::uint32_t reserved;
    char unit[kNameSize];
};

/// jailer -> engine: the answer.
struct FoundMain {
    static constexpr Type kType = Type::kFoundMain;
    Header header;
    Token token;
    Token main_token;
    std::int32_t pid;     ///< in the keeper's pid namespace; 0: none is
    std::uint32_t later;  ///< 1: there may be one later
    char unit[kNameSize];
    char text[kTextSize];  ///< why there is none
};

/// engine -> logger: a reader wants the unit's log. Its files are numbered from 1 for ever; the
/// current one has the highest number, and keeps it when it is rotated.
struct LogOpen {
    static constexpr Type kType = Type::kLogOpen;
    Header header;
    std::uint64_t serial;
    std::uint64_t file;    ///< which of the unit's files; 0: the current one
    std::uint32_t follow;  ///< 1: the current one, and a pipe that carries what is written from now
                           ///< on
    std::uint32_t kept;    ///< 1: ENOENT where no log of the unit is kept; 0: one is begun then
    char unit[kNameSize];
};

/// logger -> engine, + the log file read-only, + the follow pipe's read end if asked for. Read the
/// file up to `size`; the pipe goes on from there without gap or repetition. A rotated file may be
/// compressed, as its first bytes tell (zstd).
struct LogOpened {
    static constexpr Type kType = Type::kLogOpened;
    Header header;
    std::uint64_t serial;
    std::uint64_t size;    ///< [bytes] in the file at this moment
    std::uint64_t file;    ///< its number
    std::uint64_t oldest;  ///< number of the oldest file that is kept
    std::int32_t code;     ///< errno; not 0: no descriptors
    std::uint32_t reserved;
};

/// engine -> logger: one of the unit's programs has ended. A line it left open is ended, so that
/// the next one's output stands under a time of its own.
struct LogRunEnded {
    static constexpr Type kType = Type::kLogRunEnded;
    Header header;
    std::uint32_t over;  ///< 1: the run is over; is answered with LogRunOver, which comes after all
                         ///< of the run's output is in the log and with its followers
    std::uint32_t reserved;
    char unit[kNameSize];
};

/// logger -> engine.
struct LogRunOver {
    static constexpr Type kType = Type::kLogRunOver;
    Header header;
    std::uint64_t dropped;  ///< what went beyond the unit's output_cap [bytes]
    char unit[kNameSize];
};

/// engine -> logger: a job has left memory; its log goes. Of other units none does.
struct LogRemove {
    static constexpr Type kType = Type::kLogRemove;
    Header header;
    char unit[kNameSize];
};

/// engine -> jailer, + the socket of a client that lends its descriptors to a job's main process.
/// The jailer reads the LendRequest from it, and trusts only the credentials the kernel stamped on
/// that, when the unit starts next.
struct Lend {
    static constexpr Type kType = Type::kLend;
    Header header;
    char unit[kNameSize];
};

/// What the last request that named a unit with restart = "unless-stopped" was.
enum class Asked : std::uint16_t { kNothing, kStart, kStop };

/// engine -> jailer: what the next boot is to know. Kept in root's state directory; the engine reads
/// it there when it begins.
struct Remember {
    static constexpr Type kType = Type::kRemember;
    Header header;
    Asked asked;
    std::uint16_t reserved[3];
    char unit[kNameSize];
};

/// engine -> jailer: the file of a job that is over is removed from the transient units. Nothing
/// happens to a file that is no job's.
struct Discard {
    static constexpr Type kType = Type::kDiscard;
    Header header;
    char unit[kNameSize];
};

/// client -> jailer over the socket of Exec, with SCM_CREDENTIALS, + stdin, stdout, stderr. argv
/// and environment follow in the packet as NUL-terminated strings, argv first.
struct ExecRequest {
    static constexpr std::uint64_t kMagic = 0x6a61696c65786563;  // "jailexec"
    std::uint64_t magic;
    std::uint32_t argc;
    std::uint32_t envc;
    char unit[kNameSize];  ///< whose jail the client means; Exec must say the same
    /// 1: stdin is a terminal that the client made for this command, to be its controlling one. Any
    /// other terminal stays a mere descriptor: its session could be typed into (TIOCSTI).
    std::uint32_t own_terminal;
    std::uint32_t reserved;
};
inline constexpr std::size_t kMaxExecRequest = 128 * 1024;

/// client -> jailer over the socket of Lend, with SCM_CREDENTIALS, + stdin, stdout, stderr.
struct LendRequest {
    static constexpr std::uint64_t kMagic = 0x6a61696c6c656e64;  // "jaillend"
    std::uint64_t magic;
    char unit[kNameSize];  ///< for whose next start; Lend must say the same
};

template <typename T>
concept Message = std::is_trivially_copyable_v<T> && sizeof(T) <= kMaxMessage &&
                  std::is_same_v<std::remove_const_t<decltype(T::kType)>, Type>;

}  // namespace jailsvc::ipc
