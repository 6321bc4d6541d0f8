#include "control/frame.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch.hpp>

using namespace jailsvc;
using namespace jailsvc::control;

namespace {

Fd some_descriptor() {
    return Fd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
}

std::vector<Fd> descriptors(std::size_t count) {
    std::vector<Fd> fds;
    for (std::size_t i = 0; i < count; ++i) fds.push_back(some_descriptor());
    return fds;
}

struct Pair {
    Fd a, b;
    Pair() {
        int ends[2];
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
        a = Fd(ends[0]);
        b = Fd(ends[1]);
    }
};

using std::string_view_literals::operator""sv;

}  // namespace

TEST_CASE("control: frames come out whole however the bytes are split", "[control]") {
    const auto stream = "{\"a\":1}\0{}\0third\0"sv;
    for (std::size_t step = 1; step <= stream.size(); ++step) {
        FrameBuffer buffer;
        std::vector<std::string> frames;
        for (std::size_t at = 0; at < stream.size(); at += step) {
            REQUIRE(buffer.push(stream.substr(at, step)));
            while (auto frame = buffer.next()) frames.push_back(frame->bytes);
        }
        CHECK(frames == std::vector<std::string>{"{\"a\":1}", "{}", "third"});
        CHECK(buffer.buffered() == 0);
    }
}

TEST_CASE("control: a frame of exactly the cap passes and one more byte does not", "[control]") {
    FrameBuffer buffer(1000);
    REQUIRE(buffer.push(std::string(1000, 'x')));
    SECTION("the end comes") {
        REQUIRE(buffer.push("\0"sv));
        CHECK(buffer.next()->bytes.size() == 1000);
    }
    SECTION("it goes on") {
        CHECK(buffer.push("x").error().code == EMSGSIZE);
    }
}

TEST_CASE("control: a frame of 10 MB is refused after one megabyte", "[control][E35]") {
    FrameBuffer buffer;
    const std::string block(64U << 10, ' ');
    std::size_t taken = 0;
    while (buffer.push(block)) taken += block.size();
    CHECK(taken <= kMaxFrame);
    CHECK(buffer.buffered() <= kMaxFrame);
}

TEST_CASE("control: empty frames count against what is buffered", "[control]") {
    FrameBuffer buffer;
    REQUIRE(buffer.push(std::string(1000, '\0')));
    CHECK(buffer.buffered() >= 1000 * sizeof(Frame));
}

TEST_CASE("control: descriptors belong to the frame their bytes end in", "[control]") {
    FrameBuffer buffer;
    REQUIRE(buffer.push("first\0second\0"sv, descriptors(2)));
    CHECK(buffer.next()->fds.empty());
    CHECK(buffer.next()->fds.size() == 2);
    REQUIRE(buffer.push("thi", descriptors(1)));
    REQUIRE(buffer.push("rd\0fourth\0"sv));
    CHECK(buffer.next()->fds.size() == 1);
    CHECK(buffer.next()->fds.empty());
}

TEST_CASE("control: a fifth descriptor with one frame is refused", "[control]") {
    FrameBuffer buffer;
    CHECK(buffer.push("x", descriptors(kMaxFrameFds)));
    CHECK(buffer.push("y", descriptors(1)).error().code == EMSGSIZE);
}

TEST_CASE("control: descriptors cross a socket beside the first byte", "[control]") {
    const Pair pair;
    const Fd sent = some_descriptor();
    REQUIRE(send_some(pair.a.get(), "plain\0"sv, {}, true));
    REQUIRE(send_some(pair.a.get(), "with\0"sv, {sent.get()}, true));
    REQUIRE(send_some(pair.a.get(), "after\0"sv, {}, true));
    FrameBuffer buffer;
    for (int reads = 0; reads < 2; ++reads) {
        auto chunk = receive_some(pair.b.get(), 4096, false);
        REQUIRE(chunk);
        REQUIRE(buffer.push(chunk->bytes, std::move(chunk->fds)));
    }
    CHECK(buffer.next()->fds.empty());
    CHECK(buffer.next()->fds.size() == 1);
    CHECK(buffer.next()->fds.empty());
}

TEST_CASE("control: more descriptors than there is room for is an error, none stays open",
          "[control]") {
    const Pair pair;
    std::array<int, 60> many{};
    const Fd sent = some_descriptor();
    many.fill(sent.get());
    union {
        char bytes[CMSG_SPACE(sizeof many)];
        cmsghdr align;
    } control{};
    char byte = 'x';
    iovec part{&byte, 1};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.bytes;
    message.msg_controllen = sizeof control.bytes;
    cmsghdr* c = CMSG_FIRSTHDR(&message);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof many);
    std::memcpy(CMSG_DATA(c), many.data(), sizeof many);
    REQUIRE(::sendmsg(pair.a.get(), &message, 0) == 1);
    const int lowest_before = some_descriptor().get();
    CHECK(receive_some(pair.b.get(), 4096, false).error().code == EMSGSIZE);
    CHECK(some_descriptor().get() == lowest_before);
}

TEST_CASE("control: reading says when nothing is there and when the peer is gone", "[control]") {
    Pair pair;
    CHECK(receive_some(pair.b.get(), 64, false).error().code == EAGAIN);
    pair.a = Fd();
    CHECK(receive_some(pair.b.get(), 64, false)->bytes.empty());
}
