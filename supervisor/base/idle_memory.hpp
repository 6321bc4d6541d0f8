#pragma once

namespace jailsvc {

/// Gives memory back to the kernel that starting or loading took and what follows does not need:
/// free heap, and the pages of programs and libraries, which come back from the page cache one by
/// one as they are executed again (madvise(2), MADV_DONTNEED of a file's mapping). Takes a
/// millisecond: for the end of a load, not of a start.
void give_back_memory();

}  // namespace jailsvc
