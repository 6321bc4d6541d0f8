#include "config/socket_address.hpp"

#include <catch2/catch.hpp>
#include <random>

using namespace jailsvc::config;

namespace {

/// The address written in the one way, or "" where it is refused.
std::string canonical(const std::string& text) {
    const auto address = parse_socket_address(text);
    return address ? to_string(*address) : std::string();
}

std::string refusal(const std::string& text) {
    const auto address = parse_socket_address(text);
    return address ? "accepted" : address.error().message;
}

}  // namespace

TEST_CASE("socket address: each kind is read, and written in one way", "[config]") {
    const std::pair<const char*, const char*> cases[] = {
        {"tcp:80", "tcp:80"},
        {"tcp:127.0.0.1:80", "tcp:127.0.0.1:80"},
        {"tcp:127.0.0.1:080", "tcp:127.0.0.1:80"},
        {"tcp:[::]:80", "tcp:[::]:80"},
        {"tcp:[0:0::1]:80", "tcp:[::1]:80"},
        {"tcp:[fe80::1%eth0]:80", "tcp:[fe80::1%eth0]:80"},
        {"udp:[::1]:65535", "udp:[::1]:65535"},
        {"unix:/run/x.sock", "unix:/run/x.sock"},
        {"unix:@name", "unix:@name"},
        {"unix-dgram:/run/x", "unix-dgram:/run/x"},
        {"unix-seqpacket:@x", "unix-seqpacket:@x"},
        {"fifo:/run/x", "fifo:/run/x"},
        {"vsock:1024", "vsock:1024"},
        {"vsock:3:1024", "vsock:3:1024"},
    };
    for (const auto& [text, wanted] : cases) {
        INFO(text);
        CHECK(canonical(text) == wanted);
        CHECK(*parse_socket_address(text) == *parse_socket_address(wanted));
    }
    CHECK(parse_socket_address("tcp:80")->any);
    CHECK_FALSE(parse_socket_address("tcp:[::]:80")->any);
}

TEST_CASE("socket address: what is none is refused", "[config]") {
    const std::string nul("unix:/run/a\0b", 13);
    for (const std::string text : {"",
                                   ":",
                                   "tcp",
                                   "80",
                                   "tcp:",
                                   "tcp:0",
                                   "tcp:65536",
                                   "tcp:-1",
                                   "tcp:+80",
                                   "tcp: 80",
                                   "tcp:80 ",
                                   "tcp:0x50",
                                   "tcp:99999999999999999999",
                                   "TCP:80",
                                   "sctp:80",
                                   "tcp:localhost:80",
                                   "tcp:example.org:80",
                                   "tcp:127.0.0.1",
                                   "tcp:127.0.0.1:",
                                   "tcp:127.1:80",
                                   "tcp:256.0.0.1:80",
                                   "tcp:::1:80",
                                   "tcp:[::1]",
                                   "tcp:[::1]:",
                                   "tcp:[]:80",
                                   "tcp:[::1:80",
                                   "tcp:[127.0.0.1]:80",
                                   "tcp:[fe80::1%]:80",
                                   "tcp:[fe80::1%a/b]:80",
                                   "tcp:[fe80::1%interfacenametoolong]:80",
                                   "unix:",
                                   "unix:x.sock",
                                   "unix:./x",
                                   "unix:@",
                                   "unix:/",
                                   "unix:/run/",
                                   "unix:/run/../etc/x",
                                   "unix:/run/..",
                                   "fifo:@x",
                                   "fifo:x",
                                   "vsock:",
                                   "vsock:0",
                                   "vsock:x:1",
                                   "vsock:1:",
                                   "vsock:4294967296",
                                   "vsock:1:2:3"}) {
        INFO(text);
        CHECK(refusal(text) != "accepted");
        CHECK(refusal(text).find('\n') == std::string::npos);
    }
    CHECK(refusal(nul) != "accepted");
    CHECK(refusal("tcp:localhost:80").find("not looked up") != std::string::npos);
}

TEST_CASE("socket address: a path that is too long for a socket is refused", "[config][S3.11]") {
    const auto of_length = [](std::size_t size) { return "/run/" + std::string(size - 5, 'x'); };
    CHECK(canonical("unix:" + of_length(107)).size() == 112);  // control
    CHECK(refusal("unix:" + of_length(108)).find("108 bytes are too long") != std::string::npos);
    CHECK(refusal("unix-dgram:" + of_length(108)) != "accepted");
    CHECK(refusal("unix:@" + std::string(107, 'x')) != "accepted");
    CHECK(canonical("unix:@" + std::string(106, 'x')).size() == 112);
    CHECK(refusal("fifo:" + of_length(200)) == "accepted");  // opened by its path, like any file
}

TEST_CASE("socket address: no bytes break the parser", "[config]") {
    std::mt19937 random(1);
    const std::string starts[] = {"tcp:", "udp:[", "unix:/", "unix:@", "fifo:/", "vsock:", ""};
    for (int i = 0; i < 20'000; ++i) {
        std::string text = starts[random() % std::size(starts)];
        for (std::size_t length = random() % 40; length > 0; --length) {
            const bool plain = random() % 4 != 0;
            text += plain ? "0123456789abcdef:.[]%/@"[random() % 23] : static_cast<char>(random());
        }
        const auto address = parse_socket_address(text);
        if (address) CHECK(*parse_socket_address(to_string(*address)) == *address);
    }
}
