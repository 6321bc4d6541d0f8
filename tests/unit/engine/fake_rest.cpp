#include "fake_rest.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/sys.hpp"
#include "config/schema.hpp"
#include "engine/run.hpp"

using namespace jailsvc;

namespace {

constexpr int kPatienceMs = 10'000;

std::pair<Fd, Fd> make_pair(int type) {
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends) == 0);
    return {Fd(ends[0]), Fd(ends[1])};
}

Fd make_state() {
    Fd memfd(::memfd_create("state", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    REQUIRE(::ftruncate(memfd.get(), ipc::kStateSize) == 0);
    REQUIRE(::fcntl(memfd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) == 0);
    return memfd;
}

Fd make_listener(const std::string& path) {
    Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    REQUIRE(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    REQUIRE(::chmod(path.c_str(), 0666) == 0);
    REQUIRE(::listen(socket.get(), 64) == 0);
    return socket;
}

}  // namespace

FakeRest::FakeRest() {
    char name[] = "/tmp/jailsvc-engine-XXXXXX";
    REQUIRE(::mkdtemp(name) != nullptr);
    folder_ = name;
    // The engine reads as a user of its own.
    REQUIRE(::chmod(name, 0755) == 0);
    for (const char* part : {"/units", "/profiles", "/run"}) {
        REQUIRE(::mkdir((folder_ + part).c_str(), 0755) == 0);
    }
    for (const char* profile : {"default", "host"}) {
        std::ofstream(folder_ + "/profiles/" + profile + ".toml") << "";
    }
    state_ = make_state();
    listener_ = make_listener(control_path());
}

FakeRest::~FakeRest() {
    if (engine_ > 0) kill_engine();
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
}

void FakeRest::write_unit(const std::string& name, const std::string& text) const {
    std::ofstream file(folder_ + "/units/" + name + ".toml");
    file << text;
    REQUIRE(file.good());
}

void FakeRest::boot(const ipc::Alive* alive) {
    auto [ours, theirs] = make_pair(SOCK_SEQPACKET);
    Places places;
    places.unit_dirs = {folder_ + "/units"};
    places.profile_dirs = {folder_ + "/profiles"};
    places.run = folder_ + "/run";
    places.quiet = true;
    engine_ = ::fork();
    REQUIRE(engine_ >= 0);
    if (engine_ == 0) {
        if (::dup2(theirs.get(), ipc::kKeeperFd) == -1) ::_exit(126);
        ::close_range(ipc::kKeeperFd + 1, ~0U, 0);
        ::_exit(engine::run(places));
    }
    keeper = std::move(ours);
    CHECK(expect<ipc::Hello>(keeper).role == ipc::Role::kEngine);
    introduce(ipc::Role::kJailer, jailer);
    introduce(ipc::Role::kLogger, logger);
    auto stored = ipc::make<ipc::Stored>();
    stored.kind = ipc::Kept::kState;
    send(keeper, stored, state_.get());
    stored.kind = ipc::Kept::kControl;
    send(keeper, stored, listener_.get());
    if (alive != nullptr) send(keeper, *alive);
    send(keeper, ipc::make<ipc::SnapshotEnd>());
    send_schema();
}

void FakeRest::introduce(ipc::Role role, Fd& ours) {
    auto [mine, theirs] = make_pair(SOCK_SEQPACKET);
    ours = std::move(mine);
    auto peer = ipc::make<ipc::Peer>();
    peer.peer = role;
    send(keeper, peer, theirs.get());
}

void FakeRest::send_schema() {
    const auto memfd = sys::sealed_memfd("schema", config::to_json({}));
    REQUIRE(memfd);
    send(jailer, ipc::make<ipc::Schema>(), memfd->get());
}

void FakeRest::replace_jailer() {
    introduce(ipc::Role::kJailer, jailer);
    send_schema();
}

void FakeRest::replace_logger() {
    introduce(ipc::Role::kLogger, logger);
}

void FakeRest::kill_engine() {
    ::kill(engine_, SIGKILL);
    int status = 0;
    REQUIRE(::waitpid(engine_, &status, 0) == engine_);
    engine_ = -1;
    // Killed by us, and not ended before by itself.
    CHECK(WIFSIGNALED(status));
}

control::Client FakeRest::connect() const {
    auto client = control::Client::connect(control_path());
    REQUIRE(client);
    const timeval limit{.tv_sec = kPatienceMs / 1000, .tv_usec = 0};
    REQUIRE(::setsockopt(client->socket(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0);
    return std::move(*client);
}

void FakeRest::wait_for_packet(const Fd& socket) {
    pollfd ready{.fd = socket.get(), .events = POLLIN, .revents = 0};
    REQUIRE(::poll(&ready, 1, kPatienceMs) == 1);
    REQUIRE(ipc::receive(socket.get(), packet) == 0);
}

void FakeRest::fail_type(ipc::Type type) {
    FAIL("an unexpected message of type " << static_cast<int>(type));
    std::abort();
}

void FakeRest::check_sent(int code) {
    REQUIRE(code == 0);
}

ipc::Start FakeRest::run_next_start(pid_t pid) {
    const auto start = expect<ipc::Start>(jailer);
    answer_started(start, pid);
    return start;
}

void FakeRest::answer_started(const ipc::Start& start, pid_t pid) {
    auto started = ipc::make<ipc::Started>();
    started.token = start.token;
    started.pid = pid;
    started.exec_ns = 1;
    ipc::set_text(started.unit, ipc::get_text(start.unit));
    send(jailer, started);
}

void FakeRest::answer_failed(const ipc::Start& start, const std::string& why) {
    auto failed = ipc::make<ipc::StartFailed>();
    failed.token = start.token;
    failed.code = ENOENT;
    ipc::set_text(failed.unit, ipc::get_text(start.unit));
    ipc::set_text(failed.text, why);
    send(jailer, failed);
}

void FakeRest::tell_exit(const ipc::Start& start, int wait_status) {
    send_exit(start, wait_status);
    CHECK(expect<ipc::ExitAck>(keeper).token == start.token);
}

bool FakeRest::has_acknowledgement() const {
    pollfd ready{.fd = keeper.get(), .events = POLLIN, .revents = 0};
    return ::poll(&ready, 1, 0) == 1;
}

void FakeRest::send_exit(const ipc::Start& start, int wait_status) {
    auto exited = ipc::make<ipc::Exited>();
    exited.token = start.token;
    exited.status = wait_status;
    exited.purpose = start.purpose;
    ipc::set_text(exited.unit, ipc::get_text(start.unit));
    send(keeper, exited);
}

void FakeRest::tear_down() {
    const auto teardown = expect<ipc::Teardown>(jailer);
    auto done = ipc::make<ipc::TornDown>();
    done.token = teardown.token;
    ipc::set_text(done.unit, ipc::get_text(teardown.unit));
    send(jailer, done);
}
