#include "log_filter.hpp"

#include <fmt/format.h>

#include "log_time.hpp"

namespace jailsvc::ctl {
namespace {

std::string stamp_of(std::uint64_t time_us) {
    std::string stamp(kStampLength, ' ');
    write_stamp(stamp.data(), time_us);
    return stamp;
}

Result<std::uint64_t> time_of(const char* option, const std::string& text, std::uint64_t now_us) {
    auto time = parse_time(text, now_us);
    if (!time) return fail(fmt::format("{} {}", option, time.error().message), kUsage);
    return time;
}

}  // namespace

Result<LogFilter> LogFilter::make(const LogsOptions& options, std::uint64_t now_us) {
    LogFilter filter;
    std::uint64_t until_us = UINT64_MAX;
    if (!options.since.empty()) {
        TRY(filter.since_us_, time_of("--since", options.since, now_us));
        filter.since_ = stamp_of(filter.since_us_);
    }
    if (!options.until.empty()) {
        if (options.follow) return fail("--until and --follow exclude each other", kUsage);
        TRY(until_us, time_of("--until", options.until, now_us));
        filter.until_ = stamp_of(until_us);
    }
    if (filter.since_us_ > until_us) return fail("--since is later than --until", kUsage);
    if (!options.grep.empty()) TRY_VOID(filter.set_pattern(options.grep));
    if (!options.stream.empty()) TRY_VOID(filter.set_stream(options.stream));
    return filter;
}

LogFilter LogFilter::since(std::uint64_t us) {
    LogFilter filter;
    filter.since_us_ = us;
    filter.since_ = stamp_of(us);
    return filter;
}

Result<void> LogFilter::set_pattern(const std::string& text) {
    auto pattern = std::make_unique<regex_t>();
    const int code = ::regcomp(pattern.get(), text.c_str(), REG_EXTENDED);
    if (code != 0) {
        char why[128];
        ::regerror(code, pattern.get(), why, sizeof why);
        return fail(fmt::format("--grep \"{}\": {}; see regex(7)", text, why), kUsage);
    }
    pattern_.reset(pattern.release());
    return {};
}

Result<void> LogFilter::set_stream(const std::string& name) {
    if (name == "stdout") {
        stream_ = LineMark::kStdout;
    } else if (name == "stderr") {
        stream_ = LineMark::kStderr;
    } else {
        return fail(fmt::format("--stream \"{}\": use \"stdout\" or \"stderr\"", name), kUsage);
    }
    return {};
}

bool LogFilter::is_past(const std::optional<LogLine>& line) const {
    return line && !until_.empty() && line->stamp > until_;
}

bool LogFilter::wants(const std::optional<LogLine>& line, std::string_view text) const {
    if (line && (line->stamp < since_ || is_past(line))) return false;
    if (stream_ && (!line || line->mark != *stream_)) return false;
    if (pattern_ == nullptr) return true;
    // By length, not by a NUL: REG_STARTEND of regexec(3).
    regmatch_t range{
        0,
        static_cast<regoff_t>(text.size()),
    };
    return ::regexec(pattern_.get(), text.data(), 1, &range, REG_STARTEND) == 0;
}

}  // namespace jailsvc::ctl
