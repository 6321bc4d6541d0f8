#pragma once

#include <memory>
#include <string>

#include "base/result.hpp"

namespace jailsvc::jailer {

/// libnftables, loaded when the first unit needs it: most systems have none that does, and what a
/// library costs in memory every fork of the jailer pays again.
class Nft {
public:
    Nft();
    Nft(Nft&&) noexcept;
    ~Nft();

    /// Commands of nft(8), one per line, as one transaction: all of them or none.
    [[nodiscard]] Result<void> run(const std::string& commands);
    /// What `commands` print, as libnftables-json(5).
    [[nodiscard]] Result<std::string> query(const std::string& commands);

private:
    struct Library;
    [[nodiscard]] Result<std::string> execute(const std::string& commands, bool json);
    std::unique_ptr<Library> library_;
};

}  // namespace jailsvc::jailer
