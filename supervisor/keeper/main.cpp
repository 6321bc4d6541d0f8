// jailsvc-init, the keeper: PID 1, child subreaper, or a container's entrypoint. Starts and keeps
// the engine, the jailer and the logger, reaps everything, and holds what must outlive the three.
// Static, without a heap, a library beyond libc, or an exception.

#include <sys/stat.h>

#include "keeper/keeper.hpp"

namespace {

jailsvc::keeper::Options options;
constinit jailsvc::keeper::Keeper keeper;

}  // namespace

int main(int argc, char** argv) {
    using namespace jailsvc::keeper;
    const int status = read_options(argc, argv, options);
    if (status >= 0) return status;
    ::umask(022);
    const std::size_t limit = prepare_descriptors(options);
    if (!find_program(options)) return 1;
    const int control = open_control(options);
    if (control < 0) return 1;
    const int state = make_state();
    if (state < 0) return 1;
    const int code = keeper.run(options, limit, control, state);
    remove_control(options);
    return code;
}
