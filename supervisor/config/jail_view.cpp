#include "config/jail_view.hpp"

#include <fmt/format.h>

#include "config/quantity.hpp"
#include "config/raw.hpp"
#include "config/schema.hpp"

namespace jailsvc::config {

struct JailView::Impl {
    bool present = false;
    RawTable keys;

    template <typename T>
    [[nodiscard]] const T* find(std::string_view key) const {
        const auto found = keys.find(key);
        return found == keys.end() ? nullptr : std::get_if<T>(&found->second.value.data);
    }
};

namespace {

/// Takes the table at a dotted path ("jail.chroot") out of `root`.
std::optional<RawTable> take_table(RawTable root, std::string_view path) {
    while (!path.empty()) {
        const auto dot = path.find('.');
        const auto found = root.find(path.substr(0, dot));
        if (found == root.end()) return std::nullopt;
        auto* below = std::get_if<RawTable>(&found->second.value.data);
        if (below == nullptr) return std::nullopt;
        RawTable next = std::move(*below);
        root = std::move(next);
        path = dot == std::string_view::npos ? std::string_view() : path.substr(dot + 1);
    }
    return root;
}

}  // namespace

Result<JailView> JailView::open(const Unit& unit, std::string_view table) {
    const SourceText source{.name = unit.name, .text = unit.text.str()};
    Reporter reporter;
    auto raw = parse_toml(source, reporter);
    if (!raw) return fail(fmt::format("{}: its effective text does not parse", unit.name), EBADMSG);
    auto impl = std::make_unique<Impl>();
    if (auto keys = take_table(std::move(*raw), table)) {
        impl->present = true;
        impl->keys = std::move(*keys);
    }
    return JailView(std::move(impl));
}

JailView::JailView(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
JailView::JailView(JailView&&) noexcept = default;
JailView& JailView::operator=(JailView&&) noexcept = default;
JailView::~JailView() = default;

bool JailView::present() const {
    return impl_->present;
}

bool JailView::has(std::string_view key) const {
    return impl_->keys.contains(key);
}

std::optional<bool> JailView::get_bool(std::string_view key) const {
    const auto* value = impl_->find<bool>(key);
    return value != nullptr ? std::optional(*value) : std::nullopt;
}

std::optional<std::int64_t> JailView::get_integer(std::string_view key) const {
    const auto* value = impl_->find<std::int64_t>(key);
    return value != nullptr ? std::optional(*value) : std::nullopt;
}

std::optional<std::string> JailView::get_string(std::string_view key) const {
    const auto* value = impl_->find<std::string>(key);
    return value != nullptr ? std::optional(*value) : std::nullopt;
}

std::optional<std::vector<std::string>> JailView::get_list(std::string_view key) const {
    const auto* list = impl_->find<RawList>(key);
    if (list == nullptr) return std::nullopt;
    std::vector<std::string> out;
    for (const Raw& element : *list) {
        if (const auto* text = std::get_if<std::string>(&element.data)) out.push_back(*text);
    }
    return out;
}

std::optional<std::map<std::string, std::string>> JailView::get_map(std::string_view key) const {
    const auto* table = impl_->find<RawTable>(key);
    if (table == nullptr) return std::nullopt;
    std::map<std::string, std::string> out;
    for (const auto& [name, entry] : *table) {
        if (const auto* text = std::get_if<std::string>(&entry.value.data)) out[name] = *text;
    }
    return out;
}

std::map<std::string, std::string> JailView::get_rest() const {
    std::map<std::string, std::string> out;
    for (const auto& [name, entry] : impl_->keys) {
        const auto* text = std::get_if<std::string>(&entry.value.data);
        if (text != nullptr && !is_schema_name(name)) out[name] = *text;
    }
    return out;
}

std::optional<std::uint64_t> JailView::get_bytes(std::string_view key) const {
    const auto* text = impl_->find<std::string>(key);
    if (text == nullptr) return std::nullopt;
    const auto bytes = parse_bytes(*text);
    return bytes ? std::optional(*bytes) : std::nullopt;
}

std::optional<std::uint64_t> JailView::get_duration(std::string_view key) const {
    const auto* text = impl_->find<std::string>(key);
    if (text == nullptr) return std::nullopt;
    const auto duration = parse_duration(*text);
    return duration ? std::optional(static_cast<std::uint64_t>(duration->count())) : std::nullopt;
}

}  // namespace jailsvc::config
