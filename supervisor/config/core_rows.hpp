#pragma once

#include <fmt/format.h>

#include <array>
#include <concepts>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/rarely.hpp"
#include "base/signals.hpp"
#include "config/checks.hpp"
#include "config/core_keys.hpp"
#include "config/quantity.hpp"

// How a row of the core's keys is made from the member that it is stored in: the type of a key
// follows from it, the default from its initialiser. For the files with the tables alone.
namespace jailsvc::config {

template <typename Enum, std::size_t Size>
using Names = std::array<std::pair<std::string_view, Enum>, Size>;

/// An enumeration says its choices by a function names_of beside its rows.
template <typename T>
concept Named = requires(T value) { names_of(value); };

inline std::vector<std::string> strings(const TextList& list) {
    std::vector<std::string> out;
    out.reserve(list.size());
    for (const Text& one : list) out.push_back(one.text);
    return out;
}

// For each type of member: the key's type, how a checked value is stored, how a default is written.
template <typename T>
struct Member;

template <Named T>
struct Member<T> {
    static constexpr KeyType kType = KeyType::kString;
    static void store(const Value& value, T& out) {
        for (const auto& [name, meaning] : names_of(T{})) {
            if (name == std::get<Text>(value.data).text) out = meaning;
        }
    }
    static std::string show(T fallback) {
        for (const auto& [name, meaning] : names_of(T{})) {
            if (meaning == fallback) return fmt::format("\"{}\"", name);
        }
        return {};
    }
};

template <>
struct Member<bool> {
    static constexpr KeyType kType = KeyType::kBool;
    static void store(const Value& value, bool& out) { out = std::get<bool>(value.data); }
    static std::string show(bool fallback) { return fallback ? "true" : "false"; }
};

template <>
struct Member<std::string> {
    static constexpr KeyType kType = KeyType::kString;
    static void store(const Value& value, std::string& out) {
        out = std::get<Text>(value.data).text;
    }
    static std::string show(const std::string& fallback) {
        return fallback.empty() ? std::string() : fmt::format("\"{}\"", fallback);
    }
};

/// Also Command, which is the same type and differs only in its checks.
template <>
struct Member<List<std::string>> {
    static constexpr KeyType kType = KeyType::kStringList;
    static void store(const Value& value, List<std::string>& out) {
        out = strings(std::get<TextList>(value.data));
    }
    static std::string show(const List<std::string>&) { return {}; }
};

template <>
struct Member<List<Command>> {
    static constexpr KeyType kType = KeyType::kCommands;
    static void store(const Value& value, List<Command>& out) {
        std::vector<Command> commands;
        for (const auto& one : std::get<std::vector<TextList>>(value.data)) {
            commands.emplace_back(strings(one));
        }
        out = std::move(commands);
    }
    static std::string show(const List<Command>&) { return {}; }
};

template <>
struct Member<std::map<std::string, std::string>> {
    static constexpr KeyType kType = KeyType::kStringMap;
    static void store(const Value& value, std::map<std::string, std::string>& out) {
        out.clear();
        for (const auto& [name, text] : std::get<TextMap>(value.data)) out[name] = text.text;
    }
    static std::string show(const std::map<std::string, std::string>&) { return {}; }
};

template <>
struct Member<Duration> {
    static constexpr KeyType kType = KeyType::kDuration;
    static void store(const Value& value, Duration& out) {
        out = parse_duration(std::get<Text>(value.data).text).value_or(out);
    }
    static std::string show(Duration fallback) {
        return fmt::format("\"{}\"", format_duration(fallback));
    }
};

template <>
struct Member<std::uint32_t> {
    static constexpr KeyType kType = KeyType::kInteger;
    static void store(const Value& value, std::uint32_t& out) {
        out = static_cast<std::uint32_t>(std::get<std::int64_t>(value.data));
    }
    static std::string show(std::uint32_t fallback) { return fmt::format("{}", fallback); }
};

template <>
struct Member<std::uint64_t> {
    static constexpr KeyType kType = KeyType::kBytes;
    static void store(const Value& value, std::uint64_t& out) {
        out = parse_bytes(std::get<Text>(value.data).text).value_or(out);
    }
    static std::string show(std::uint64_t fallback) {
        return fmt::format("\"{}\"", format_bytes(fallback));
    }
};

template <>
struct Member<std::optional<int>> {
    static constexpr KeyType kType = KeyType::kInteger;
    static void store(const Value& value, std::optional<int>& out) {
        out = static_cast<int>(std::get<std::int64_t>(value.data));
    }
    static std::string show(const std::optional<int>&) { return {}; }
};

template <>
struct Member<List<int>> {
    static constexpr KeyType kType = KeyType::kIntegerList;
    static void store(const Value& value, List<int>& out) {
        std::vector<int> numbers;
        for (const auto one : std::get<IntegerList>(value.data)) {
            numbers.push_back(static_cast<int>(one));
        }
        out = std::move(numbers);
    }
    static std::string show(const List<int>&) { return {}; }
};

template <typename Group>
Group& to_change(Group& group) {
    return group;
}
template <typename Group>
Group& to_change(Rarely<Group>& group) {
    return group.make();
}

/// Makes the rows of one table, which the unit has as a Held.
template <typename Group, typename Held = Group>
struct Rows {
    const char* table;
    Held Unit::* group;

    template <typename Base, typename T>
        requires std::derived_from<Group, Base>
    CoreKey operator()(const char* name, T Base::* member, const char* doc,
                       Check check = {}) const {
        CoreKey row{.table = table,
                    .key = {.name = name,
                            .type = Member<T>::kType,
                            .fallback = Member<T>::show(Group{}.*member),
                            .doc = doc,
                            .choices = {}},
                    .check = std::move(check),
                    .store = {}};
        row.store = [group_ = group, member](const Value& value, Unit& unit) {
            Member<T>::store(value, to_change(unit.*group_).*member);
        };
        if constexpr (Named<T>) {
            for (const auto& choice : names_of(T{})) row.key.choices.emplace_back(choice.first);
        }
        return row;
    }

    /// A number that is written as the name of a signal.
    template <typename Base>
        requires std::derived_from<Group, Base>
    CoreKey signal(const char* name, int Base::* member, const char* doc) const {
        CoreKey row{.table = table,
                    .key = {.name = name,
                            .type = KeyType::kString,
                            .fallback = fmt::format("\"{}\"", format_signal(Group{}.*member)),
                            .doc = doc,
                            .choices = {}},
                    .check = signal_name,
                    .store = {}};
        row.store = [group_ = group, member](const Value& value, Unit& unit) {
            const auto signo = parse_signal(std::get<Text>(value.data).text);
            if (signo) to_change(unit.*group_).*member = *signo;
        };
        return row;
    }

    template <typename Base>
        requires std::derived_from<Group, Base>
    CoreKey signals(const char* name, List<int> Base::* member, const char* doc) const {
        CoreKey row = (*this)(name, member, doc, signal_name);
        row.key.type = KeyType::kStringList;
        row.store = [group_ = group, member](const Value& value, Unit& unit) {
            std::vector<int> numbers;
            for (const Text& one : std::get<TextList>(value.data)) {
                if (const auto signo = parse_signal(one.text)) numbers.push_back(*signo);
            }
            to_change(unit.*group_).*member = std::move(numbers);
        };
        return row;
    }
};

}  // namespace jailsvc::config
