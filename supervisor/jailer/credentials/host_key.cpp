#include "jailer/credentials/host_key.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <vector>

#include "base/sys.hpp"
#include "jailer/credentials/secret_file.hpp"
#include "jailer/plan/credential_limits.hpp"

namespace jailsvc::jailer {
namespace {

constexpr std::string_view kMagic = "jailsvc-credential 1 ";
constexpr std::size_t kKeyBytes = crypto_aead_xchacha20poly1305_ietf_KEYBYTES;
constexpr std::size_t kNonceBytes = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES;
constexpr std::size_t kTagBytes = crypto_aead_xchacha20poly1305_ietf_ABYTES;
constexpr std::size_t kIdBytes = 8;
constexpr int kBase64 = sodium_base64_VARIANT_URLSAFE_NO_PADDING;
static_assert(kMaxCredential * 4 / 3 + 256 < kMaxEncrypted);

const unsigned char* bytes_of(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}

/// One-way, under a label of its own.
std::string id_of(const Secret& key) {
    constexpr std::string_view kLabel = "jailsvc credential key";
    std::array<unsigned char, crypto_generichash_BYTES> hash{};
    ::crypto_generichash(hash.data(), hash.size(), bytes_of(kLabel), kLabel.size(),
                         key.bytes().data(), key.bytes().size());
    std::string text(kIdBytes * 2 + 1, '\0');
    ::sodium_bin2hex(text.data(), text.size(), hash.data(), kIdBytes);
    text.pop_back();  // sodium_bin2hex writes a terminating NUL
    return text;
}

/// Written whole under another name, then linked: who comes second finds the first one's key.
Result<void> make_key(const std::string& path) {
    TRY_VOID(sys::make_directories(path.substr(0, path.rfind('/'))));
    TRY(Secret key, Secret::make(kKeyBytes));
    ::randombytes_buf(key.room().data(), kKeyBytes);
    key.set_size(kKeyBytes);
    const std::string temporary = fmt::format("{}.{}.new", path, ::getpid());
    ::unlink(temporary.c_str());
    TRY(const Fd file, sys::open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0400));
    auto written = write_secret(file.get(), key.bytes(), temporary);
    if (written && ::fsync(file.get()) == -1) written = fail_errno("fsync " + temporary);
    if (written && ::link(temporary.c_str(), path.c_str()) == -1 && errno != EEXIST) {
        written = fail_errno("link " + path);
    }
    ::unlink(temporary.c_str());
    if (!written) return written;
    TRY(const Fd directory, sys::open(path.substr(0, path.rfind('/')), O_RDONLY | O_DIRECTORY));
    if (::fsync(directory.get()) == -1) return fail_errno("fsync of " + path + "'s directory");
    return {};
}

Result<void> check_mode(int fd, const std::string& path) {
    struct stat info{};
    if (::fstat(fd, &info) == -1) return fail_errno(path);
    if ((info.st_mode & 077) == 0) return {};
    return fail(fmt::format("{}: mode {:04o} lets others read the host's key; take it for known: "
                            "remove it, and encrypt other secrets anew",
                            path, info.st_mode & 07777),
                EPERM);
}

/// The first line, with its newline, and what is between.
struct Header {
    std::string_view line, name, key, body;
};

Result<Header> parse_header(std::string_view text, const std::string& shown) {
    const auto bad = [&] {
        return fail(shown + ": is no encrypted credential; make one with jailsvc creds encrypt",
                    EBADMSG);
    };
    const std::size_t end = text.find('\n');
    if (!text.starts_with(kMagic) || end == std::string_view::npos) return bad();
    const std::string_view words = text.substr(kMagic.size(), end - kMagic.size());
    const std::size_t blank = words.find(' ');
    if (blank == std::string_view::npos) return bad();
    Header header{.line = text.substr(0, end + 1),
                  .name = words.substr(0, blank),
                  .key = words.substr(blank + 1),
                  .body = text.substr(end + 1)};
    while (header.body.ends_with('\n')) header.body.remove_suffix(1);
    if (!is_credential_name(header.name) || header.key.size() != kIdBytes * 2) return bad();
    return header;
}

}  // namespace

std::string HostKey::path(const Places& places) {
    return places.lib + "/credential.key";
}

Result<HostKey> HostKey::open(const std::string& path, Absent absent) {
    if (::sodium_init() < 0) return fail("libsodium does not start", EIO);
    if (absent == Absent::kIsMade && ::access(path.c_str(), F_OK) == -1) TRY_VOID(make_key(path));
    auto file = open_secret_file(path, Readers::kAnybody);  // its mode is judged below
    if (!file && file.error().code == ENOENT) {
        return fail(path + ": this host has no key yet; jailsvc creds encrypt makes it", ENOENT);
    }
    if (!file) return std::unexpected(std::move(file).error());
    TRY_VOID(check_mode(file->get(), path));
    TRY(Secret key, read_secret(file->get(), kKeyBytes, path));
    if (key.bytes().size() != kKeyBytes) {
        return fail(path + ": is cut short; restore it from your backup", EBADMSG);
    }
    std::string id = id_of(key);
    return HostKey(std::move(key), std::move(id));
}

Result<std::string> HostKey::encrypt(std::string_view name,
                                     std::span<const unsigned char> plain) const {
    if (!is_credential_name(name)) {
        return fail(fmt::format("\"{}\" is no name of a credential; use 1 to 64 letters, digits "
                                "and _-., of which the last two come later",
                                name.substr(0, 100)),
                    EINVAL);
    }
    const std::string header = fmt::format("{}{} {}\n", kMagic, name, id_);
    std::vector<unsigned char> sealed(kNonceBytes + plain.size() + kTagBytes);
    ::randombytes_buf(sealed.data(), kNonceBytes);
    ::crypto_aead_xchacha20poly1305_ietf_encrypt(sealed.data() + kNonceBytes, nullptr, plain.data(),
                                                 plain.size(), bytes_of(header), header.size(),
                                                 nullptr, sealed.data(), key_.bytes().data());
    std::string body(sodium_base64_ENCODED_LEN(sealed.size(), kBase64), '\0');
    ::sodium_bin2base64(body.data(), body.size(), sealed.data(), sealed.size(), kBase64);
    body.back() = '\n';  // in place of its NUL
    return header + body;
}

Result<Secret> HostKey::decrypt(std::string_view text, const std::string& shown) const {
    TRY(const Header header, parse_header(text, shown));
    if (header.key != id_) {
        return fail(fmt::format("{}: was encrypted for the host with key {}, this one's is {}; "
                                "encrypt it here",
                                shown, header.key, id_),
                    EKEYREJECTED);
    }
    std::vector<unsigned char> sealed(header.body.size() + 1);  // libsodium takes no null pointer
    std::size_t size = 0;
    const bool read =
        ::sodium_base642bin(sealed.data(), sealed.size(), header.body.data(), header.body.size(),
                            nullptr, &size, nullptr, kBase64) == 0;
    if (!read || size < kNonceBytes + kTagBytes) {
        return fail(shown + ": is cut short or no text of ours; encrypt it anew", EBADMSG);
    }
    TRY(Secret plain, Secret::make(size - kNonceBytes - kTagBytes));
    if (::crypto_aead_xchacha20poly1305_ietf_decrypt(
            plain.room().data(), nullptr, nullptr, sealed.data() + kNonceBytes, size - kNonceBytes,
            bytes_of(header.line), header.line.size(), sealed.data(), key_.bytes().data()) != 0) {
        return fail(shown + ": was changed since it was encrypted; encrypt it anew", EBADMSG);
    }
    plain.set_size(size - kNonceBytes - kTagBytes);
    return plain;
}

Result<std::string> encrypted_name(std::string_view text, const std::string& shown) {
    TRY(const Header header, parse_header(text, shown));
    return std::string(header.name);
}

}  // namespace jailsvc::jailer
