#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.hpp"
#include "base/result.hpp"
#include "control/frame.hpp"
#include "control/message.hpp"

namespace jailsvc::control {

/// A reply and the descriptors that came with it. `error` may be set: it is the method's answer,
/// not a failure of the connection.
struct Answer {
    Reply reply;
    std::vector<Fd> fds;
};

/// Blocking client of a supervisor; one call at a time. Needs nothing but libc, so that the
/// `jailsvc` command can be one small static program.
class Client {
public:
    /// ENOENT, ECONNREFUSED: no supervisor runs there. EACCES: not allowed.
    [[nodiscard]] static Result<Client> connect(const std::string& path);
    /// Speaks on a connected stream socket.
    explicit Client(Fd socket) : socket_(std::move(socket)), buffer_(kMaxReply) {}

    /// Method names without a dot are those of io.jailsvc.Control. `fds` stay the caller's.
    /// Error: the connection broke (EPIPE where the supervisor closed it) or sent no varlink.
    [[nodiscard]] Result<Answer> call(std::string_view method,
                                      const Json& parameters = Json::object(),
                                      const std::vector<int>& fds = {});

    /// Asks for several replies; `each` gets every one and returns false to end early (the
    /// connection is unusable then). Returns after the last.
    [[nodiscard]] Result<void> call_more(std::string_view method, const Json& parameters,
                                         const std::function<bool(Answer)>& each);

    /// For poll(2) beside other descriptors while waiting.
    [[nodiscard]] int socket() const { return socket_.get(); }

    /// The two halves of `call`, for a caller that has something to do in between (`exec`).
    [[nodiscard]] Result<void> send(std::string_view method, const Json& parameters,
                                    const std::vector<int>& fds = {}, bool more = false);
    [[nodiscard]] Result<Answer> receive();

private:
    Fd socket_;
    FrameBuffer buffer_;
};

}  // namespace jailsvc::control
