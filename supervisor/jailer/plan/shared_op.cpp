#include "jailer/plan/shared_op.hpp"

#include <functional>
#include <string_view>
#include <unordered_set>

namespace jailsvc::jailer {
namespace {

std::size_t hash_of(const Op& op) {
    std::size_t hash = (static_cast<std::size_t>(op.kind) << 32) ^ op.flags;
    const auto add = [&hash](std::size_t value) { hash = hash * 0x9e3779b97f4a7c15U + value; };
    for (const std::uint64_t number : op.number) add(number);
    for (const std::string& text : op.text) add(std::hash<std::string_view>{}(text));
    add(std::hash<std::string_view>{}(op.blob));
    add(std::hash<std::string_view>{}(op.plugin));
    return hash;
}

}  // namespace

struct SharedOp::Node {
    Op op;
    mutable std::size_t users = 0;
    bool operator==(const Node& other) const { return op == other.op; }
};

/// Never destroyed: a plan may outlive whatever order of destruction there is at the end.
struct SharedOp::Pool {
    struct Hash {
        std::size_t operator()(const Node& node) const { return hash_of(node.op); }
    };
    using Set = std::unordered_set<Node, Hash>;
    static Set& set() {
        static auto* const pool = new Set;
        return *pool;
    }
};

SharedOp::SharedOp(Op op) : node_(&*Pool::set().insert(Node{std::move(op)}).first) {
    ++node_->users;
}

SharedOp::SharedOp(const SharedOp& other) noexcept : node_(other.node_) {
    if (node_ != nullptr) ++node_->users;
}

SharedOp::~SharedOp() {
    if (node_ != nullptr && --node_->users == 0) Pool::set().erase(*node_);
}

const Op& SharedOp::operator*() const noexcept {
    return node_->op;
}

std::size_t SharedOp::stored() noexcept {
    return Pool::set().size();
}

}  // namespace jailsvc::jailer
