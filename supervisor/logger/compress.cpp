#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include <functional>
#include <memory>
#include <vector>

#include "base/fd.hpp"
#include "logger/archivist.hpp"

namespace jailsvc::logger {
namespace {

constexpr int kLevel = 3;  ///< zstd's own default
constexpr std::size_t kBlock = 128 * 1024;
constexpr mode_t kMode = 0640;

struct FreeContext {
    void operator()(ZSTD_CCtx* context) const { ::ZSTD_freeCCtx(context); }
};

Result<void> write_all(int fd, const char* data, std::size_t size) {
    while (size > 0) {
        const ssize_t count = ::write(fd, data, size);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return fail_errno("write");
        data += count;
        size -= static_cast<std::size_t>(count);
    }
    return {};
}

Result<std::size_t> read_some(int fd, std::vector<char>& block) {
    for (;;) {
        const ssize_t count = ::read(fd, block.data(), block.size());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return fail_errno("read");
        return static_cast<std::size_t>(count);
    }
}

Result<void> compress_stream(int from, int to, const std::function<bool()>& go_on) {
    const std::unique_ptr<ZSTD_CCtx, FreeContext> context(::ZSTD_createCCtx());
    if (context == nullptr) return fail_errno("zstd", ENOMEM);
    ::ZSTD_CCtx_setParameter(context.get(), ZSTD_c_compressionLevel, kLevel);
    ::ZSTD_CCtx_setParameter(context.get(), ZSTD_c_checksumFlag, 1);
    std::vector<char> in(kBlock);
    std::vector<char> out(kBlock);
    for (bool last = false; !last;) {
        if (!go_on()) return fail_errno("compress", ECANCELED);
        TRY(const std::size_t size, read_some(from, in));
        last = size == 0;
        ZSTD_inBuffer input{in.data(), size, 0};
        for (std::size_t left = 1; left != 0 && (last || input.pos < input.size);) {
            ZSTD_outBuffer output{out.data(), out.size(), 0};
            left = ::ZSTD_compressStream2(context.get(), &output, &input,
                                          last ? ZSTD_e_end : ZSTD_e_continue);
            if (::ZSTD_isError(left) != 0) return fail(::ZSTD_getErrorName(left));
            TRY_VOID(write_all(to, out.data(), output.pos));
            if (!last) left = 1;
        }
    }
    return {};
}

}  // namespace

Result<void> compress_file(int directory, const std::string& name,
                           const std::function<bool()>& go_on) {
    const std::string made = name + ".zst";
    const std::string half = made + ".tmp";
    const Fd from(::openat(directory, name.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
    if (!from) return fail_errno(name);
    const auto make = [&]() -> Result<void> {
        const Fd to(::openat(directory, half.c_str(),
                             O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, kMode));
        if (!to) return fail_errno(half);
        TRY_VOID(compress_stream(from.get(), to.get(), go_on));
        // Before the plain file goes: a machine that loses power must find one of the two whole.
        if (::fdatasync(to.get()) == -1) return fail_errno("fdatasync " + half);
        if (::renameat(directory, half.c_str(), directory, made.c_str()) == -1) {
            return fail_errno("rename " + half);
        }
        return {};
    };
    if (auto done = make(); !done) {
        ::unlinkat(directory, half.c_str(), 0);
        return done;
    }
    if (::unlinkat(directory, name.c_str(), 0) == -1) return fail_errno("unlink " + name);
    return {};
}

}  // namespace jailsvc::logger
