#pragma once

#include <chrono>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.hpp"

namespace jailsvc::jailer {

/// Bytes that nobody else may see: between guard pages, locked against swap as far as
/// RLIMIT_MEMLOCK goes, left out of core dumps, zeroed when let go (sodium_malloc(3)). Move-only.
class Secret {
public:
    /// Room for `capacity` bytes, of which none are used yet.
    [[nodiscard]] static Result<Secret> make(std::size_t capacity);
    Secret(Secret&& other) noexcept
        : bytes_(std::exchange(other.bytes_, nullptr)),
          capacity_(other.capacity_),
          size_(other.size_) {}
    Secret& operator=(Secret&& other) noexcept;
    ~Secret();

    [[nodiscard]] std::span<unsigned char> room() { return {bytes_, capacity_}; }
    [[nodiscard]] std::span<const unsigned char> bytes() const { return {bytes_, size_}; }
    void set_size(std::size_t size) { size_ = size; }

private:
    explicit Secret(unsigned char* bytes, std::size_t capacity)
        : bytes_(bytes), capacity_(capacity) {}

    unsigned char* bytes_;
    std::size_t capacity_;
    std::size_t size_ = 0;
};

using Deadline = std::chrono::steady_clock::time_point;

/// All that comes from the descriptor, to its end, straight into a secret; `shown` names it in
/// errors. More than `limit` bytes are one (EFBIG), and so is being late (ETIMEDOUT).
[[nodiscard]] Result<Secret> read_secret(int fd, std::size_t limit, const std::string& shown,
                                         Deadline deadline = Deadline::max());

/// Writes all of it.
[[nodiscard]] Result<void> write_secret(int fd, std::span<const unsigned char> bytes,
                                        const std::string& shown);

}  // namespace jailsvc::jailer
