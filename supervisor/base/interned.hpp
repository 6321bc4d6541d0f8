#pragma once

#include <cstddef>
#include <functional>
#include <unordered_set>
#include <utility>

namespace jailsvc {

/// An immutable value; equal ones are stored once, for as long as any is used. For what many units
/// have in common: those of one profile differ in little. For one thread.
template <typename T, typename Hash = std::hash<T>>
class Interned {
public:
    explicit Interned(T value) : node_(&*pool().insert(Node{std::move(value)}).first) {
        ++node_->users;
    }
    Interned(const Interned& other) noexcept : node_(other.node_) {
        if (node_ != nullptr) ++node_->users;
    }
    Interned(Interned&& other) noexcept : node_(std::exchange(other.node_, nullptr)) {}
    Interned& operator=(Interned other) noexcept {
        std::swap(node_, other.node_);
        return *this;
    }
    ~Interned() {
        if (node_ != nullptr && --node_->users == 0) pool().erase(*node_);
    }

    /// Stays where it is as long as any equal to this one lives.
    [[nodiscard]] const T& operator*() const noexcept { return node_->value; }
    [[nodiscard]] const T* operator->() const noexcept { return &node_->value; }
    [[nodiscard]] bool operator==(const Interned& other) const noexcept = default;

    /// How many different ones there are.
    [[nodiscard]] static std::size_t stored() noexcept { return pool().size(); }

private:
    struct Node {
        T value;
        mutable std::size_t users = 0;
        bool operator==(const Node& other) const { return value == other.value; }
    };
    struct NodeHash {
        std::size_t operator()(const Node& node) const { return Hash{}(node.value); }
    };
    /// Never destroyed: a value may outlive whatever order of destruction there is at the end.
    static auto& pool() {
        static auto* const nodes = new std::unordered_set<Node, NodeHash>;
        return *nodes;
    }

    const Node* node_;
};

}  // namespace jailsvc
