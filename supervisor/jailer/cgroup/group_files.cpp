#include "jailer/cgroup/group_files.hpp"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <sstream>

#include "base/sys.hpp"

namespace jailsvc::jailer::cgroup {
namespace {

constexpr mode_t kMode = 0755;  // others may look: the engine does
constexpr std::size_t kMaxList = 4U << 20;
constexpr int kMaxDepth = 64;  ///< of groups that a service may have made in its own

struct CloseDir {
    void operator()(DIR* dir) const { ::closedir(dir); }
};

Result<void> remove_below(const std::string& directory, int depth) {
    if (::rmdir(directory.c_str()) == 0 || errno == ENOENT) return {};
    const int code = errno;
    if (depth >= kMaxDepth) return fail_errno("rmdir " + directory, code);
    for (const std::string& name : groups_in(directory)) {
        TRY_VOID(remove_below(directory + '/' + name, depth + 1));
    }
    if (::rmdir(directory.c_str()) == 0 || errno == ENOENT) return {};
    return fail_errno("rmdir " + directory);
}

void list_processes(const std::string& directory, int depth, std::vector<pid_t>& pids) {
    if (const auto text = sys::read_file(directory + "/cgroup.procs", kMaxList)) {
        std::istringstream list(*text);
        for (pid_t pid = 0; list >> pid;) {
            if (pid > 0) pids.push_back(pid);  // 0: of a pid namespace that is not below ours
        }
    }
    if (depth >= kMaxDepth) return;
    for (const std::string& name : groups_in(directory)) {
        list_processes(directory + '/' + name, depth + 1, pids);
    }
}

}  // namespace

Result<void> make_group(const std::string& directory) {
    if (::mkdir(directory.c_str(), kMode) == 0 || errno == EEXIST) return {};
    return fail_errno("mkdir " + directory);
}

Result<void> remove_group(const std::string& directory) {
    return remove_below(directory, 0);
}

bool is_shortage(int code) {
    return code == EAGAIN || code == ENOMEM || code == ENOSPC || code == EMFILE || code == ENFILE ||
           code == EINTR;
}

std::vector<std::string> groups_in(const std::string& directory) {
    std::vector<std::string> names;
    const std::unique_ptr<DIR, CloseDir> dir(::opendir(directory.c_str()));
    if (!dir) return names;
    while (const dirent* entry = ::readdir(dir.get())) {
        if (entry->d_type != DT_DIR || entry->d_name[0] == '.') continue;
        names.emplace_back(entry->d_name);
    }
    return names;
}

std::vector<pid_t> processes_in(const std::string& directory) {
    std::vector<pid_t> pids;
    list_processes(directory, 0, pids);
    return pids;
}

std::vector<pid_t> processes_right_in(const std::string& directory) {
    std::vector<pid_t> pids;
    list_processes(directory, kMaxDepth, pids);
    return pids;
}

std::vector<std::string> words_of(const std::string& file) {
    std::vector<std::string> words;
    std::istringstream list(sys::read_file(file, kMaxList).value_or(""));
    for (std::string one; list >> one;) words.push_back(std::move(one));
    return words;
}

bool has_word(const std::string& file, const std::string& word) {
    const auto words = words_of(file);
    return std::ranges::find(words, word) != words.end();
}

}  // namespace jailsvc::jailer::cgroup
