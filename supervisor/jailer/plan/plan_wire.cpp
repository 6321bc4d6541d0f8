// Plans as flat bytes: a header, then one record per operation. Little more than lengths and
// values; the reader trusts none of them.

#include <fmt/format.h>

#include <cstring>

#include "jailer/plan/plan.hpp"
#include "jailer/plan/plan_check.hpp"

namespace jailsvc::jailer {
namespace {

constexpr std::uint32_t kMagic = 0x5056534a;  // "JSVP"
constexpr std::uint32_t kVersion = 1;

template <typename T>
void put(std::string& out, T value) {
    static_assert(std::is_integral_v<T>);
    out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void put_text(std::string& out, std::string_view text) {
    put(out, static_cast<std::uint32_t>(text.size()));
    out.append(text);
}

/// Reads values off the front of some bytes; after the first that is not there `good` stays false
/// and all further ones are empty.
class Reader {
public:
    explicit Reader(std::string_view bytes) : bytes_(bytes) {}

    template <typename T>
    T number() {
        T value{};
        const std::string_view raw = take(sizeof value);
        if (good_) std::memcpy(&value, raw.data(), sizeof value);
        return value;
    }
    std::string text(std::size_t limit) {
        const auto size = number<std::uint32_t>();
        if (size > limit) good_ = false;
        return std::string(take(size));
    }
    std::string_view take(std::size_t size) {
        if (!good_ || size > bytes_.size()) {
            good_ = false;
            return {};
        }
        const std::string_view taken = bytes_.substr(0, size);
        bytes_.remove_prefix(size);
        return taken;
    }
    [[nodiscard]] bool good() const { return good_; }
    [[nodiscard]] bool at_end() const { return good_ && bytes_.empty(); }

private:
    std::string_view bytes_;
    bool good_ = true;
};

void put_op(std::string& out, const Op& op) {
    put(out, static_cast<std::uint16_t>(op.kind));
    put(out, static_cast<std::uint16_t>(op.stage));
    put(out, op.flags);
    for (const std::uint64_t value : op.number) put(out, value);
    for (const std::string& text : op.text) put_text(out, text);
    put_text(out, op.blob);
    put_text(out, op.plugin);
    put(out, static_cast<std::uint8_t>(op.optional));
}

Result<Op> read_op(Reader& reader) {
    Op op;
    const auto kind = reader.number<std::uint16_t>();
    const auto stage = reader.number<std::uint16_t>();
    op.flags = reader.number<std::uint32_t>();
    for (std::uint64_t& value : op.number) value = reader.number<std::uint64_t>();
    for (std::string& text : op.text) text = reader.text(kMaxText);
    op.blob = reader.text(kMaxBlob);
    op.plugin = reader.text(kMaxPluginName);
    const auto optional = reader.number<std::uint8_t>();
    if (!reader.good()) return fail("an operation is cut short or too long");
    if (optional > 1) return fail("a truth value is neither 0 nor 1");
    // Only a known kind with its own stage becomes an enumerator.
    const KindInfo* info = find_kind(kind);
    if (info == nullptr) return fail(fmt::format("unknown kind of operation {}", kind));
    if (static_cast<unsigned>(info->stage) != stage) {
        return fail(fmt::format("{}: wrong stage {}", info->name, stage));
    }
    op.kind = info->kind;
    op.stage = info->stage;
    op.optional = optional == 1;
    return op;
}

Result<Plan> read_plan(Reader& reader) {
    if (reader.number<std::uint32_t>() != kMagic || reader.number<std::uint32_t>() != kVersion) {
        return fail("not a plan of this version");
    }
    Plan plan;
    plan.unit = reader.text(kMaxUnitName);
    const std::string_view digest = reader.take(plan.digest.size());
    const auto count = reader.number<std::uint32_t>();
    if (!reader.good()) return fail("cut short");
    std::memcpy(plan.digest.data(), digest.data(), digest.size());
    if (count > kMaxOps) return fail(fmt::format("{} operations; {} are allowed", count, kMaxOps));
    plan.ops.reserve(count);
    for (std::uint32_t i = 0; i < count; ++i) {
        TRY(Op op, read_op(reader));
        plan.ops.push_back(std::move(op));
    }
    if (!reader.at_end()) return fail("bytes after its end");
    TRY_VOID(check_plan(plan));
    plan.environment = collect_environment(plan);
    return plan;
}

}  // namespace

std::string serialise(const Plan& plan) {
    std::string out;
    put(out, kMagic);
    put(out, kVersion);
    put_text(out, plan.unit);
    out.append(reinterpret_cast<const char*>(plan.digest.data()), plan.digest.size());
    put(out, static_cast<std::uint32_t>(plan.ops.size()));
    for (const Op& op : plan.ops) put_op(out, op);
    return out;
}

Result<Plan> deserialise(std::string_view bytes) {
    if (bytes.size() > kMaxPlanBytes) return fail("serialised plan: too long");
    Reader reader(bytes);
    auto plan = read_plan(reader);
    if (!plan) return fail_in("serialised plan", std::move(plan).error());
    return plan;
}

}  // namespace jailsvc::jailer
