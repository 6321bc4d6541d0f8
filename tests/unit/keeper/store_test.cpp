#include "keeper/store.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <memory>
#include <vector>

#include "ipc/channel.hpp"

using namespace jailsvc;
using ipc::Kept;
using ipc::Role;

namespace {

ipc::Key key(Kept kind, const char* unit, ipc::Token token = 0, std::uint16_t index = 0) {
    ipc::Key made{};
    made.kind = kind;
    made.token = token;
    made.index = index;
    ipc::set_text(made.unit, unit);
    return made;
}

int any_fd() {
    return ::open("/dev/null", O_RDONLY | O_CLOEXEC);
}
bool is_open(int fd) {
    return ::fcntl(fd, F_GETFD) >= 0;
}

/// What would be sent to that role, and is done with then.
std::vector<Kept> due(keeper::Store& store, Role role) {
    std::vector<Kept> kinds;
    CHECK(store.kept.send_due(role, [&](const keeper::KeptFd& kept) {
        kinds.push_back(kept.message.kind);
        return true;
    }));
    return kinds;
}

using Kinds = std::vector<Kept>;

}  // namespace

TEST_CASE("store: the same key replaces and closes what it had", "[keeper]") {
    const auto store = std::make_unique<keeper::Store>();
    store->limit = 10;
    const int old = any_fd();
    CHECK(store->put(key(Kept::kLogPipe, "web"), old));
    const int fresh = any_fd();
    CHECK(store->put(key(Kept::kLogPipe, "web"), fresh));
    CHECK(store->kept.count() == 1);
    CHECK_FALSE(is_open(old));
    CHECK(is_open(fresh));
    CHECK(store->put(key(Kept::kLogPipe, "web", 0, 1), any_fd()));
    CHECK(store->put(key(Kept::kLogPipe, "db"), any_fd()));
    CHECK(store->put(key(Kept::kUnit, "web"), any_fd()));
    CHECK(store->put(key(Kept::kLogPipe, "web", 9), any_fd()));
    CHECK(store->kept.count() == 5);

    store->drop(key(Kept::kLogPipe, "web"));
    CHECK_FALSE(is_open(fresh));
    store->drop(key(Kept::kLogPipe, "web"));
    store->drop(key(Kept::kLogPipe, "never"));
    CHECK(store->kept.count() == 4);
}

TEST_CASE("store: a full store refuses and leaves the descriptor to its caller", "[keeper]") {
    const auto store = std::make_unique<keeper::Store>();
    store->limit = 2;
    REQUIRE(store->put(key(Kept::kUnit, "a"), any_fd()));
    REQUIRE(store->put(key(Kept::kUnit, "b"), any_fd()));
    const int fd = any_fd();
    CHECK_FALSE(store->put(key(Kept::kUnit, "c"), fd));
    CHECK(is_open(fd));
    CHECK(store->put(key(Kept::kUnit, "b"), fd));  // replaces
}

TEST_CASE("store: keys of one hash are kept apart", "[keeper]") {
    const auto store = std::make_unique<keeper::Store>();
    store->limit = 10;
    // By how the hash adds up: 64 for a token, 2 for an index.
    const int first = any_fd();
    REQUIRE(store->put(key(Kept::kUnit, "web", 1, 0), first));
    REQUIRE(store->put(key(Kept::kUnit, "web", 0, 32), any_fd()));
    CHECK(store->kept.count() == 2);
    store->drop(key(Kept::kUnit, "web", 0, 32));
    CHECK(is_open(first));
    CHECK(store->kept.count() == 1);
}

TEST_CASE("store: who is handed what, and the storer is not handed its own", "[keeper]") {
    const auto store = std::make_unique<keeper::Store>();
    store->limit = 10;
    REQUIRE(store->put(key(Kept::kLogPipe, "web"), any_fd()));
    CHECK(due(*store, Role::kLogger) == Kinds{Kept::kLogPipe});
    CHECK(due(*store, Role::kJailer).empty());
    CHECK(due(*store, Role::kEngine).empty());
    REQUIRE(store->put(key(Kept::kNotify, "web"), any_fd()));
    CHECK(due(*store, Role::kEngine) == Kinds{Kept::kNotify});
    store->kept.mark_snapshot(Role::kJailer);  // a new jailer
    CHECK(due(*store, Role::kJailer) == Kinds{Kept::kLogPipe});
}

TEST_CASE("store: what a service was started as goes to the next engine, not to this one",
          "[keeper]") {
    const auto store = std::make_unique<keeper::Store>();
    store->limit = 10;
    REQUIRE(store->put(key(Kept::kUnit, "web"), any_fd()));
    CHECK(due(*store, Role::kEngine).empty());
    store->kept.mark_snapshot(Role::kEngine);
    CHECK(due(*store, Role::kEngine) == Kinds{Kept::kUnit});
    store->kept.mark_snapshot(Role::kLogger);
    CHECK(due(*store, Role::kLogger).empty());
}

TEST_CASE("store: the engine and the logger may store nothing", "[keeper]") {
    for (const Kept kind : {Kept::kState, Kept::kControl, Kept::kLogPipe, Kept::kUnit,
                            Kept::kListener, Kept::kNotify, Kept::kLogSettings}) {
        CHECK_FALSE(keeper::Store::may(Role::kEngine, key(kind, "web")));
        CHECK_FALSE(keeper::Store::may(Role::kLogger, key(kind, "web")));
        const bool own = kind == Kept::kState || kind == Kept::kControl;
        CHECK(keeper::Store::may(Role::kJailer, key(kind, "web")) == !own);
        CHECK(keeper::Store::may(Role::kKeeper, key(kind, "web")) == own);
    }
    CHECK_FALSE(keeper::Store::may(Role::kJailer, key(static_cast<Kept>(999), "web")));
    ipc::Key unterminated = key(Kept::kUnit, "");
    std::memset(unterminated.unit, 'u', sizeof unterminated.unit);
    CHECK_FALSE(keeper::Store::may(Role::kJailer, unterminated));
}
