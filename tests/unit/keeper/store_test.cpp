#include "keeper/store.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <memory>

#include "ipc/channel.hpp"

using namespace jailsvc;
using ipc::Kept;
using ipc::Role;
using keeper::kNone;

namespace {

ipc::Store key(Kept kind, const char* unit, ipc::Token token = 0, std::uint16_t index = 0) {
    auto message = ipc::make<ipc::Store>();
    message.kind = kind;
    message.token = token;
    message.index = index;
    ipc::set_text(message.unit, unit);
    return message;
}

ipc::Unstore key_to_drop(Kept kind, const char* unit) {
    auto message = ipc::make<ipc::Unstore>();
    message.kind = kind;
    ipc::set_text(message.unit, unit);
    return message;
}

int any_fd() {
    return ::open("/dev/null", O_RDONLY | O_CLOEXEC);
}
bool is_open(int fd) {
    return ::fcntl(fd, F_GETFD) >= 0;
}

}  // namespace

TEST_CASE("store: the same key replaces and closes what it had", "[keeper]") {
    const auto store = std::make_unique<keeper::Store>();
    store->set_limit(10);
    const int old = any_fd();
    const std::size_t slot = store->put(key(Kept::kLogPipe, "web"), old, Role::kJailer);
    const int fresh = any_fd();
    CHECK(store->put(key(Kept::kLogPipe, "web"), fresh, Role::kJailer) == slot);
    CHECK_FALSE(is_open(old));
    CHECK(is_open(fresh));
    CHECK(store->put(key(Kept::kLogPipe, "web", 0, 1), any_fd(), Role::kJailer) != slot);
    CHECK(store->put(key(Kept::kLogPipe, "db"), any_fd(), Role::kJailer) != slot);
    CHECK(store->put(key(Kept::kUnit, "web"), any_fd(), Role::kJailer) != slot);
    CHECK(store->put(key(Kept::kLogPipe, "web", 9), any_fd(), Role::kJailer) != slot);
    CHECK(store->slots.count() == 5);

    store->drop(key_to_drop(Kept::kLogPipe, "web"));
    CHECK_FALSE(is_open(fresh));
    store->drop(key_to_drop(Kept::kLogPipe, "web"));
    store->drop(key_to_drop(Kept::kLogPipe, "never"));
    CHECK(store->slots.count() == 4);
}

TEST_CASE("store: a full store refuses and leaves the descriptor to its caller", "[keeper]") {
    const auto store = std::make_unique<keeper::Store>();
    store->set_limit(2);
    REQUIRE(store->put(key(Kept::kUnit, "a"), any_fd(), Role::kJailer) != kNone);
    REQUIRE(store->put(key(Kept::kUnit, "b"), any_fd(), Role::kJailer) != kNone);
    const int fd = any_fd();
    CHECK(store->put(key(Kept::kUnit, "c"), fd, Role::kJailer) == kNone);
    CHECK(is_open(fd));
    CHECK(store->put(key(Kept::kUnit, "b"), fd, Role::kJailer) != kNone);  // replaces
}

TEST_CASE("store: who is handed what, and the storer is not handed its own", "[keeper]") {
    const auto store = std::make_unique<keeper::Store>();
    store->set_limit(10);
    const std::size_t pipe = store->put(key(Kept::kLogPipe, "web"), any_fd(), Role::kJailer);
    CHECK(store->slots.first_marked(Role::kLogger) == pipe);
    CHECK(store->slots.first_marked(Role::kJailer) == kNone);
    CHECK(store->slots.first_marked(Role::kEngine) == kNone);
    const std::size_t notify = store->put(key(Kept::kNotify, "web"), any_fd(), Role::kJailer);
    CHECK(store->slots.first_marked(Role::kEngine) == notify);
    store->mark_snapshot(Role::kJailer);  // a new jailer
    CHECK(store->slots.first_marked(Role::kJailer) == pipe);
}

TEST_CASE("store: the engine and the logger may store nothing", "[keeper]") {
    for (const Kept kind : {Kept::kState, Kept::kControl, Kept::kLogPipe, Kept::kUnit,
                            Kept::kNamespace, Kept::kListener, Kept::kNotify}) {
        CHECK_FALSE(keeper::may_store(Role::kEngine, kind));
        CHECK_FALSE(keeper::may_store(Role::kLogger, kind));
        const bool own = kind == Kept::kState || kind == Kept::kControl;
        CHECK(keeper::may_store(Role::kJailer, kind) == !own);
        CHECK(keeper::may_store(Role::kKeeper, kind) == own);
    }
    CHECK_FALSE(keeper::may_store(Role::kJailer, static_cast<Kept>(999)));
}
