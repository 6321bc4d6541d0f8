#include "elf_file.hpp"

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <string_view>

namespace unveil {
namespace {

constexpr std::size_t kMostHeaders = 128;
constexpr std::size_t kMostDynamic = 4096;
constexpr std::size_t kMostNeeded = 256;
constexpr std::size_t kMostText = 4096;  ///< of one name or search path [bytes]

/// A file open for reading; short and failed reads are nullopt.
class Reader {
public:
    explicit Reader(const std::string& path)
        : fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {}
    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;
    ~Reader() {
        if (fd_ >= 0) ::close(fd_);
    }

    template <typename T>
    [[nodiscard]] std::optional<T> read(std::uint64_t offset) const {
        T value{};
        if (bytes(offset, &value, sizeof value) != sizeof value) return std::nullopt;
        return value;
    }
    /// Up to the first NUL or newline-free end of what is there, at most kMostText.
    [[nodiscard]] std::string text(std::uint64_t offset) const {
        char buffer[kMostText];
        const std::size_t size = bytes(offset, buffer, sizeof buffer);
        return std::string(buffer, ::strnlen(buffer, size));
    }

private:
    std::size_t bytes(std::uint64_t offset, void* into, std::size_t size) const {
        if (fd_ < 0 || offset > INT64_MAX) return 0;
        const ssize_t count = ::pread(fd_, into, size, static_cast<off_t>(offset));
        return count < 0 ? 0 : static_cast<std::size_t>(count);
    }

    int fd_;
};

using Header = ElfW(Ehdr);
using Segment = ElfW(Phdr);
using Dynamic = ElfW(Dyn);

constexpr unsigned char kClass = sizeof(void*) == 8 ? ELFCLASS64 : ELFCLASS32;
constexpr unsigned char kData = __BYTE_ORDER == __LITTLE_ENDIAN ? ELFDATA2LSB : ELFDATA2MSB;

bool is_ours(const Header& header) {
    return std::memcmp(header.e_ident, ELFMAG, SELFMAG) == 0 &&
           header.e_ident[EI_CLASS] == kClass && header.e_ident[EI_DATA] == kData &&
           header.e_phentsize == sizeof(Segment);
}

std::vector<Segment> read_segments(const Reader& file, const Header& header) {
    std::vector<Segment> segments;
    for (std::size_t i = 0; i < std::min<std::size_t>(header.e_phnum, kMostHeaders); ++i) {
        const auto segment = file.read<Segment>(header.e_phoff + i * sizeof(Segment));
        if (!segment) break;
        segments.push_back(*segment);
    }
    return segments;
}

/// Where in the file an address lies.
std::optional<std::uint64_t> offset_of(const std::vector<Segment>& segments, std::uint64_t at) {
    for (const Segment& segment : segments) {
        if (segment.p_type != PT_LOAD || at < segment.p_vaddr) continue;
        if (at - segment.p_vaddr < segment.p_filesz)
            return segment.p_offset + (at - segment.p_vaddr);
    }
    return std::nullopt;
}

std::vector<Dynamic> read_dynamic(const Reader& file, const Segment& segment) {
    std::vector<Dynamic> entries;
    const std::size_t count =
        std::min<std::size_t>(segment.p_filesz / sizeof(Dynamic), kMostDynamic);
    for (std::size_t i = 0; i < count; ++i) {
        const auto entry = file.read<Dynamic>(segment.p_offset + i * sizeof(Dynamic));
        if (!entry || entry->d_tag == DT_NULL) break;
        entries.push_back(*entry);
    }
    return entries;
}

std::vector<std::string> split(std::string_view text) {
    std::vector<std::string> parts;
    while (!text.empty()) {
        const auto end = text.find(':');
        if (end != 0) parts.emplace_back(text.substr(0, end));
        text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    }
    return parts;
}

void read_names(const Reader& file, const std::vector<Segment>& segments,
                const std::vector<Dynamic>& entries, ElfFile& elf) {
    const auto table = std::ranges::find(entries, DT_STRTAB, &Dynamic::d_tag);
    if (table == entries.end()) return;
    const auto strings = offset_of(segments, table->d_un.d_ptr);
    if (!strings) return;
    for (const Dynamic& entry : entries) {
        if (entry.d_tag != DT_NEEDED && entry.d_tag != DT_RPATH && entry.d_tag != DT_RUNPATH)
            continue;
        if (entry.d_un.d_val > UINT32_MAX) continue;
        const std::string text = file.text(*strings + entry.d_un.d_val);
        if (entry.d_tag == DT_RPATH) elf.rpath = split(text);
        if (entry.d_tag == DT_RUNPATH) elf.runpath = split(text);
        if (entry.d_tag == DT_NEEDED && !text.empty() && elf.needed.size() < kMostNeeded) {
            elf.needed.push_back(text);
        }
    }
    if (!elf.runpath.empty()) elf.rpath.clear();
}

}  // namespace

std::optional<ElfFile> read_elf(const std::string& path) {
    const Reader file(path);
    const auto header = file.read<Header>(0);
    if (!header || !is_ours(*header)) return std::nullopt;
    const auto segments = read_segments(file, *header);
    ElfFile elf;
    for (const Segment& segment : segments) {
        if (segment.p_type == PT_INTERP) elf.interpreter = file.text(segment.p_offset);
        if (segment.p_type != PT_DYNAMIC) continue;
        read_names(file, segments, read_dynamic(file, segment), elf);
    }
    return elf;
}

std::vector<std::string> read_shebang(const std::string& path) {
    std::string line = Reader(path).text(0);
    if (!line.starts_with("#!")) return {};
    line = line.substr(2, std::min(line.find('\n'), line.size()) - 2);
    std::vector<std::string> words;
    for (std::size_t at = line.find_first_not_of(" \t");
         at != std::string::npos && words.size() < 2; at = line.find_first_not_of(" \t", at)) {
        const std::size_t end = std::min(line.find_first_of(" \t", at), line.size());
        words.push_back(line.substr(at, end - at));
        at = end;
    }
    return words;
}

}  // namespace unveil
