#include "control/client.hpp"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>

#include "control/varlink.hpp"

namespace jailsvc::control {
namespace {

constexpr std::size_t kReadSize = 64U << 10;

std::string qualified(std::string_view method) {
    if (method.find('.') != std::string_view::npos) return std::string(method);
    return fmt::format("{}.{}", kInterface, method);
}

}  // namespace

Result<Client> Client::connect(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) {
        return fail_errno("connect to " + path, ENAMETOOLONG);
    }
    std::memcpy(address.sun_path, path.data(), path.size());
    Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!socket) return fail_errno("socket");
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) ==
        -1) {
        return fail_errno("connect to " + path);
    }
    return Client(std::move(socket));
}

Result<void> Client::send(std::string_view method, const Json& parameters,
                          const std::vector<int>& fds, bool more) {
    const std::string frame =
        encode(Call{.method = qualified(method), .parameters = parameters, .more = more});
    std::string_view rest = frame;
    TRY(std::size_t sent, send_some(socket_.get(), rest, fds, true));
    for (rest.remove_prefix(sent); !rest.empty(); rest.remove_prefix(sent)) {
        auto next = send_some(socket_.get(), rest, {}, true);
        if (!next) return std::unexpected(std::move(next).error());
        sent = *next;
    }
    return {};
}

Result<Answer> Client::receive() {
    while (!buffer_.has_frame()) {
        TRY(Chunk chunk, receive_some(socket_.get(), kReadSize, true));
        if (chunk.bytes.empty()) {
            return fail("the supervisor closed the connection; its log says why", EPIPE);
        }
        TRY_VOID(buffer_.push(chunk.bytes, std::move(chunk.fds)));
    }
    Frame frame = *buffer_.next();
    auto reply = decode_reply(frame.bytes);
    if (!reply) return fail_in("the supervisor's reply", std::move(reply).error());
    return Answer{std::move(*reply), std::move(frame.fds)};
}

Result<Answer> Client::call(std::string_view method, const Json& parameters,
                            const std::vector<int>& fds) {
    TRY_VOID(send(method, parameters, fds));
    return receive();
}

Result<void> Client::call_more(std::string_view method, const Json& parameters,
                               const std::function<bool(Answer)>& each) {
    TRY_VOID(send(method, parameters, {}, true));
    for (;;) {
        TRY(Answer answer, receive());
        const bool last = !answer.reply.continues;
        if (!each(std::move(answer)) || last) return {};
    }
}

}  // namespace jailsvc::control
