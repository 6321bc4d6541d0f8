#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/places.hpp"
#include "base/result.hpp"
#include "jailer/credentials/secret.hpp"

/// Credentials encrypted so that only root of this host can make and read them: by a key of the
/// host, XChaCha20-Poly1305 (IETF). The file is text:
///
///   jailsvc-credential 1 NAME KEY
///   BASE64
///
/// KEY tells hosts' keys apart and says nothing of them; the second line is nonce and ciphertext,
/// URL-safe and unpadded. The whole first line is authenticated: a file renamed to stand for
/// another credential does not decrypt.
namespace jailsvc::jailer {

class HostKey {
public:
    enum class Absent { kIsError, kIsMade };

    /// Root's file, mode 0400, in the state directory; one that others could read is refused.
    [[nodiscard]] static Result<HostKey> open(const std::string& path, Absent absent);
    [[nodiscard]] static std::string path(const Places& places);

    /// 16 hexadecimal digits.
    [[nodiscard]] const std::string& id() const { return id_; }

    /// The encrypted file's whole text.
    [[nodiscard]] Result<std::string> encrypt(std::string_view name,
                                              std::span<const unsigned char> plain) const;
    /// What the text says, if it was encrypted under this key; `shown` names its file in errors.
    [[nodiscard]] Result<Secret> decrypt(std::string_view text, const std::string& shown) const;

private:
    HostKey(Secret key, std::string id) : key_(std::move(key)), id_(std::move(id)) {}

    Secret key_;
    std::string id_;
};

/// The name in the first line, not authenticated yet.
[[nodiscard]] Result<std::string> encrypted_name(std::string_view text, const std::string& shown);

/// Longest text of an encrypted file [bytes].
inline constexpr std::size_t kMaxEncrypted = 3U << 19;

}  // namespace jailsvc::jailer
