#include "engine/records.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <atomic>
#include <cstring>
#include <utility>

#include "base/digest.hpp"
#include "config/load.hpp"

namespace jailsvc::engine {
namespace {

constexpr std::size_t kHeadSize = 4096;
constexpr service::Token kTokenBlock = 1024;

/// One of the two copies of a T. All bytes count for the checksum, so T has no padding that
/// matters: slots are zeroed before they are filled.
template <typename T>
struct Slot {
    std::uint64_t sequence;
    T value;
    Digest check;
};

template <typename T>
Digest checksum(const Slot<T>& slot) {
    return digest_of({reinterpret_cast<const char*>(&slot), offsetof(Slot<T>, check)});
}

/// Slots lie at multiples of 8 in a mapping that begins with a page.
template <typename T>
const Slot<T>& slot_at(const std::byte* at) {
    static_assert(std::is_trivially_copyable_v<T> && alignof(Slot<T>) == 8);
    return *reinterpret_cast<const Slot<T>*>(at);
}

/// Sequence number of a slot, or 0 where it is empty, torn or damaged.
template <typename T>
std::uint64_t sequence_of(const Slot<T>& slot) {
    return slot.sequence != 0 && slot.check == checksum(slot) ? slot.sequence : 0;
}

/// `size` bytes at `at` hold two slots; the newer whole one counts. nullptr: none is whole.
template <typename T>
const T* newest(const std::byte* at, std::size_t size) {
    const auto& first = slot_at<T>(at);
    const auto& second = slot_at<T>(at + size / 2);
    const std::uint64_t a = sequence_of(first);
    const std::uint64_t b = sequence_of(second);
    if (a == 0 && b == 0) return nullptr;
    return a > b ? &first.value : &second.value;
}

/// Returns where it is now; the value before it stays whole.
template <typename T>
const T* write_pair(std::byte* at, std::size_t size, const T& value) {
    const std::uint64_t a = sequence_of(slot_at<T>(at));
    const std::uint64_t b = sequence_of(slot_at<T>(at + size / 2));
    std::byte* older = a > b ? at + size / 2 : at;
    Slot<T> slot;
    std::memset(static_cast<void*>(&slot), 0, sizeof slot);
    slot.sequence = std::max(a, b) + 1;
    std::memcpy(static_cast<void*>(&slot.value), &value, sizeof value);
    slot.check = checksum(slot);
    std::memcpy(older, &slot, sizeof slot);
    // The bytes are in the kernel's page once stored; only the compiler could still hold them back.
    std::atomic_signal_fence(std::memory_order_seq_cst);
    return &slot_at<T>(older).value;
}

static_assert(sizeof(Slot<Records::Entry>) <= ipc::kRecordSize / 2);

/// A checksum proves that an engine wrote it, not that this engine knows the values.
bool makes_sense(const service::Record& record) {
    const std::size_t length = ::strnlen(record.unit, sizeof record.unit);
    return length < sizeof record.unit && config::is_unit_name({record.unit, length}) &&
           record.state <= service::State::kDone &&
           record.control_purpose <= service::Purpose::kStub && record.main_pid >= 0;
}

}  // namespace

Result<Records> Records::open(Fd memfd) {
    struct stat info{};
    if (::fstat(memfd.get(), &info) == -1) return fail_errno("state memfd");
    if (static_cast<std::size_t>(info.st_size) < ipc::kStateSize) {
        return fail(
            fmt::format("state memfd: {} bytes, {} are needed", info.st_size, ipc::kStateSize));
    }
    const int seals = ::fcntl(memfd.get(), F_GET_SEALS);
    if (seals == -1 || (seals & F_SEAL_SHRINK) == 0) {
        return fail("state memfd: not sealed against shrinking");
    }
    void* base =
        ::mmap(nullptr, ipc::kStateSize, PROT_READ | PROT_WRITE, MAP_SHARED, memfd.get(), 0);
    if (base == MAP_FAILED) return fail_errno("map the state memfd");
    Records records(std::move(memfd), static_cast<std::byte*>(base));
    if (const auto* head = newest<Head>(records.base_, kHeadSize)) records.head_ = *head;
    if (records.head_.used_places > ipc::kMaxUnits) records.head_.used_places = ipc::kMaxUnits;
    return records;
}

Records::Records(Records&& other) noexcept
    : memfd_(std::move(other.memfd_)),
      base_(std::exchange(other.base_, nullptr)),
      head_(other.head_),
      entries_(std::move(other.entries_)),
      free_(std::move(other.free_)) {}

Records::~Records() {
    if (base_ != nullptr) ::munmap(base_, ipc::kStateSize);
}

std::byte* Records::place(std::size_t index) const {
    return base_ + kHeadSize + index * ipc::kRecordSize;
}

std::size_t Records::index_of(const Entry* entry) const {
    const auto* at = reinterpret_cast<const std::byte*>(entry);
    return static_cast<std::size_t>(at - place(0)) / ipc::kRecordSize;
}

void Records::save_head() {
    (void)write_pair(base_, kHeadSize, head_);
}

std::vector<Records::Entry> Records::load() {
    std::vector<Entry> found;
    // Places never written are not looked at: a read through the mapping would allocate them.
    for (std::size_t i = 0; i < head_.used_places; ++i) {
        const Entry* entry = newest<Entry>(place(i), ipc::kRecordSize);
        if (entry == nullptr || !makes_sense(entry->record) ||
            entries_.contains(entry->record.unit)) {
            free_.push_back(i);
            continue;
        }
        entries_.emplace(entry->record.unit, entry);
        found.push_back(*entry);
    }
    return found;
}

bool Records::save(const Entry& entry) {
    const std::string_view unit = entry.record.unit;
    const auto known = entries_.find(unit);
    if (known != entries_.end()) {
        known->second = write_pair(place(index_of(known->second)), ipc::kRecordSize, entry);
        return true;
    }
    if (free_.empty() && head_.used_places == ipc::kMaxUnits) return false;
    if (free_.empty()) {
        free_.push_back(head_.used_places++);
        save_head();
    }
    entries_.emplace(unit, write_pair(place(free_.back()), ipc::kRecordSize, entry));
    free_.pop_back();
    return true;
}

void Records::erase(std::string_view unit) {
    const auto at = entries_.find(unit);
    if (at == entries_.end()) return;
    const std::size_t index = index_of(at->second);
    // A nameless newer record hides the old one even if we die before the other slot is written.
    (void)write_pair(place(index), ipc::kRecordSize, Entry{});
    free_.push_back(index);
    entries_.erase(at);
}

const Records::Entry* Records::find(std::string_view unit) const {
    const auto at = entries_.find(unit);
    return at == entries_.end() ? nullptr : at->second;
}

void Records::reserve(service::Token token) {
    if (token < head_.token_limit) return;
    head_.token_limit = token + kTokenBlock;
    save_head();
}

void Records::set_booted() {
    head_.booted = 1;
    save_head();
}

}  // namespace jailsvc::engine
