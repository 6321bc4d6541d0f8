#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/fd.hpp"
#include "base/result.hpp"

struct ZSTD_DCtx_s;

namespace jailsvc::ctl {

/// One log file, as it is or compressed, read from its start on.
class LogFile {
public:
    /// Of a file that is not compressed the first `size` bytes, from `offset` on.
    [[nodiscard]] static Result<LogFile> open(Fd file, std::uint64_t size,
                                              std::uint64_t offset = 0);

    [[nodiscard]] bool compressed() const noexcept { return decoder_ != nullptr; }
    /// Next bytes, valid until the next call; empty at the end.
    [[nodiscard]] Result<std::string_view> read();
    /// Leaves out up to `count` bytes; those it had to.
    [[nodiscard]] Result<std::uint64_t> skip(std::uint64_t count);

private:
    struct FreeDecoder {
        void operator()(ZSTD_DCtx_s* decoder) const;
    };
    LogFile() = default;
    [[nodiscard]] Result<std::string_view> read_plain();
    [[nodiscard]] Result<std::string_view> read_compressed();

    Fd file_;
    std::uint64_t size_ = 0;
    std::uint64_t offset_ = 0;
    std::unique_ptr<ZSTD_DCtx_s, FreeDecoder> decoder_;
    std::string block_;         ///< as read from the file
    std::size_t block_at_ = 0;  ///< what of it was decoded
    std::size_t block_size_ = 0;
    std::string text_;
    std::string_view left_;  ///< of the last bytes, what skip left
};

/// Takes lines off a stream of bytes.
class LineBuffer {
public:
    void add(std::string_view bytes) {
        if (at_ > 0) bytes_.erase(0, std::exchange(at_, 0));
        bytes_ += bytes;
    }
    /// The next whole line without its newline, valid until the next `add`.
    [[nodiscard]] std::optional<std::string_view> next() {
        const std::size_t end = bytes_.find('\n', at_);
        if (end == std::string::npos) return std::nullopt;
        const std::size_t begin = std::exchange(at_, end + 1);
        return std::string_view(bytes_).substr(begin, end - begin);
    }
    /// The line that was begun and not ended, if there is one.
    [[nodiscard]] std::optional<std::string_view> rest() {
        if (at_ == bytes_.size()) return std::nullopt;
        return std::string_view(bytes_).substr(std::exchange(at_, bytes_.size()));
    }

private:
    std::string bytes_;
    std::size_t at_ = 0;
};

/// Offset of the first line stamped `since_us` or later among the first `size` bytes of a file that
/// is not compressed; stamps rise, so it is searched by halving.
[[nodiscard]] Result<std::uint64_t> offset_since(int file, std::uint64_t size,
                                                 std::uint64_t since_us);

/// Where to start so that the newest `lines` lines of the first `size` bytes are read.
[[nodiscard]] Result<std::uint64_t> offset_of_last_lines(int file, std::uint64_t size,
                                                         std::uint64_t lines);

}  // namespace jailsvc::ctl
