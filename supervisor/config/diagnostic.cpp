#include "config/diagnostic.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>

namespace jailsvc::config {
namespace {

/// Longer lines are not shown: a caret far to the right of a terminal points at nothing.
constexpr std::size_t kMaxShownLine = 200;

std::string line_of(const SourceText& source, std::uint32_t line) {
    std::string_view rest = source.text;
    for (; line > 1; --line) {
        const auto end = rest.find('\n');
        if (end == std::string_view::npos) return {};
        rest.remove_prefix(end + 1);
    }
    std::string_view found = rest.substr(0, rest.find('\n'));
    if (!found.empty() && found.back() == '\r') found.remove_suffix(1);
    return found.size() <= kMaxShownLine ? std::string(found) : std::string();
}

/// What a terminal may be shown of a file that anybody wrote: no escape sequences, no bells.
std::string printable(std::string text) {
    for (char& c : text) {
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = c == '\t' ? ' ' : '?';
    }
    return text;
}

/// Columns count characters, bytes of UTF-8 sequences after the first take no place.
std::string caret_line(std::uint32_t column) {
    return std::string(column - 1, ' ') + "^";
}

}  // namespace

std::string to_string(const Diagnostic& diagnostic) {
    std::string text = printable(diagnostic.file);
    if (diagnostic.line > 0) text += fmt::format(":{}:{}", diagnostic.line, diagnostic.column);
    text += (text.empty() ? "" : ": ") + printable(diagnostic.message);
    if (diagnostic.source.empty() || diagnostic.column == 0 || diagnostic.column > kMaxShownLine) {
        return text;
    }
    return fmt::format("{}\n  {}\n  {}", text, printable(diagnostic.source),
                       caret_line(diagnostic.column));
}

Diagnostic diagnostic_at(const Where& where, std::string message) {
    Diagnostic found{.line = where.line, .column = where.column, .message = std::move(message)};
    if (where.source == nullptr) return found;
    found.file = where.source->name;
    if (where.line > 0) found.source = line_of(*where.source, where.line);
    return found;
}

void Reporter::add(Diagnostic diagnostic) {
    ++count_;
    if (list_.size() > kMaxDiagnostics) return;
    if (list_.size() == kMaxDiagnostics) {
        diagnostic.message = "too many errors; the rest is not shown";
        diagnostic.source.clear();
    }
    list_.push_back(std::move(diagnostic));
}

void Reporter::add(const Where& where, std::string message) {
    // Finding the line walks the file: not for errors that are not kept.
    if (list_.size() > kMaxDiagnostics) return static_cast<void>(++count_);
    add(diagnostic_at(where, std::move(message)));
}

void Reporter::add_file(std::string file, std::string message) {
    add(Diagnostic{.file = std::move(file), .message = std::move(message)});
}

Diagnostics Reporter::take() {
    std::map<std::string, std::size_t> first_seen;
    for (const auto& one : list_) first_seen.try_emplace(one.file, first_seen.size());
    std::vector<std::tuple<std::size_t, std::uint32_t, std::uint32_t, std::size_t>> order;
    for (const auto& one : list_) {
        order.emplace_back(first_seen.at(one.file), one.line, one.column, order.size());
    }
    std::sort(order.begin(), order.end());
    Diagnostics sorted;
    for (const auto& place : order) {
        Diagnostic& one = list_[std::get<3>(place)];
        if (sorted.empty() || one != sorted.back()) sorted.push_back(std::move(one));
    }
    list_.clear();
    return sorted;
}

}  // namespace jailsvc::config
