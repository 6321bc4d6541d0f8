#include <fmt/format.h>
#include <linux/sched.h>

#include <algorithm>
#include <climits>
#include <ranges>

#include "jailer/jail/jail.hpp"
#include "jailer/plan/shared_op.hpp"

namespace jailsvc::jailer {
namespace {

constexpr std::size_t kMostOps = 4096;
constexpr std::size_t kMostFiles = 256;       // names in the child are two hexadecimal digits
constexpr std::size_t kFileBytes = 2U << 20;  // half of the child's scratch tmpfs

/// Kinds that a plan may hold once; for the others order and repetition have a meaning.
constexpr jsv_kind kSingle[] = {
    JSV_OP_ID_MAP,       JSV_OP_HOSTNAME, JSV_OP_ROOT,         JSV_OP_DEV,
    JSV_OP_NICE,         JSV_OP_UMASK,    JSV_OP_CHDIR,        JSV_OP_OOM_SCORE,
    JSV_OP_SESSION,      JSV_OP_IDS,      JSV_OP_CAPABILITIES, JSV_OP_SECUREBITS,
    JSV_OP_NO_NEW_PRIVS, JSV_OP_NETWORK,  JSV_OP_LANDLOCK,     JSV_OP_VIEW,
    JSV_OP_NETWORK_JOIN, JSV_OP_SECCOMP,  JSV_OP_SECCOMP_MAIN, JSV_OP_CREDENTIALS};

std::size_t count_kind(const Plan& plan, jsv_kind kind) {
    return static_cast<std::size_t>(
        std::ranges::count_if(plan.ops, [&](const Op& op) { return op.kind == kind; }));
}

/// ".." means nothing good in a plan, and differs between a text and what the kernel makes of it.
bool is_plain_path(const std::string& path) {
    if (path.empty() || path[0] != '/' || path.size() >= PATH_MAX) return false;
    return (path + "/").find("/../") == std::string::npos && path.find('\0') == std::string::npos;
}

/// What the jail calls the place an operation covers; nullptr for those that cover none.
const std::string* mount_target(const Op& op) {
    if (op.kind == JSV_OP_BIND) return &op.text[1];
    const bool first = op.kind == JSV_OP_TMPFS || op.kind == JSV_OP_PROC || op.kind == JSV_OP_DEV ||
                       op.kind == JSV_OP_SYSFS || op.kind == JSV_OP_DEVICE ||
                       op.kind == JSV_OP_MASK || op.kind == JSV_OP_READ_ONLY ||
                       op.kind == JSV_OP_FILE || op.kind == JSV_OP_CREDENTIALS;
    return first ? &op.text[0] : nullptr;
}

/// Without a namespace of its own an operation would change the host itself.
std::uint64_t needed_namespace(const Op& op) {
    if (op.kind == JSV_OP_HOSTNAME) return CLONE_NEWUTS;
    if (op.kind == JSV_OP_SYSFS) return CLONE_NEWNS | CLONE_NEWNET;
    const bool view = op.kind == JSV_OP_VIEW || op.kind == JSV_OP_REVEAL;
    if (op.kind == JSV_OP_ROOT || view || mount_target(op) != nullptr) return CLONE_NEWNS;
    if (op.kind == JSV_OP_ID_MAP) return CLONE_NEWUSER;
    if (op.kind != JSV_OP_SYSCTL) return 0;
    std::string name = op.text[0];
    std::ranges::replace(name, '/', '.');
    if (name.starts_with("net.")) return CLONE_NEWNET;
    if (name.starts_with("kernel.msg") || name.starts_with("kernel.shm") || name == "kernel.sem" ||
        name.starts_with("fs.mqueue.")) {
        return CLONE_NEWIPC;
    }
    if (name == "kernel.domainname") return CLONE_NEWUTS;
    return ~std::uint64_t{0};  // of no namespace: no plan may set it
}

std::string refusal(const Plan& plan, const Op& op, std::string_view why) {
    return fmt::format("{}: {}: operation {} ({} {}): {}", plan.unit, op.plugin,
                       static_cast<int>(op.kind), op.text[0], op.text[1], why);
}

Result<void> check_target(const Plan& plan, const Op& op) {
    const std::string* target = mount_target(op);
    if (target == nullptr) return {};
    if (!is_plain_path(*target)) {
        return fail(refusal(plan, op, "the target must be an absolute path without .."), EINVAL);
    }
    if (*target == "/" && op.kind != JSV_OP_READ_ONLY) {
        return fail(refusal(plan, op, "the root itself can only be made by a root operation"),
                    EINVAL);
    }
    return {};
}

Result<void> check_op(const Plan& plan, const Op& op, std::uint64_t namespaces) {
    const std::uint64_t needed = needed_namespace(op);
    if ((namespaces & needed) != needed) {
        return fail(refusal(plan, op,
                            "needs a namespace of its own that the plan does not make; "
                            "without it the host would be changed"),
                    EINVAL);
    }
    TRY_VOID(check_target(plan, op));
    const bool has_source =
        op.kind == JSV_OP_ROOT || op.kind == JSV_OP_BIND || op.kind == JSV_OP_DEVICE;
    if (has_source && !is_plain_path(op.text[0])) {
        return fail(refusal(plan, op, "the source must be an absolute path without .."), EINVAL);
    }
    if (op.kind == JSV_OP_IDS && op.blob.size() % sizeof(std::uint32_t) != 0) {
        return fail(refusal(plan, op, "supplementary groups are 32-bit numbers"), EINVAL);
    }
    return {};
}

Result<void> check_root_comes_first(const Plan& plan) {
    bool mounted = false;
    for (const Op& op : plan.ops) {
        if (op.kind == JSV_OP_ROOT && mounted) {
            return fail(refusal(plan, op, "must come before every other mount"), EINVAL);
        }
        mounted = mounted || mount_target(op) != nullptr;
    }
    return {};
}

/// A device is bound upon a file that we make: that may only be in a /dev of our own.
Result<void> check_devices(const Plan& plan) {
    std::string dev;
    for (const Op& op : plan.ops) {
        if (op.kind == JSV_OP_DEV) dev = op.text[0] + "/";
        if (op.kind != JSV_OP_DEVICE) continue;
        if (dev.empty() || !op.text[0].starts_with(dev)) {
            return fail(refusal(plan, op, "a device needs a dev operation above it"), EINVAL);
        }
    }
    return {};
}

Result<void> check_counts(const Plan& plan) {
    if (plan.ops.size() > kMostOps) {
        return fail(
            fmt::format("{}: {} operations; at most {}", plan.unit, plan.ops.size(), kMostOps),
            E2BIG);
    }
    for (const jsv_kind kind : kSingle) {
        if (count_kind(plan, kind) <= 1) continue;
        const auto twice = std::ranges::find(plan.ops, kind, &Op::kind);
        return fail(refusal(plan, *twice, "may be asked for once only"), EINVAL);
    }
    std::size_t bytes = 0;
    for (const Op& op : plan.ops) {
        if (op.kind == JSV_OP_FILE) bytes += op.text[1].size() + 4096;
    }
    if (bytes > kFileBytes || count_kind(plan, JSV_OP_FILE) > kMostFiles) {
        return fail(fmt::format("{}: too many or too large files in the plan", plan.unit), E2BIG);
    }
    return {};
}

/// The one that was put together last: a start asks for its plan several times, and a place for it
/// in every plan would be kept for each unit.
struct {
    const void* of = nullptr;
    std::weak_ptr<const Plan> plan{};
} recent;

ChildOp flatten(const Op& op, std::uint32_t index) {
    return {.kind = static_cast<std::uint16_t>(op.kind),
            .stage = static_cast<std::uint16_t>(op.stage),
            .flags = op.flags,
            .number = {op.number[0], op.number[1], op.number[2]},
            .text = {op.text[0].c_str(), op.text[1].c_str()},
            .blob = op.blob.data(),
            .blob_size = static_cast<std::uint32_t>(op.blob.size()),
            .index = index,
            .optional = static_cast<std::uint8_t>(op.optional ? 1 : 0)};
}

}  // namespace

struct CompiledPlan::Impl {
    std::string unit;
    Digest digest{};
    std::uint64_t namespaces = 0;
    List<OpRun> runs;

    ~Impl() {
        if (recent.of == this) recent = {};
    }
    [[nodiscard]] std::size_t size() const {
        std::size_t count = 0;
        for (const OpRun& run : runs) count += run->size();
        return count;
    }
    [[nodiscard]] auto ops() const {
        const auto list = [](const OpRun& run) -> const List<SharedOp>& { return *run; };
        return runs | std::views::transform(list) | std::views::join;
    }
};

Result<CompiledPlan> CompiledPlan::make(Plan plan) {
    TRY_VOID(check_counts(plan));
    const std::uint64_t namespaces = plan.namespace_flags();
    if ((namespaces & CLONE_NEWUSER) != 0 && count_kind(plan, JSV_OP_ID_MAP) == 0) {
        return fail(plan.unit + ": a user namespace needs its id maps", EINVAL);
    }
    for (const Op& op : plan.ops) TRY_VOID(check_op(plan, op, namespaces));
    TRY_VOID(check_root_comes_first(plan));
    TRY_VOID(check_devices(plan));
    auto impl = std::make_unique<Impl>(std::move(plan.unit), plan.digest, namespaces);
    impl->runs = to_runs(std::move(plan.ops));
    return CompiledPlan(std::move(impl));
}

CompiledPlan::CompiledPlan(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
CompiledPlan::CompiledPlan(CompiledPlan&&) noexcept = default;
CompiledPlan& CompiledPlan::operator=(CompiledPlan&&) noexcept = default;
CompiledPlan::~CompiledPlan() = default;

const std::string& CompiledPlan::unit() const {
    return impl_->unit;
}

const Digest& CompiledPlan::digest() const {
    return impl_->digest;
}

std::shared_ptr<const Plan> CompiledPlan::whole() const {
    auto known = recent.of == impl_.get() ? recent.plan.lock() : nullptr;
    if (known) return known;
    const auto plan = std::make_shared<Plan>(impl_->unit, impl_->digest);
    plan->ops.reserve(impl_->size());
    for (const SharedOp& op : impl_->ops()) plan->ops.push_back(*op);
    plan->environment = collect_environment(*plan);
    recent = {impl_.get(), plan};
    return plan;
}

std::vector<ChildOp> CompiledPlan::child_ops() const {
    std::vector<ChildOp> flat;
    flat.reserve(impl_->size());
    for (const SharedOp& op : impl_->ops()) {
        flat.push_back(flatten(*op, static_cast<std::uint32_t>(flat.size())));
    }
    return flat;
}

const Op* CompiledPlan::find(jsv_kind kind) const {
    for (const SharedOp& op : impl_->ops()) {
        if (op->kind == kind) return &*op;
    }
    return nullptr;
}

void CompiledPlan::for_each(
    jsv_kind kind, const std::function<void(std::uint32_t index, const Op& op)>& look) const {
    std::uint32_t index = 0;
    for (const SharedOp& op : impl_->ops()) {
        if (op->kind == kind) look(index, *op);
        ++index;
    }
}

bool CompiledPlan::is_optional(std::uint32_t index) const {
    for (const SharedOp& op : impl_->ops() | std::views::drop(index)) return op->optional;
    return false;
}

std::uint64_t CompiledPlan::namespaces() const {
    return impl_->namespaces;
}

}  // namespace jailsvc::jailer
