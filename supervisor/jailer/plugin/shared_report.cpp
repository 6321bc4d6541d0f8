#include "jailer/plugin/shared_report.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace jailsvc::jailer {

struct SharedReport::Header {
    std::uint32_t step;
    std::uint32_t outcome;
    std::uint64_t size;
};

Result<SharedReport> SharedReport::make(std::size_t capacity) {
    const std::size_t size = sizeof(Header) + capacity;
    void* memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) return fail_errno("memory for a worker's report");
    return SharedReport(memory, size);
}

SharedReport::SharedReport(SharedReport&& other) noexcept
    : memory_(std::exchange(other.memory_, nullptr)), size_(std::exchange(other.size_, 0)) {}

SharedReport& SharedReport::operator=(SharedReport&& other) noexcept {
    std::swap(memory_, other.memory_);
    std::swap(size_, other.size_);
    return *this;
}

SharedReport::~SharedReport() {
    if (memory_ != nullptr) ::munmap(memory_, size_);
}

volatile SharedReport::Header* SharedReport::header() const noexcept {
    return static_cast<volatile Header*>(memory_);
}
std::size_t SharedReport::capacity() const noexcept {
    return size_ - sizeof(Header);
}
char* SharedReport::bytes() const noexcept {
    return static_cast<char*>(memory_) + sizeof(Header);
}

void SharedReport::set_step(std::uint32_t step) noexcept {
    header()->step = step;
}

void SharedReport::finish(Outcome outcome, std::string_view text) noexcept {
    const std::size_t size = std::min(text.size(), capacity());
    std::memcpy(bytes(), text.data(), size);
    header()->size = size;
    header()->outcome = static_cast<std::uint32_t>(outcome);
}

std::uint32_t SharedReport::step() const noexcept {
    return header()->step;
}

SharedReport::Outcome SharedReport::outcome() const noexcept {
    const std::uint32_t outcome = header()->outcome;
    if (outcome > static_cast<std::uint32_t>(Outcome::kRefused)) return Outcome::kNone;
    return static_cast<Outcome>(outcome);
}

std::string SharedReport::text() const {
    const auto size = static_cast<std::size_t>(std::uint64_t{header()->size});
    return {bytes(), std::min(size, capacity())};
}

}  // namespace jailsvc::jailer
