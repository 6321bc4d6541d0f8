#pragma once

#include <algorithm>
#include <cstddef>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <new>
#include <utility>
#include <vector>

namespace jailsvc {

/// A sequence as large as one pointer, with nothing behind it while it is empty: for the lists of a
/// unit, which are many and mostly empty. A std::vector takes three pointers each. Its elements
/// do not change; an append copies all of them.
template <typename T>
class List {
public:
    using value_type = T;

    List() noexcept = default;
    List(std::initializer_list<T> elements) : List(elements.begin(), elements.end()) {}
    List(const std::vector<T>& elements) : List(elements.begin(), elements.end()) {}
    List(std::vector<T>&& elements)
        : List(std::move_iterator(elements.begin()), std::move_iterator(elements.end())) {}
    template <std::input_iterator It>
        requires std::sized_sentinel_for<It, It>
    List(It first, It last) {
        const auto size = static_cast<std::size_t>(last - first);
        if (size == 0) return;
        Block block(static_cast<std::size_t*>(::operator new(kHead + size * sizeof(T))));
        std::uninitialized_copy(first, last, elements_of(block.get()));
        *block = size;
        block_ = std::move(block);
    }
    List(const List& other) : List(other.begin(), other.end()) {}
    List(List&&) noexcept = default;
    List& operator=(List other) noexcept {
        block_.swap(other.block_);
        return *this;
    }
    ~List() { std::destroy(begin(), end()); }

    [[nodiscard]] bool empty() const noexcept { return block_ == nullptr; }
    [[nodiscard]] std::size_t size() const noexcept { return empty() ? 0 : *block_; }
    [[nodiscard]] const T* data() const noexcept {
        return empty() ? nullptr : elements_of(block_.get());
    }
    [[nodiscard]] const T* begin() const noexcept { return data(); }
    [[nodiscard]] const T* end() const noexcept { return data() + size(); }
    [[nodiscard]] const T& operator[](std::size_t index) const noexcept { return data()[index]; }
    [[nodiscard]] const T& front() const noexcept { return *data(); }
    [[nodiscard]] const T& back() const noexcept { return data()[size() - 1]; }
    [[nodiscard]] bool operator==(const List& other) const {
        return std::equal(begin(), end(), other.begin(), other.end());
    }

    void push_back(T element) {
        std::vector<T> all(begin(), end());
        all.push_back(std::move(element));
        *this = List(std::move(all));
    }

private:
    static_assert(alignof(T) <= alignof(std::max_align_t));
    /// The number of elements stands before them.
    static constexpr std::size_t kHead = std::max(sizeof(std::size_t), alignof(T));
    struct Free {
        void operator()(std::size_t* block) const noexcept { ::operator delete(block); }
    };
    using Block = std::unique_ptr<std::size_t, Free>;
    static T* elements_of(std::size_t* block) noexcept {
        return reinterpret_cast<T*>(reinterpret_cast<std::byte*>(block) + kHead);
    }

    Block block_;
};

}  // namespace jailsvc
