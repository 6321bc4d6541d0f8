#include "stage.hpp"

#include <unistd.h>

#include "../unveil/elf_file.hpp"

namespace pledge {
namespace {

using jsv::Planner;

constexpr const char* kPath[] = {"/usr/local/sbin", "/usr/local/bin", "/usr/sbin",
                                 "/usr/bin",        "/sbin",          "/bin"};

/// The file below the jail's root, as far as can be told without it; empty where it cannot.
std::string find_file(const std::string& root, const std::string& program) {
    if (program.starts_with('/')) return root + program;
    for (const char* folder : kPath) {
        const std::string file = root + folder + "/" + program;
        if (::access(file.c_str(), X_OK) == 0) return file;
    }
    return "";
}

/// Whether it certainly has no loader. What cannot be read is left to the start, which fails if the
/// second stage does not come.
bool is_static(const std::string& root, const std::string& program) {
    std::string file = find_file(root, program);
    if (file.empty()) return false;
    if (const auto words = unveil::read_shebang(file); !words.empty()) {
        file = find_file(root, words.front());
    }
    const auto elf = unveil::read_elf(file);
    return elf && elf->interpreter.empty();
}

}  // namespace

void check_second_stage(Planner& plan, Promises promises) {
    if ((promises & kExec) != 0) {
        plan.fail("stage",
                  "what the service executes would have no loader; use \"exec\", or do not promise "
                  "exec");
    }
    if ((promises & kForLoader) == kForLoader) {
        plan.fail("stage",
                  "the promises hold all that the loader needs, so that there is nothing "
                  "to drop at main; take rpath or prot_exec out of them, or leave the key "
                  "out");
    }
    const bool image = plan.other_text("chroot", "mode").value_or("host") == "directory";
    const std::string root = image ? plan.other_text("chroot", "root").value_or("") : "";
    for (const auto& program : plan.programs()) {
        if (!is_static(root, program)) continue;
        plan.fail("stage", program +
                               " is static: it has no loader, and promises hold from its exec on "
                               "as they are; leave the key out");
    }
}

void add_preload(Planner& plan) {
    const std::string source = plan.directory_root("preload");
    const std::string target = plan.preload_directory();
    if (target != source) {
        plan.add(
            {.kind = JSV_OP_BIND,
             .key = "stage",
             .text = {source, target},
             .flags = JSV_MOUNT_READ_ONLY | JSV_MOUNT_NOSUID | JSV_MOUNT_NODEV | JSV_MOUNT_CREATE});
    }
    plan.add({.kind = JSV_OP_ENVIRONMENT,
              .key = "stage",
              .text = {"LD_PRELOAD", target + "/jailsvc-main.so"}});
}

}  // namespace pledge
