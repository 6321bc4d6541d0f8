#pragma once

#include <array>
#include <cstddef>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/fd.hpp"
#include "base/result.hpp"

/// Varlink's wire: JSON objects, each ended by a NUL, over a Unix stream socket. Ours may carry
/// descriptors beside a frame (SCM_RIGHTS), sent with its first byte.
namespace jailsvc::control {

inline constexpr std::size_t kMaxFrame = 1U << 20;   ///< what a client may send [bytes]
inline constexpr std::size_t kMaxReply = 64U << 20;  ///< what a client accepts from us [bytes]
inline constexpr std::size_t kMaxFrameFds = 4;       ///< descriptors with one frame

/// One frame without its NUL, and what came with it.
struct Frame {
    std::string bytes;
    std::vector<Fd> fds;
};

/// Cuts a byte stream into frames. Holds at most `cap` bytes of an unfinished frame; what is
/// already whole waits until it is taken.
class FrameBuffer {
public:
    explicit FrameBuffer(std::size_t cap = kMaxFrame) : cap_(cap) {}

    /// Takes over one read's bytes and descriptors. The kernel ends a read after the message that
    /// carried descriptors (unix(7), SCM_RIGHTS), so they belong to the last frame that `bytes`
    /// touches; a sender gives such a frame a sendmsg(2) of its own. EMSGSIZE: an unfinished frame
    /// is longer than the cap or has too many descriptors; the connection should be closed.
    [[nodiscard]] Result<void> push(std::string_view bytes, std::vector<Fd> fds = {});

    /// The next whole frame, or nothing yet. Frames longer than the cap are never returned.
    [[nodiscard]] std::optional<Frame> next();

    [[nodiscard]] bool has_frame() const { return !whole_.empty(); }
    /// What is held, with what holding it costs [bytes].
    [[nodiscard]] std::size_t buffered() const { return buffered_; }

private:
    std::size_t cap_;
    std::deque<Frame> whole_;
    Frame partial_;
    std::size_t buffered_ = 0;
};

/// What one read of a stream socket gave.
struct Chunk {
    std::string bytes;  ///< empty: the peer has closed its end
    std::vector<Fd> fds;
};

/// One recvmsg(2) of at most `limit` bytes; error EAGAIN where nothing is there. Descriptors the
/// kernel had no room for were closed by it (MSG_CTRUNC), which is an error EMSGSIZE.
[[nodiscard]] Result<Chunk> receive_some(int socket, std::size_t limit, bool wait);

/// One sendmsg(2); descriptors go with the first byte. Number of bytes taken; error EAGAIN.
[[nodiscard]] Result<std::size_t> send_some(int socket, std::string_view bytes,
                                            const std::vector<int>& fds, bool wait);

}  // namespace jailsvc::control
