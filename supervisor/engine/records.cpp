#include "engine/records.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <utility>

#include "base/digest.hpp"
#include "config/load.hpp"

namespace jailsvc::engine {
namespace {

constexpr service::Token kTokenBlock = 1024;

/// Enough to tell what a death in the middle of a write has left; nobody else writes here.
std::uint64_t checksum_of(std::string_view bytes) {
    const Digest digest = digest_of(bytes);
    std::uint64_t check = 0;
    std::memcpy(&check, digest.data(), sizeof check);
    return check;
}

/// One of the two copies of a T. T has no padding that matters: slots are zeroed before they are
/// filled.
template <typename T>
struct Slot {
    std::uint64_t sequence;
    T value;
    std::uint64_t check;
};

/// `name` is what the slot belongs to: it is worth nothing under another one.
template <typename T>
std::uint64_t checksum(const Slot<T>& slot, std::string_view name) {
    std::array<char, Records::kNameSize + offsetof(Slot<T>, check)> covered{};
    std::memcpy(covered.data(), &slot, offsetof(Slot<T>, check));
    name.copy(covered.data() + offsetof(Slot<T>, check), Records::kNameSize);
    return checksum_of({covered.data(), covered.size()});
}

/// Two slots, at multiples of 8 in a mapping that begins with a page.
template <typename T>
class Pair {
public:
    Pair(std::byte* at, std::string_view name)
        : slots_(reinterpret_cast<Slot<T>*>(at)), name_(name) {
        static_assert(std::is_trivially_copyable_v<T> && alignof(Slot<T>) == 8);
    }

    /// The newer whole one's number; none is whole: nullopt.
    [[nodiscard]] std::optional<std::size_t> newest() const {
        const std::uint64_t a = sequence_of(0);
        const std::uint64_t b = sequence_of(1);
        if (a == 0 && b == 0) return std::nullopt;
        return a > b ? 0 : 1;
    }
    /// The one that the next `write` goes to.
    [[nodiscard]] std::size_t next() const { return newest() == std::size_t{0} ? 1 : 0; }
    [[nodiscard]] const T& operator[](std::size_t slot) const { return slots_[slot].value; }

    /// The value before it stays whole.
    void write(const T& value) {
        // Each is hashed once: a unit's record is written several times in a start.
        const std::uint64_t first = sequence_of(0);
        const std::uint64_t second = sequence_of(1);
        const std::size_t older = first > second ? 1 : 0;
        Slot<T> slot;
        std::memset(static_cast<void*>(&slot), 0, sizeof slot);
        slot.sequence = std::max(first, second) + 1;
        std::memcpy(static_cast<void*>(&slot.value), &value, sizeof value);
        slot.check = checksum(slot, name_);
        std::memcpy(&slots_[older], &slot, sizeof slot);
        // The bytes are in the kernel's page once stored; only the compiler could still hold them
        // back.
        std::atomic_signal_fence(std::memory_order_seq_cst);
    }

private:
    /// 0 where it is empty, torn or damaged.
    [[nodiscard]] std::uint64_t sequence_of(std::size_t number) const {
        const Slot<T>& slot = slots_[number];
        return slot.sequence != 0 && slot.check == checksum(slot, name_) ? slot.sequence : 0;
    }

    Slot<T>* slots_;
    std::string_view name_;
};

/// What a unit's slot holds.
struct Kept {
    service::Vitals vitals;
    Extra extra;
    std::uint64_t because;  ///< checksum of the text beside it; 0: none
};
static_assert(sizeof(Slot<Kept>) == Records::kSlotSize);

/// A checksum proves that an engine wrote it, not that this engine knows the values.
bool makes_sense(const service::Record& record) {
    const std::size_t length = ::strnlen(record.unit, sizeof record.unit);
    return length < sizeof record.unit && config::is_unit_name({record.unit, length}) &&
           record.state <= service::State::kListening &&
           record.control_purpose <= service::Purpose::kCondition &&
           record.health <= service::Health::kUnhealthy && record.main_pid >= 0;
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
    if (!records.take_format()) {
        return fail("state memfd: written by another version; restart the whole supervisor");
    }
    const Pair<Head> head(records.base_, {});
    if (const auto newest = head.newest()) records.head_ = head[*newest];
    if (records.head_.used_places > ipc::kMaxUnits) records.head_.used_places = ipc::kMaxUnits;
    return records;
}

/// Marks a new memfd; whether it is one of this format.
bool Records::take_format() {
    std::uint64_t format = 0;
    std::memcpy(&format, base_ + kFormatAt, sizeof format);
    if (format != 0) return format == kFormat;
    // The first engine died before it wrote anything, or was of the time before formats had
    // numbers.
    const std::byte zero{};
    if (std::any_of(base_, base_ + kFormatAt, [&](std::byte b) { return b != zero; })) return false;
    std::memcpy(base_ + kFormatAt, &kFormat, sizeof kFormat);
    return true;
}

Records::Records(Records&& other) noexcept
    : memfd_(std::move(other.memfd_)),
      base_(std::exchange(other.base_, nullptr)),
      head_(other.head_),
      known_(std::move(other.known_)),
      free_(std::move(other.free_)) {}

Records::~Records() {
    if (base_ != nullptr) ::munmap(base_, ipc::kStateSize);
}

std::byte* Records::place(std::size_t index) const {
    return base_ + kHeadSize + index * kPlaceSize;
}

std::byte* Records::text(std::size_t index, std::size_t slot) const {
    return base_ + kTextsAt + (2 * index + slot) * kTextSize;
}

char* Records::long_name(std::size_t index) const {
    return reinterpret_cast<char*>(base_ + kNamesAt + index * kNameSize);
}

std::string_view Records::name(std::size_t index) const {
    const auto* at = reinterpret_cast<const char*>(place(index));
    const std::size_t size = ::strnlen(at, kShortName);
    if (size < kShortName) return {at, size};
    return {long_name(index), ::strnlen(long_name(index), kNameSize)};
}

/// With another name what the slots held is worth nothing.
void Records::begin_place(std::size_t index, std::string_view unit) {
    std::memset(place(index), 0, kPlaceSize);
    if (unit.size() >= kShortName) {
        std::memset(long_name(index), 0, kNameSize);
        unit.copy(long_name(index), kNameSize);
    }
    unit.copy(reinterpret_cast<char*>(place(index)), kShortName);
}

std::optional<Records::Entry> Records::read(std::size_t index) const {
    const std::string_view unit = name(index);
    const Pair<Kept> slots(place(index) + kShortName, unit);
    const auto newest = slots.newest();
    if (!newest || unit.size() == kNameSize) return std::nullopt;
    const Kept& kept = slots[*newest];
    Entry entry{.record = {kept.vitals, {}, {}}, .extra = kept.extra};
    unit.copy(entry.record.unit, unit.size());
    if (kept.because == 0) return entry;
    const std::string_view because(reinterpret_cast<const char*>(text(index, *newest)), kTextSize);
    // Not written whole: the record counts all the same.
    if (checksum_of(because) == kept.because) because.copy(entry.record.because, kTextSize - 1);
    return entry;
}

void Records::write(std::size_t index, const Entry& entry) {
    Pair<Kept> slots(place(index) + kShortName, name(index));
    Kept kept{.vitals = entry.record, .extra = entry.extra, .because = 0};
    if (entry.record.because[0] != 0) {
        // Before the record that tells of it, in the place of a text that none tells of any more.
        std::memcpy(text(index, slots.next()), entry.record.because, kTextSize);
        kept.because = checksum_of({entry.record.because, kTextSize});
    }
    slots.write(kept);
}

void Records::save_head() {
    Pair<Head>(base_, {}).write(head_);
}

Records::Indices::const_iterator Records::look_up(std::string_view unit) const {
    return std::ranges::lower_bound(known_, unit, {}, [this](std::size_t i) { return name(i); });
}

bool Records::is_known(Indices::const_iterator at, std::string_view unit) const {
    return at != known_.end() && name(*at) == unit;
}

std::vector<Records::Entry> Records::load() {
    std::vector<Entry> found;
    // Places never written are not looked at: a read through the mapping would allocate them.
    for (std::size_t i = 0; i < head_.used_places; ++i) {
        const auto index = static_cast<std::uint16_t>(i);
        const auto entry = read(index);
        const auto at = look_up(name(index));
        if (!entry || !makes_sense(entry->record) || is_known(at, name(index))) {
            free_.push_back(index);
            continue;
        }
        known_.insert(at, index);
        found.push_back(*entry);
    }
    return found;
}

bool Records::save(const Entry& entry) {
    const std::string_view unit(entry.record.unit, ::strnlen(entry.record.unit, kNameSize));
    const auto at = look_up(unit);
    if (is_known(at, unit)) {
        write(*at, entry);
        return true;
    }
    if (free_.empty() && head_.used_places == ipc::kMaxUnits) return false;
    if (free_.empty()) {
        free_.push_back(static_cast<std::uint16_t>(head_.used_places++));
        save_head();
    }
    const std::uint16_t index = free_.back();
    free_.pop_back();
    begin_place(index, unit);
    write(index, entry);
    known_.insert(at, index);
    return true;
}

void Records::erase(std::string_view unit) {
    const auto at = look_up(unit);
    if (!is_known(at, unit)) return;
    free_.push_back(*at);
    std::memset(place(*at), 0, kPlaceSize);  // from its name on: no half of it is whole
    known_.erase(at);
}

std::optional<Records::Entry> Records::find(std::string_view unit) const {
    const auto at = look_up(unit);
    return is_known(at, unit) ? read(*at) : std::nullopt;
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

std::optional<Records::Ending> Records::ending() const {
    return head_.ends != 0 ? std::optional(head_.ending) : std::nullopt;
}

void Records::set_ending(Ending ending) {
    head_.ends = 1;
    head_.ending = ending;
    save_head();
}

}  // namespace jailsvc::engine
