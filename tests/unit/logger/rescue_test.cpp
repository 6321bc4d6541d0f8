#include <fcntl.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <condition_variable>

#include "base/fd.hpp"
#include "logger/drain.hpp"
#include "logger/rescue.hpp"

using namespace jailsvc;
using namespace jailsvc::logger;

TEST_CASE("rescue: what a service writes while a disk hangs is taken, and once", "[logger]") {
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
    const Fd reader(ends[0]);
    const Fd writer(ends[1]);
    const auto put = [&writer](std::string_view text) {
        return ::write(writer.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
    };
    auto drain = Drain::make();
    REQUIRE(drain);
    Disk disk;
    disk.lock();
    std::string rescued;
    std::mutex mutex;
    std::condition_variable swept;
    bool there = false;
    auto rescue = Rescue::start(disk, [&] {
        while (drain->take_now(reader.get(), [&](std::string_view bytes) { rescued += bytes; }) ==
               Drain::Outcome::kMoved) {
        }
        const std::lock_guard lock(mutex);
        there = !rescued.empty();
        swept.notify_all();
    });
    REQUIRE(rescue);

    // The disk hangs until the second block was taken by the other thread.
    REQUIRE(put("first block\n"));
    std::string written;
    bool in_time = false;
    const auto outcome = drain->move_block(reader.get(), [&](std::string_view bytes) {
        disk.use([&] {
            if (!put("while it hangs\n")) return 0;
            std::unique_lock lock(mutex);
            in_time = swept.wait_for(lock, std::chrono::seconds(20), [&] { return there; });
            return 0;
        });
        written += bytes;
    });
    CHECK(in_time);
    CHECK(outcome.value() == Drain::Outcome::kMoved);
    CHECK(written == "first block\n");
    CHECK(rescued == "while it hangs\n");
    // A call that does not take long is left alone.
    REQUIRE(put("third block\n"));
    CHECK(drain
              ->move_block(reader.get(),
                           [&](std::string_view bytes) {
                               disk.use([] { return 0; });
                               written += bytes;
                           })
              .value() == Drain::Outcome::kMoved);
    CHECK(written == "first block\nthird block\n");
    CHECK(drain->move_block(reader.get(), [](std::string_view) {}).value() ==
          Drain::Outcome::kNothing);
    disk.unlock();
    rescue->reset();
}
