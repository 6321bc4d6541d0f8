#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace jailsvc::jailer {

/// Memory shared with one worker process, in which it leaves what it found. The parent reads only
/// after the worker has been reaped, when nobody can change it any more; lengths are checked then.
class SharedReport {
public:
    enum class Outcome : std::uint32_t {
        kNone = 0,
        kDone = 1,
        kError = 2,
        kOutOfMemory = 3,
        kThrew = 4,
        kRefused = 5  ///< the text is what pack() of refusal.hpp makes
    };

    /// Room for `capacity` bytes of text; pages cost memory only once written.
    [[nodiscard]] static Result<SharedReport> make(std::size_t capacity);
    SharedReport(SharedReport&& other) noexcept;
    SharedReport& operator=(SharedReport&& other) noexcept;
    ~SharedReport();

    // In the worker.
    void set_step(std::uint32_t step) noexcept;  ///< what it is about to do
    void finish(Outcome outcome, std::string_view text) noexcept;

    // In the parent, after the worker's end.
    [[nodiscard]] std::uint32_t step() const noexcept;
    [[nodiscard]] Outcome outcome() const noexcept;
    [[nodiscard]] std::string text() const;

private:
    struct Header;
    SharedReport(void* memory, std::size_t size) : memory_(memory), size_(size) {}
    [[nodiscard]] volatile Header* header() const noexcept;
    [[nodiscard]] std::size_t capacity() const noexcept;
    [[nodiscard]] char* bytes() const noexcept;

    void* memory_ = nullptr;
    std::size_t size_ = 0;
};

}  // namespace jailsvc::jailer
