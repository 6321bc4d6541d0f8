#include "jailer/credentials/declared.hpp"

#include "config/jail_view.hpp"
#include "jailer/credentials/encrypted_file.hpp"
#include "jailer/credentials/secret_file.hpp"

namespace jailsvc::jailer {

Result<std::vector<DeclaredCredential>> declared_credentials(const config::Unit& unit) {
    TRY(const config::JailView view, config::JailView::open(unit, "credentials"));
    std::vector<DeclaredCredential> all;
    for (const char* from : {"file", "encrypted", "command"}) {
        const auto map = view.get_map(from);
        if (!map) continue;
        for (const auto& [name, where] : *map) all.push_back({name, from, where});
    }
    return all;
}

Result<void> check_declared(const Places& places, const DeclaredCredential& one) {
    if (one.from == "encrypted") {
        TRY_VOID(decrypt_file(HostKey::path(places), one.where, one.name));
    } else if (one.from == "file") {
        TRY_VOID(open_secret_file(one.where, Readers::kNotEverybody));
    }
    return {};
}

}  // namespace jailsvc::jailer
