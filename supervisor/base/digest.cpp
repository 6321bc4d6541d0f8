#include "base/digest.hpp"

#include <sodium.h>

namespace jailsvc {

Digest digest_of(std::string_view bytes) noexcept {
    Digest out{};
    ::crypto_generichash(out.data(), out.size(),
                         reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
                         nullptr, 0);
    return out;
}

std::string to_hex(const Digest& digest) {
    std::string text(digest.size() * 2 + 1, '\0');
    ::sodium_bin2hex(text.data(), text.size(), digest.data(), digest.size());
    text.pop_back();  // sodium_bin2hex writes a terminating NUL
    return text;
}

}  // namespace jailsvc
