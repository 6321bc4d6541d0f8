#include "libraries.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <deque>
#include <set>

#include "elf_file.hpp"

namespace unveil {
namespace {

using Strings = std::vector<std::string>;

constexpr std::size_t kMostFiles = 512;
constexpr std::size_t kMostCache = 8U << 20;  ///< [bytes]
constexpr int kMostLinks = 40;

constexpr const char* kCache = "/etc/ld.so.cache";
/// Where loaders look last: glibc's, Debian's and musl's.
constexpr const char* kDirectories[] = {
#if defined(__x86_64__)
    "/lib/x86_64-linux-gnu",
    "/usr/lib/x86_64-linux-gnu",
    "/lib64",
    "/usr/lib64",
#elif defined(__aarch64__)
    "/lib/aarch64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/lib64",
    "/usr/lib64",
#endif
    "/lib",
    "/usr/lib",
    "/usr/local/lib"};
constexpr const char* kPath[] = {"/usr/local/sbin", "/usr/local/bin", "/usr/sbin",
                                 "/usr/bin",        "/sbin",          "/bin"};

/// dl-cache.h of glibc: the format since 2.2, alone in the file since 2.32.
constexpr char kMagic[] = "glibc-ld.so.cache1.1";
struct CacheHeader {
    char magic[20];
    std::uint32_t count, string_bytes;
    std::uint32_t unused[5];
};
struct CacheEntry {
    std::int32_t flags;
    std::uint32_t key, value, os_version;
    std::uint64_t hwcap;
};
static_assert(sizeof(CacheHeader) == 48 && sizeof(CacheEntry) == 24);
#if defined(__x86_64__)
constexpr std::int32_t kLibrary = 0x0303;  // of glibc, for x86-64
#elif defined(__aarch64__)
constexpr std::int32_t kLibrary = 0x0a03;
#else
constexpr std::int32_t kLibrary = 0x0003;
#endif

std::string read_file(const std::string& path) {
    std::string bytes;
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return bytes;
    struct stat info{};
    if (::fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_size > 0 &&
        static_cast<std::uint64_t>(info.st_size) <= kMostCache) {
        bytes.resize(static_cast<std::size_t>(info.st_size));
        const ssize_t count = ::pread(fd, bytes.data(), bytes.size(), 0);
        bytes.resize(count < 0 ? 0 : static_cast<std::size_t>(count));
    }
    ::close(fd);
    return bytes;
}

std::string directory_of(const std::string& path) {
    return path.substr(0, std::max<std::size_t>(path.rfind('/'), 1));
}

/// Follows links inside `root`: what the host has at the absolute target of an image's link is not
/// meant. Empty for what is not there. Reads only; what the jail shows is resolved anew at each
/// start.
std::string resolve(const std::string& root, const std::string& path) {
    std::string done;
    std::string rest = path;
    for (int links = 0; links <= kMostLinks && !rest.empty();) {
        const std::size_t begin = rest.find_first_not_of('/');
        if (begin == std::string::npos) break;
        const std::size_t end = std::min(rest.find('/', begin), rest.size());
        const std::string name = rest.substr(begin, end - begin);
        rest.erase(0, end);
        if (name == ".") continue;
        if (name == "..") {
            done.erase(std::min(done.rfind('/'), done.size()));
            continue;
        }
        char target[4096];
        const ssize_t length =
            ::readlink((root + done + "/" + name).c_str(), target, sizeof target);
        if (length < 0) {
            done += "/" + name;
            continue;
        }
        ++links;
        rest = std::string(target, static_cast<std::size_t>(length)) + rest;
        if (target[0] == '/') done.clear();
    }
    struct stat info{};
    const bool there = ::stat((root + done).c_str(), &info) == 0 && S_ISREG(info.st_mode);
    return there ? done : std::string();
}

/// One closure in the making.
class Closure {
public:
    explicit Closure(std::string root)
        : root_(std::move(root)), cache_(read_file(root_ + kCache)) {}

    void add_program(const std::string& path) {
        const std::string real = resolve(root_, path);
        if (real.empty() || !add(path, real)) return;
        const Strings words = read_shebang(root_ + real);
        if (!words.empty()) return add_interpreter(words);
        const auto elf = read_elf(root_ + real);
        if (!elf) return;
        if (!elf->interpreter.empty()) add_program(elf->interpreter);
        add_needed(real, *elf, elf->rpath);
    }
    [[nodiscard]] Strings take() const { return {names_.begin(), names_.end()}; }

private:
    /// Whether the file is a new one.
    bool add(const std::string& name, const std::string& real) {
        if (names_.size() >= kMostFiles) return false;
        if (!files_.insert(real).second) return false;
        names_.insert(name);
        return true;
    }

    /// "#!/usr/bin/env python3" means the first python3 of PATH.
    void add_interpreter(const Strings& words) {
        add_program(words[0]);
        if (words.size() < 2 || !words[0].ends_with("/env")) return;
        for (const char* directory : kPath) {
            const std::string path = std::string(directory) + "/" + words[1];
            if (!resolve(root_, path).empty()) return add_program(path);
        }
    }

    /// Breadth first, as the loader goes. `inherited` is the program's DT_RPATH, which serves for
    /// its libraries too.
    void add_needed(const std::string& real, const ElfFile& elf, const Strings& inherited) {
        for (const std::string& name : elf.needed) {
            for (const std::string& path : find(name, real, elf, inherited)) {
                const std::string library = resolve(root_, path);
                if (library.empty() || !add(path, library)) continue;
                if (const auto more = read_elf(root_ + library)) {
                    add_needed(library, *more, inherited);
                }
            }
        }
    }

    /// The paths that the loader would take: the first that exists, or all variants that the cache
    /// has for different processors.
    Strings find(const std::string& name, const std::string& real, const ElfFile& elf,
                 const Strings& inherited) const {
        if (name.find('/') != std::string::npos) return {expand(name, real)};
        for (const Strings* directories : {&elf.rpath, &inherited, &elf.runpath}) {
            if (directories == &inherited && !elf.runpath.empty()) continue;
            for (const std::string& directory : *directories) {
                const std::string path = expand(directory, real) + "/" + name;
                if (path.starts_with('/') && !resolve(root_, path).empty()) return {path};
            }
        }
        if (Strings cached = find_in_cache(cache_, name); !cached.empty()) return cached;
        for (const char* directory : kDirectories) {
            const std::string path = std::string(directory) + "/" + name;
            if (!resolve(root_, path).empty()) return {path};
        }
        return {};
    }

    /// $ORIGIN is the directory of the object that says it (ld.so(8)).
    static std::string expand(std::string text, const std::string& real) {
        for (const std::string token : {"${ORIGIN}", "$ORIGIN"}) {
            for (auto at = text.find(token); at != std::string::npos; at = text.find(token)) {
                text.replace(at, token.size(), directory_of(real));
            }
        }
        return text;
    }

    std::string root_;
    std::string cache_;
    std::set<std::string> names_;
    std::set<std::string> files_;
};

}  // namespace

std::vector<std::string> find_in_cache(const std::string& bytes, const std::string& name) {
    std::vector<std::string> found;
    CacheHeader header{};
    if (bytes.size() < sizeof header) return found;
    std::memcpy(&header, bytes.data(), sizeof header);
    if (std::memcmp(header.magic, kMagic, sizeof header.magic) != 0) return found;
    const std::size_t most = (bytes.size() - sizeof header) / sizeof(CacheEntry);
    const auto text = [&bytes](std::uint32_t at) {
        return at < bytes.size() ? std::string(bytes.c_str() + at) : std::string();
    };
    for (std::size_t i = 0; i < std::min<std::size_t>(header.count, most); ++i) {
        CacheEntry entry{};
        std::memcpy(&entry, bytes.data() + sizeof header + i * sizeof entry, sizeof entry);
        if (entry.flags != kLibrary || text(entry.key) != name) continue;
        if (std::string path = text(entry.value); path.starts_with('/')) found.push_back(path);
    }
    return found;
}

std::vector<std::string> closure_of(const std::string& root,
                                    const std::vector<std::string>& programs) {
    Closure closure(root);
    for (const std::string& program : programs) closure.add_program(program);
    return closure.take();
}

}  // namespace unveil
