#include "jailer/credentials/encrypted_file.hpp"

#include <fmt/format.h>

#include "jailer/credentials/secret_file.hpp"

namespace jailsvc::jailer {

Result<Secret> decrypt_file(const std::string& key_path, const std::string& path,
                            const std::string& name) {
    TRY(const Fd file, open_secret_file(path, Readers::kAnybody));
    TRY(const Secret bytes, read_secret(file.get(), kMaxEncrypted, path));
    const std::string_view text(reinterpret_cast<const char*>(bytes.bytes().data()),
                                bytes.bytes().size());
    TRY(const std::string inner, encrypted_name(text, path));
    if (inner != name) {
        return fail(fmt::format("{}: was encrypted as \"{}\", not as \"{}\"; encrypt it anew", path,
                                inner, name),
                    EKEYREJECTED);
    }
    TRY(const HostKey key, HostKey::open(key_path, HostKey::Absent::kIsError));
    return key.decrypt(text, path);
}

}  // namespace jailsvc::jailer
