#include "base/idle_memory.hpp"

#include <link.h>
#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>

namespace jailsvc {
namespace {

/// Only what is mapped without the right to write: it is the file's, nothing in it can be lost.
/// (What relro protects lies in segments that were writable.)
int drop_pages(dl_phdr_info* object, std::size_t, void*) {
    const auto page = static_cast<ElfW(Addr)>(::sysconf(_SC_PAGESIZE));
    for (ElfW(Half) i = 0; i < object->dlpi_phnum; ++i) {
        const ElfW(Phdr)& part = object->dlpi_phdr[i];
        if (part.p_type != PT_LOAD || (part.p_flags & PF_W) != 0) continue;
        const ElfW(Addr) begin = (object->dlpi_addr + part.p_vaddr) & ~(page - 1);
        const ElfW(Addr) end = object->dlpi_addr + part.p_vaddr + part.p_memsz;
        // A failure leaves all as it was.
        (void)::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
    }
    return 0;
}

}  // namespace

void give_back_memory() {
    ::malloc_trim(0);
    ::dl_iterate_phdr(drop_pages, nullptr);
}

}  // namespace jailsvc
