#include "jailer/net/nft.hpp"

#include <dlfcn.h>
#include <fmt/format.h>

#include <cerrno>
#include <string_view>

struct nft_ctx;  // of libnftables

namespace jailsvc::jailer {
namespace {

constexpr const char* kFile = "libnftables.so.1";
constexpr unsigned kJson = 1U << 4;  ///< NFT_CTX_OUTPUT_JSON of <nftables/libnftables.h>

template <typename Function>
bool find(void* library, const char* name, Function*& function) {
    function = reinterpret_cast<Function*>(::dlsym(library, name));
    return function != nullptr;
}

/// The first line of what nft says against the commands; those that follow quote them.
std::string first_line(const char* text) {
    const std::string_view all = text == nullptr ? "" : text;
    return std::string(all.substr(0, all.find('\n')));
}

}  // namespace

/// The few functions we use, as <nftables/libnftables.h> declares them for version 1 of the
/// library.
struct Nft::Library {
    nft_ctx* (*make)(std::uint32_t flags);
    void (*free)(nft_ctx*);
    int (*run)(nft_ctx*, const char* commands);
    int (*buffer_output)(nft_ctx*);
    int (*buffer_error)(nft_ctx*);
    const char* (*output)(nft_ctx*);
    const char* (*error)(nft_ctx*);
    void (*set_flags)(nft_ctx*, unsigned flags);

    /// Never unloaded: it is used until the jailer ends.
    static Result<std::unique_ptr<Library>> load() {
        void* handle = ::dlopen(kFile, RTLD_NOW | RTLD_LOCAL);
        if (handle == nullptr) {
            return fail(fmt::format("{} is missing, which writes the rules between jails; install "
                                    "the package libnftables1, or use mode \"loopback\"",
                                    kFile),
                        ENOENT);
        }
        auto self = std::make_unique<Library>();
        const bool complete = find(handle, "nft_ctx_new", self->make) &&
                              find(handle, "nft_ctx_free", self->free) &&
                              find(handle, "nft_run_cmd_from_buffer", self->run) &&
                              find(handle, "nft_ctx_buffer_output", self->buffer_output) &&
                              find(handle, "nft_ctx_buffer_error", self->buffer_error) &&
                              find(handle, "nft_ctx_get_output_buffer", self->output) &&
                              find(handle, "nft_ctx_get_error_buffer", self->error) &&
                              find(handle, "nft_ctx_output_set_flags", self->set_flags);
        if (!complete) return fail(fmt::format("{} is not the library expected", kFile), ENOSYS);
        return self;
    }
};

Nft::Nft() = default;
Nft::Nft(Nft&&) noexcept = default;
Nft::~Nft() = default;

Result<std::string> Nft::execute(const std::string& commands, bool json) {
    if (!library_) {
        TRY(library_, Library::load());
    }
    // A new context each time: an old one remembers a rule set that others may have changed.
    const std::unique_ptr<nft_ctx, void (*)(nft_ctx*)> context(library_->make(0), library_->free);
    if (!context) return fail_errno("nft", ENOMEM);
    if (library_->buffer_output(context.get()) != 0 || library_->buffer_error(context.get()) != 0) {
        return fail_errno("nft", ENOMEM);
    }
    if (json) library_->set_flags(context.get(), kJson);
    errno = 0;
    if (library_->run(context.get(), commands.c_str()) != 0) {
        const int code = errno != 0 ? errno : EIO;
        return fail("nft: " + first_line(library_->error(context.get())), code);
    }
    const char* output = library_->output(context.get());
    return std::string(output == nullptr ? "" : output);
}

Result<void> Nft::run(const std::string& commands) {
    TRY_VOID(execute(commands, false));
    return {};
}

Result<std::string> Nft::query(const std::string& commands) {
    return execute(commands, true);
}

}  // namespace jailsvc::jailer
