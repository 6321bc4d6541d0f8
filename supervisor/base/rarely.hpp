#pragma once

#include <memory>

namespace jailsvc {

/// A value that is nearly always what T{} is, and then takes no more than a pointer.
template <typename T>
class Rarely {
public:
    Rarely() noexcept = default;
    Rarely(T value) : value_(std::make_unique<T>(std::move(value))) {}
    Rarely(const Rarely& other) : value_(other ? std::make_unique<T>(*other) : nullptr) {}
    Rarely(Rarely&&) noexcept = default;
    Rarely& operator=(Rarely other) noexcept {
        value_.swap(other.value_);
        return *this;
    }
    ~Rarely() = default;

    [[nodiscard]] const T& operator*() const noexcept { return value_ ? *value_ : kUsual; }
    [[nodiscard]] const T* operator->() const noexcept { return &**this; }
    /// To change it; from here on it takes its room.
    [[nodiscard]] T& make() {
        if (!value_) value_ = std::make_unique<T>();
        return *value_;
    }

private:
    [[nodiscard]] explicit operator bool() const noexcept { return value_ != nullptr; }
    static inline const T kUsual{};

    std::unique_ptr<T> value_;
};

}  // namespace jailsvc
