#pragma once

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

namespace jailsvc {

/// A sorted array with the part of std::map's interface that is needed, for what there is of every
/// unit: it takes half the memory for values of a few bytes. Unlike there, an insertion or removal
/// moves everything that comes after it, and no reference lasts longer.
template <typename Key, typename Value>
class FlatMap {
    using Items = std::vector<std::pair<Key, Value>>;

public:
    using iterator = typename Items::iterator;
    using const_iterator = typename Items::const_iterator;

    [[nodiscard]] iterator begin() noexcept { return items_.begin(); }
    [[nodiscard]] iterator end() noexcept { return items_.end(); }
    [[nodiscard]] const_iterator begin() const noexcept { return items_.begin(); }
    [[nodiscard]] const_iterator end() const noexcept { return items_.end(); }
    [[nodiscard]] bool empty() const noexcept { return items_.empty(); }
    [[nodiscard]] std::size_t size() const noexcept { return items_.size(); }

    [[nodiscard]] iterator find(const auto& key) { return found(items_, key); }
    [[nodiscard]] const_iterator find(const auto& key) const { return found(items_, key); }
    [[nodiscard]] bool contains(const auto& key) const { return find(key) != end(); }

    /// The value of a new key is Value{}.
    Value& operator[](const Key& key) { return try_emplace(key).first->second; }
    template <typename... Arguments>
    std::pair<iterator, bool> try_emplace(const Key& key, Arguments&&... arguments) {
        const auto at = place_of(items_, key);
        if (at != end() && at->first == key) return {at, false};
        return {items_.emplace(at, key, Value(std::forward<Arguments>(arguments)...)), true};
    }
    iterator insert_or_assign(const Key& key, Value value) {
        const auto at = try_emplace(key).first;
        at->second = std::move(value);
        return at;
    }
    iterator erase(iterator at) { return items_.erase(at); }
    std::size_t erase(const auto& key) {
        const auto at = find(key);
        if (at == end()) return 0;
        items_.erase(at);
        return 1;
    }

private:
    static auto place_of(auto& items, const auto& key) {
        return std::ranges::lower_bound(items, key, {}, &std::pair<Key, Value>::first);
    }
    static auto found(auto& items, const auto& key) {
        const auto at = place_of(items, key);
        return at != items.end() && at->first == key ? at : items.end();
    }

    Items items_;
};

}  // namespace jailsvc
