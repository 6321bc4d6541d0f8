#pragma once

#include <sys/types.h>

#include <catch2/catch.hpp>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/fd.hpp"
#include "ipc/channel.hpp"

/// Runs the real jailsvc-init with a fake jailsvcd beside it; the test plays the three roles.
namespace jailsvc::test {

inline constexpr int kPatienceMs = 10'000;  ///< for one event; a machine may be busy

/// One process that the keeper started, and its channel to the keeper.
struct Role {
    std::string name;
    pid_t pid = 0;  ///< as the test sees it
    Fd control;     ///< to the fake, see fake_role.cpp
    Fd channel;     ///< its descriptor 3

    template <ipc::Message T>
    void say(const T& message, std::vector<int> fds = {}) const {
        int rc = ipc::send(channel.get(), message, fds.data(), fds.size());
        for (; rc == EAGAIN; rc = ipc::send(channel.get(), message, fds.data(), fds.size())) {
            wait_writable();
        }
        REQUIRE(rc == 0);
    }
    void hello(ipc::Role role) const {
        auto message = ipc::make<ipc::Hello>();
        message.role = role;
        say(message);
    }
    void wait_writable() const;
    /// The next packet from the keeper; fails the test if none comes.
    void next(ipc::Packet& packet) const;
    /// Waits until the keeper has read everything that we sent.
    void drained() const;
    /// Waits until the keeper has closed the channel.
    void expect_end() const;
    void expect_silence() const;
    /// Packets up to SnapshotEnd.
    [[nodiscard]] std::vector<std::unique_ptr<ipc::Packet>> snapshot() const;
    /// One command to the fake; its answer, and the descriptor that came with it.
    [[nodiscard]] int ask(const std::string& command, Fd* fd = nullptr) const;
};

enum class As {
    kSubreaper,
    kInit,
    kInitWithoutProc,  ///< as at boot
};

class Keeper {
public:
    explicit Keeper(As as = As::kSubreaper);
    ~Keeper();
    Keeper(const Keeper&) = delete;
    Keeper& operator=(const Keeper&) = delete;

    /// Waits until the keeper has started that role (again).
    [[nodiscard]] Role started(const std::string& name);
    void signal(int signo) const;
    /// Waits for the keeper's end; its wait status.
    [[nodiscard]] int wait();
    /// The same where it exits; its code.
    [[nodiscard]] int exit_code();
    [[nodiscard]] pid_t pid() const { return pid_; }
    [[nodiscard]] std::string log() const;
    [[nodiscard]] const std::string& folder() const { return folder_; }
    [[nodiscard]] std::string state() const { return folder_ + "/st"; }
    [[nodiscard]] std::string program() const { return folder_ + "/bin/jailsvc-init"; }
    /// Ends it with SIGKILL, and what it started.
    void crash();
    /// Starts it again in the same place; with this --config, if any.
    void start(const std::string& config = {});
    [[nodiscard]] std::size_t descriptors() const;
    /// One line of smaps_rollup [KiB].
    [[nodiscard]] long memory_kib(const std::string& what) const;
    [[nodiscard]] double cpu_ms() const;
    /// Number of the keeper's children, zombies included.
    [[nodiscard]] std::size_t children() const;
    /// Waits until it has exactly so many.
    void wait_for_children(std::size_t count) const;

private:
    [[nodiscard]] std::string children_file() const;
    std::string folder_;
    As as_;
    Fd listener_;
    pid_t pid_ = 0;
    std::map<std::string, Role> early_;  ///< connected while another was waited for
};

/// Whether a process ends soon.
[[nodiscard]] bool has_ended(const Fd& pidfd);
/// Exit status of a program that ends by itself.
[[nodiscard]] int run(const std::string& program, const std::vector<std::string>& arguments);

/// Like ipc::Packet::as, failing the test.
template <ipc::Message T>
const T& as(const ipc::Packet& packet) {
    const T* message = packet.as<T>();
    INFO("got type " << static_cast<int>(packet.type()));
    REQUIRE(message != nullptr);
    return *message;
}

}  // namespace jailsvc::test
