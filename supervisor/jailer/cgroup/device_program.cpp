#include "jailer/cgroup/device_program.hpp"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

#include "base/sys.hpp"

namespace jailsvc::jailer::cgroup {
namespace {

constexpr std::uint32_t kMostAttached = 64;  // BPF_CGROUP_MAX_PROGS, kernel/bpf/cgroup.c

long bpf(bpf_cmd command, bpf_attr& attributes) {
    return ::syscall(SYS_bpf, command, &attributes, sizeof attributes);
}

std::uint64_t address_of(const void* data) {
    return reinterpret_cast<std::uint64_t>(data);
}

std::uint32_t unsigned_fd(int fd) {
    return static_cast<std::uint32_t>(fd);
}

}  // namespace

Result<Fd> load_device_program(std::span<const bpf_insn> program) {
    bpf_attr attributes{};
    attributes.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
    attributes.insn_cnt = static_cast<std::uint32_t>(program.size());
    attributes.insns = address_of(program.data());
    attributes.license = address_of("");  // it calls no helper that asks for one
    Fd loaded(static_cast<int>(bpf(BPF_PROG_LOAD, attributes)));
    if (!loaded) return fail_errno("bpf: load a program for devices");
    return loaded;
}

Result<ProgramInfo> info_of(int program) {
    bpf_prog_info info{};
    bpf_attr attributes{};
    attributes.info.bpf_fd = unsigned_fd(program);
    attributes.info.info_len = sizeof info;
    attributes.info.info = address_of(&info);
    if (bpf(BPF_OBJ_GET_INFO_BY_FD, attributes) == -1) return fail_errno("bpf: program info");
    ProgramInfo known{.id = info.id};
    std::ranges::copy(info.tag, known.tag.begin());
    return known;
}

Result<ProgramInfo> info_of_id(std::uint32_t id) {
    bpf_attr attributes{};
    attributes.prog_id = id;
    const Fd program(static_cast<int>(bpf(BPF_PROG_GET_FD_BY_ID, attributes)));
    if (!program) return fail_errno("bpf: program by number");
    return info_of(program.get());
}

Result<void> attach_device_program(const std::string& directory, int program) {
    TRY(const Fd group, sys::open(directory, O_RDONLY | O_DIRECTORY));
    bpf_attr attributes{};
    attributes.target_fd = unsigned_fd(group.get());
    attributes.attach_bpf_fd = unsigned_fd(program);
    attributes.attach_type = BPF_CGROUP_DEVICE;
    attributes.attach_flags = BPF_F_ALLOW_MULTI;  // who has rights over a part may restrict it more
    if (bpf(BPF_PROG_ATTACH, attributes) == -1) return fail_errno("bpf: attach to " + directory);
    return {};
}

Result<std::vector<std::uint32_t>> attached_device_programs(const std::string& directory) {
    TRY(const Fd group, sys::open(directory, O_RDONLY | O_DIRECTORY));
    std::vector<std::uint32_t> ids(kMostAttached);
    bpf_attr query{};
    query.query.target_fd = unsigned_fd(group.get());
    query.query.attach_type = BPF_CGROUP_DEVICE;
    query.query.prog_ids = address_of(ids.data());
    query.query.prog_cnt = kMostAttached;
    if (bpf(BPF_PROG_QUERY, query) == -1) return fail_errno("bpf: query " + directory);
    ids.resize(std::min(query.query.prog_cnt, kMostAttached));
    return ids;
}

}  // namespace jailsvc::jailer::cgroup
