#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/fd.hpp"
#include "base/result.hpp"
#include "ipc/messages.hpp"
#include "service/manager.hpp"

namespace jailsvc::engine {

/// What the engine remembers of a unit beside the state machine's own record.
struct Extra {
    std::uint32_t weakened = 0;   ///< operations that were allowed not to hold and did not
    std::uint32_t pressure = 0;   ///< how often a trigger of pressure told since the service began
    std::uint64_t oom_kills = 0;  ///< of its control group when the service began
    std::uint64_t refused_tasks = 0;   ///< the same
    std::uint64_t output_dropped = 0;  ///< of its last run, beyond its output_cap [bytes]
};

/// The engine's durable state: a memfd that the keeper holds, mapped shared. Everything in it has
/// two slots with a sequence number and a checksum; a write goes to the older one, so a death in
/// the middle leaves the newer one whole. A header page, then
///   places  one per unit: how its name begins, then the two slots
///   texts   the two slots' `because`, apart: few units have one, and memory is taken by the page
///   names   the whole ones of those that are too long for their place; few, too
class Records {
public:
    struct Entry {
        service::Record record{};
        Extra extra{};
    };

    // The layout, in bytes; any change to it is another kFormat. A change of size is one by itself.
    static constexpr std::uint64_t kFormat = 8 | std::uint64_t{sizeof(service::Vitals)} << 32;
    static constexpr std::size_t kHeadSize = 4096;
    static constexpr std::size_t kFormatAt = kHeadSize - sizeof kFormat;
    static constexpr std::size_t kNameSize = sizeof service::Record::unit;
    static constexpr std::size_t kShortName = 40;  ///< with its NUL
    static constexpr std::size_t kSlotSize = sizeof(service::Vitals) + sizeof(Extra) + 24;
    static constexpr std::size_t kPlaceSize = kShortName + 2 * kSlotSize;
    static constexpr std::size_t kTextSize = sizeof service::Record::because;
    static constexpr std::size_t kTextsAt = kHeadSize + ipc::kMaxUnits * kPlaceSize;
    static constexpr std::size_t kNamesAt = kTextsAt + ipc::kMaxUnits * 2 * kTextSize;
    static_assert(kNamesAt + ipc::kMaxUnits * kNameSize <= ipc::kStateSize);

    /// Maps the memfd; it must be of ipc::kStateSize and sealed against shrinking, because a
    /// mapping beyond the end of a file kills its reader (SIGBUS, mmap(2)). One that an engine of
    /// another format wrote is refused.
    [[nodiscard]] static Result<Records> open(Fd memfd);
    Records(Records&& other) noexcept;
    Records& operator=(Records&&) = delete;
    ~Records();

    /// Every record that is whole and makes sense. What does not is forgotten.
    [[nodiscard]] std::vector<Entry> load();

    /// Writes the unit's record; false where all places are taken.
    [[nodiscard]] bool save(const Entry& entry);
    /// Frees the place of a unit that left memory.
    void erase(std::string_view unit);
    [[nodiscard]] std::optional<Entry> find(std::string_view unit) const;

    /// The first token that no engine before this one can have used.
    [[nodiscard]] service::Token first_free_token() const { return head_.token_limit; }
    /// To be called before `token` leaves the engine: tokens are set aside in blocks, so that most
    /// calls write nothing.
    void reserve(service::Token token);

    /// Whether the units wanted at boot have been asked for.
    [[nodiscard]] bool booted() const { return head_.booted != 0; }
    void set_booted();

    /// That everything is being stopped, and how it is to end then.
    struct Ending {
        ipc::ShutdownKind kind = ipc::ShutdownKind::kExit;
        std::uint16_t exit_code = 0;
    };
    [[nodiscard]] std::optional<Ending> ending() const;
    void set_ending(Ending ending);

private:
    struct Head {
        std::uint64_t token_limit = 1;
        std::uint32_t used_places = 0;  ///< places from here on were never written
        std::uint32_t booted = 0;
        std::uint32_t ends = 0;
        Ending ending{};
    };

    Records(Fd memfd, std::byte* base) : memfd_(std::move(memfd)), base_(base) {}
    [[nodiscard]] bool take_format();
    [[nodiscard]] std::byte* place(std::size_t index) const;
    [[nodiscard]] std::byte* text(std::size_t index, std::size_t slot) const;
    [[nodiscard]] char* long_name(std::size_t index) const;
    [[nodiscard]] std::string_view name(std::size_t index) const;
    void begin_place(std::size_t index, std::string_view unit);
    [[nodiscard]] std::optional<Entry> read(std::size_t index) const;
    void write(std::size_t index, const Entry& entry);
    void save_head();

    using Indices = std::vector<std::uint16_t>;
    static_assert(ipc::kMaxUnits <= 65536);
    /// Where the unit's index is in `known_`, or belongs.
    [[nodiscard]] Indices::const_iterator look_up(std::string_view unit) const;
    [[nodiscard]] bool is_known(Indices::const_iterator at, std::string_view unit) const;

    Fd memfd_;
    std::byte* base_;
    Head head_;
    Indices known_;  ///< places that hold a unit, sorted by its name
    Indices free_;
};

}  // namespace jailsvc::engine
