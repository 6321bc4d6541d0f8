#pragma once

#include <sys/types.h>

#include <string>

#include "base/fd.hpp"
#include "control/client.hpp"
#include "ipc/channel.hpp"

/// Plays keeper, jailer and logger to a real engine in a child process of its own.
class FakeRest {
public:
    FakeRest();   ///< a folder for units; they are written before `boot`
    ~FakeRest();  ///< ends the engine, removes the folder
    FakeRest(const FakeRest&) = delete;
    FakeRest& operator=(const FakeRest&) = delete;

    void write_unit(const std::string& name, const std::string& text) const;

    /// Starts an engine, answers its Hello, gives it records, control socket and peers. `alive` is
    /// sent in the snapshot.
    void boot(const jailsvc::ipc::Alive* alive = nullptr);
    void kill_engine();
    /// Gives the engine a new jailer, as the keeper does after a jailer's death.
    void replace_jailer();
    void replace_logger();

    [[nodiscard]] jailsvc::control::Client connect() const;
    [[nodiscard]] std::string control_path() const { return folder_ + "/control"; }

    /// The next message on a socket must be a T and come within ten seconds. Descriptors that came
    /// with it are in `packet`.
    template <jailsvc::ipc::Message T>
    [[nodiscard]] T expect(const jailsvc::Fd& socket) {
        wait_for_packet(socket);
        const T* message = packet.as<T>();
        if (message == nullptr) fail_type(packet.type());
        return *message;
    }
    template <jailsvc::ipc::Message T>
    void send(const jailsvc::Fd& socket, const T& message, int fd = -1) {
        check_sent(jailsvc::ipc::send(socket.get(), message, &fd, fd < 0 ? 0 : 1));
    }

    /// Takes a Start from the engine and answers that the program runs.
    jailsvc::ipc::Start run_next_start(pid_t pid);
    /// Answers a Start: the program runs, or why not.
    void answer_started(const jailsvc::ipc::Start& start, pid_t pid);
    void answer_failed(const jailsvc::ipc::Start& start, const std::string& why);
    /// Tells the engine of an exit and waits for its acknowledgement.
    void tell_exit(const jailsvc::ipc::Start& start, int wait_status);
    void send_exit(const jailsvc::ipc::Start& start, int wait_status);
    /// Whether the engine has acknowledged the exit by now; asked after a call that it answered.
    [[nodiscard]] bool has_acknowledgement() const;
    /// Takes a Teardown and answers it.
    void tear_down();

    jailsvc::Fd keeper, jailer, logger;
    jailsvc::ipc::Packet packet;

private:
    void wait_for_packet(const jailsvc::Fd& socket);
    [[noreturn]] static void fail_type(jailsvc::ipc::Type type);
    static void check_sent(int code);
    void introduce(jailsvc::ipc::Role role, jailsvc::Fd& ours);
    void send_schema();

    std::string folder_;
    jailsvc::Fd state_, listener_;
    pid_t engine_ = -1;
};
