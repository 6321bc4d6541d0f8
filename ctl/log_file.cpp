#include "log_file.hpp"

#include <unistd.h>
#include <zstd.h>

#include <algorithm>
#include <cstring>

#include "base/log_line.hpp"

namespace jailsvc::ctl {
namespace {

constexpr std::size_t kBlock = 64 * 1024;
constexpr unsigned char kZstdMagic[] = {0x28, 0xb5, 0x2f, 0xfd};  // RFC 8878, 3.1.1

Result<std::size_t> read_at(int file, std::uint64_t offset, char* into, std::size_t size) {
    for (;;) {
        const ssize_t count = ::pread(file, into, size, static_cast<off_t>(offset));
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return fail_errno("read the log");
        return static_cast<std::size_t>(count);
    }
}

Result<std::string> text_at(int file, std::uint64_t offset, std::size_t size) {
    std::string text(size, '\0');
    TRY(const std::size_t count, read_at(file, offset, text.data(), size));
    text.resize(count);
    return text;
}

/// Offset of the first line that starts at or after `offset`.
Result<std::uint64_t> next_line_start(int file, std::uint64_t offset, std::uint64_t size) {
    if (offset == 0) return 0;
    for (std::uint64_t at = offset - 1; at < size; at += kBlock) {
        TRY(const std::string block, text_at(file, at, kBlock));
        const std::size_t newline = block.find('\n');
        if (newline != std::string::npos) return std::min(size, at + newline + 1);
        if (block.empty()) break;
    }
    return size;
}

}  // namespace

void LogFile::FreeDecoder::operator()(ZSTD_DCtx_s* decoder) const {
    ::ZSTD_freeDCtx(decoder);
}

Result<LogFile> LogFile::open(Fd file, std::uint64_t size, std::uint64_t offset) {
    LogFile log;
    log.file_ = std::move(file);
    log.size_ = size;
    char magic[sizeof kZstdMagic] = {};
    TRY(const std::size_t count, read_at(log.file_.get(), 0, magic, sizeof magic));
    if (count == sizeof magic && std::memcmp(magic, kZstdMagic, sizeof magic) == 0) {
        log.decoder_.reset(::ZSTD_createDCtx());
        if (!log.decoder_) return fail_errno("read the log", ENOMEM);
    } else {
        log.offset_ = std::min(offset, size);
    }
    return log;
}

Result<std::string_view> LogFile::read() {
    if (!left_.empty()) return std::exchange(left_, {});
    return compressed() ? read_compressed() : read_plain();
}

Result<std::string_view> LogFile::read_plain() {
    text_.resize(kBlock);
    const std::size_t want = std::min<std::uint64_t>(kBlock, size_ - offset_);
    TRY(const std::size_t count, read_at(file_.get(), offset_, text_.data(), want));
    offset_ += count;
    return std::string_view(text_).substr(0, count);
}

Result<std::string_view> LogFile::read_compressed() {
    block_.resize(kBlock);
    text_.resize(kBlock);
    for (;;) {
        if (block_at_ == block_size_) {
            TRY(block_size_, read_at(file_.get(), offset_, block_.data(), block_.size()));
            block_at_ = 0;
            offset_ += block_size_;
        }
        ZSTD_inBuffer input{block_.data(), block_size_, block_at_};
        ZSTD_outBuffer output{text_.data(), text_.size(), 0};
        const std::size_t code = ::ZSTD_decompressStream(decoder_.get(), &output, &input);
        if (::ZSTD_isError(code) != 0) {
            return fail(std::string("a rotated log is damaged: ") + ::ZSTD_getErrorName(code));
        }
        block_at_ = input.pos;
        if (output.pos > 0 || block_size_ == 0) {
            return std::string_view(text_).substr(0, output.pos);
        }
    }
}

Result<std::uint64_t> LogFile::skip(std::uint64_t count) {
    if (!compressed() && left_.empty()) {
        const std::uint64_t possible = std::min(count, size_ - offset_);
        offset_ += possible;
        return possible;
    }
    std::uint64_t skipped = 0;
    while (skipped < count) {
        TRY(const std::string_view bytes, read());
        if (bytes.empty()) break;
        const std::size_t now = std::min<std::uint64_t>(bytes.size(), count - skipped);
        left_ = bytes.substr(now);
        skipped += now;
    }
    return skipped;
}

Result<std::uint64_t> offset_of_last_lines(int file, std::uint64_t size, std::uint64_t lines) {
    if (lines == 0) return size;
    // The newline that ends the last line does not start another one.
    std::uint64_t end = size > 0 ? size - 1 : 0;
    while (end > 0) {
        const std::uint64_t start = end > kBlock ? end - kBlock : 0;
        TRY(const std::string block, text_at(file, start, static_cast<std::size_t>(end - start)));
        for (std::size_t i = block.size(); i > 0; --i) {
            if (block[i - 1] == '\n' && --lines == 0) return start + i;
        }
        end = start;
    }
    return 0;
}

Result<std::uint64_t> offset_since(int file, std::uint64_t size, std::uint64_t since_us) {
    char text[kStampLength];
    write_stamp(text, since_us);
    const std::string_view since(text, sizeof text);
    std::uint64_t low = 0;  // every line before it is too old
    std::uint64_t high = size;
    while (low < high) {
        const std::uint64_t middle = low + (high - low) / 2;
        TRY(const std::uint64_t line, next_line_start(file, middle, size));
        if (line >= high) {
            high = middle;
            continue;
        }
        TRY(const std::string stamp, text_at(file, line, kStampLength));
        if (stamp < since) {
            low = line + 1;
        } else {
            high = middle;
        }
    }
    return next_line_start(file, low, size);
}

}  // namespace jailsvc::ctl
