#include "jailer/loop/output.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <utility>

#include "base/sys.hpp"
#include "config/logging.hpp"
#include "jailer/loop/tell.hpp"

namespace jailsvc::jailer {
namespace {

constexpr mode_t kFileMode = 0640;

// The set goes to the logger as it is.
template <auto Ours, auto Theirs>
constexpr bool kSame = std::to_underlying(Ours) == std::to_underlying(Theirs);
static_assert(kSame<config::Sinks::kLog, ipc::LogSettings::kFile> &&
              kSame<config::Sinks::kJournal, ipc::LogSettings::kJournal> &&
              kSame<config::Sinks::kSyslog, ipc::LogSettings::kSyslog> &&
              kSame<config::Sinks::kSyslog5424, ipc::LogSettings::kSyslog5424> &&
              kSame<config::Sinks::kConsole, ipc::LogSettings::kConsole> &&
              kSame<config::Sinks::kContainer, ipc::LogSettings::kContainer>);

/// A file that the program appends to. Root's name for it, in the machine's own tree; nobody else
/// may have put something there that is more than a name of this one file.
Result<Fd> open_file(const std::string& path) {
    // Non-blocking: of a FIFO without a reader the open would wait for ever (fifo(7)).
    TRY(Fd file, sys::open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK,
                           kFileMode));
    struct stat info{};
    if (::fstat(file.get(), &info) == -1) return fail_errno("fstat " + path);
    if (!S_ISREG(info.st_mode) || info.st_nlink != 1) {
        return fail(path + ": not a regular file with one name; remove it, or name another");
    }
    if (::fcntl(file.get(), F_SETFL, O_APPEND) == -1) return fail_errno("fcntl " + path);
    return file;
}

Result<void> settle_settings(Core& core, const std::string& unit,
                             const ipc::LogSettings& settings) {
    TRY(const Fd memfd, core.logs.tell_settings(unit, settings));
    if (memfd) tell::store(core.keeper, ipc::Kept::kLogSettings, 0, unit, memfd.get());
    return {};
}

Result<int> pipe_of(Core& core, const std::string& unit, const ResolvedIds& owner,
                    ipc::LogStream stream) {
    TRY(const auto pipe, core.logs.get(unit, owner, stream));
    if (pipe.made) {
        tell::store(core.keeper, ipc::Kept::kLogPipe, 0, unit, pipe.made.get(),
                    static_cast<std::uint16_t>(std::to_underlying(stream)));
    }
    return pipe.write_end;
}

}  // namespace

Result<ipc::LogSettings> log_settings(const config::LoggingTable& logging, Keeping keeping) {
    TRY(const config::Sinks out, config::parse_sinks(logging.stdout_));
    TRY(const config::Sinks err, config::parse_sinks(logging.stderr_));
    ipc::LogSettings settings;
    settings.sinks[0] = out.set;
    settings.sinks[1] = err.set;
    const bool both = out.set != 0 && err.set != 0;
    settings.split = both && (logging.split || out.set != err.set) ? 1 : 0;
    settings.compress = logging.compress ? 1 : 0;
    settings.keep = logging.keep;
    settings.rate_limit = logging.rate_limit;
    settings.max_size = logging.max_size;
    settings.output_cap = logging.output_cap;
    settings.passing = keeping == Keeping::kWithUnit ? 1 : 0;
    using std::chrono::seconds;
    const bool aged = logging.max_age != config::kForever;
    settings.max_age_s =
        aged ? static_cast<std::uint64_t>(std::chrono::ceil<seconds>(logging.max_age).count()) : 0;
    return settings;
}

Result<void> give_output(Core& core, const std::string& unit, const PlannedUnit& of,
                         const ResolvedIds& owner, Program& program, OutputFiles& files) {
    const config::LoggingTable& logging = *of.logging;
    const Keeping keeping = of.job->present() ? Keeping::kWithUnit : Keeping::kForGood;
    TRY(const ipc::LogSettings settings, log_settings(logging, keeping));
    TRY_VOID(settle_settings(core, unit, settings));
    const std::string* const texts[] = {&logging.stdout_, &logging.stderr_};
    int* const descriptors[] = {&program.stdout_fd, &program.stderr_fd};
    for (std::size_t i = 0; i < ipc::kLogStreams; ++i) {
        TRY(const config::Sinks sinks, config::parse_sinks(*texts[i]));
        if (!sinks.file.empty()) {
            TRY(files[i], open_file(sinks.file));
            *descriptors[i] = files[i].get();
        } else if (sinks.set != 0) {
            // Alone, standard error has a pipe of its own as well: its lines are known for what
            // they are.
            const bool second = i == 1 && (settings.split != 0 || settings.sinks[0] == 0);
            TRY(*descriptors[i],
                pipe_of(core, unit, owner,
                        second ? ipc::LogStream::kError : ipc::LogStream::kOutput));
        }
    }
    return {};
}

}  // namespace jailsvc::jailer
