#include <catch2/catch.hpp>

#include "egress/http_body.hpp"
#include "egress/http_head.hpp"

namespace jailsvc::egress {
namespace {

RequestHead good(const std::string& text) {
    const auto head = parse_head(text);
    INFO(text);
    REQUIRE(head);
    return *head;
}

Reason refusal_of(const std::string& text) {
    const auto head = parse_head(text);
    return head ? Reason::kAllowed : head.error();
}

std::string get(const std::string& url, const std::string& lines = "") {
    return "GET " + url + " HTTP/1.1\r\n" + lines + "\r\n";
}

/// The body that a server would read, fed byte by byte or at once.
std::string passed(bool chunked, std::uint64_t length, std::string input, std::size_t step,
                   HttpBody::State& state) {
    HttpBody body(chunked, length);
    std::string pending, out;
    state = body.state();
    for (std::size_t at = 0; at < input.size() && state == HttpBody::State::kMore; at += step) {
        pending += input.substr(at, step);
        state = body.take(pending, out);
    }
    return out;
}

}  // namespace

TEST_CASE("egress: absolute URLs and tunnels are requests of a proxy", "[egress][S3.3]") {
    const auto plain = good(get("http://Example.org/a?b#c", "Host: example.ORG\r\n"));
    CHECK_FALSE(plain.connect);
    CHECK(plain.host == "Example.org");
    CHECK(plain.port == 80);
    CHECK(plain.target == "/a?b");
    CHECK(good(get("HTTP://example.org:8080")).port == 8080);
    CHECK(good(get("http://example.org?x")).target == "/?x");
    const auto tunnel = good("CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n");
    CHECK(tunnel.connect);
    CHECK(tunnel.host == "example.org");
    CHECK(tunnel.port == 443);
    CHECK(refusal_of(get("/hello", "Host: example.org\r\n")) == Reason::kUnsupported);
    CHECK(refusal_of(get("https://example.org/")) == Reason::kUnsupported);
    CHECK(refusal_of(get("ftp://example.org/")) == Reason::kUnsupported);
    CHECK(refusal_of("CONNECT example.org HTTP/1.1\r\n\r\n") == Reason::kBadRequest);
    CHECK(refusal_of("CONNECT example.org:0 HTTP/1.1\r\n\r\n") == Reason::kBadRequest);
}

TEST_CASE("egress: the header Host says what the URL says", "[egress][S3.3]") {
    CHECK(refusal_of(get("http://a.test/", "Host: b.test\r\n")) == Reason::kHostMismatch);
    CHECK(refusal_of(get("http://a.test/", "Host: a.test:81\r\n")) == Reason::kHostMismatch);
    CHECK(refusal_of(get("http://a.test:81/", "Host: a.test\r\n")) == Reason::kHostMismatch);
    CHECK(refusal_of(get("http://a.test/", "Host: a.test\r\nHost: a.test\r\n")) ==
          Reason::kBadRequest);
    CHECK(refusal_of(get("http://a.test/", "Host: a.test.:80\r\n")) == Reason::kAllowed);
    CHECK(refusal_of("CONNECT a.test:443 HTTP/1.1\r\nHost: b.test:443\r\n\r\n") ==
          Reason::kHostMismatch);
    CHECK(refusal_of("CONNECT a.test:443 HTTP/1.1\r\nHost: a.test\r\n\r\n") == Reason::kAllowed);
    CHECK(refusal_of(get("http://user@a.test/")) == Reason::kBadRequest);
    CHECK(refusal_of(get("http://a.test\\@b.test/")) == Reason::kBadRequest);
}

TEST_CASE("egress: a request that two could read differently is refused", "[egress][S3.3]") {
    const std::string post = "POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\n";
    for (const std::string& lines : {
             std::string("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n"),
             std::string("Content-Length: 3\r\nContent-Length: 3\r\n"),
             std::string("Content-Length: 3, 3\r\n"),
             std::string("Content-Length: +3\r\n"),
             std::string("Content-Length: 0x3\r\n"),
             std::string("Content-Length: -1\r\n"),
             std::string("Content-Length: 99999999999999999999\r\n"),
             std::string("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
             std::string("Transfer-Encoding: gzip, chunked\r\n"),
             std::string("Transfer-Encoding: xchunked\r\n"),
             std::string("Transfer-Encoding: identity\r\n"),
             std::string("Transfer-Encoding : chunked\r\n"),
             std::string("Transfer-Encoding:\x0b"
                         "chunked\r\n"),
             std::string("X: a\r\n b\r\n"),
             std::string("X: a\nContent-Length: 3\r\n"),
             std::string("X: a\rContent-Length: 3\r\n"),
             std::string("X: a\0b\r\n", 9),
             std::string("X y: a\r\n"),
             std::string(": a\r\n"),
             std::string("X\r\n"),
         }) {
        INFO(lines);
        CHECK(refusal_of(post + lines + "\r\n") == Reason::kBadRequest);
    }
    CHECK(refusal_of("GET http://a.test/ HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n") ==
          Reason::kBadRequest);
    CHECK(refusal_of("GET http://a.test/ HTTP/2.0\r\n\r\n") == Reason::kBadRequest);
    CHECK(refusal_of("GET http://a.test/\r\n\r\n") == Reason::kBadRequest);
    CHECK(refusal_of("GET  http://a.test/ HTTP/1.1 x\r\n\r\n") == Reason::kBadRequest);
    CHECK(refusal_of("\x16\x03\x01\r\n\r\n") == Reason::kBadRequest);
    CHECK(refusal_of("CONNECT a.test:1 HTTP/1.1\r\nContent-Length: 3\r\n\r\n") ==
          Reason::kBadRequest);
    std::string many;
    for (std::size_t i = 0; i <= kMaxHeaders; ++i) many += "X: y\r\n";
    CHECK(refusal_of(get("http://a.test/", many)) == Reason::kBadRequest);
}

TEST_CASE("egress: what is sent on is in origin form, without what is between hops", "[egress]") {
    const auto head = good(
        "POST http://A.test:81/p?q HTTP/1.1\r\nHost: a.test:81\r\nProxy-Authorization: x\r\n"
        "Proxy-Connection: keep-alive\r\nConnection: X-One, close\r\nX-One: 1\r\nX-Two:  2 \r\n"
        "TE: trailers\r\nUpgrade: h2c\r\nContent-Length: 5\r\n\r\n");
    CHECK(forwarded_head(head, "a.test") ==
          "POST /p?q HTTP/1.1\r\nHost: a.test:81\r\nX-Two: 2\r\nContent-Length: 5\r\n"
          "Connection: close\r\n\r\n");
}

TEST_CASE("egress: a client of HTTP/1.0 gets no answer that it cannot read", "[egress]") {
    const auto head = good("GET http://a.test/ HTTP/1.0\r\n\r\n");
    CHECK(forwarded_head(head, "a.test") ==
          "GET / HTTP/1.0\r\nHost: a.test\r\nConnection: close\r\n\r\n");
}

TEST_CASE("egress: a refusal tells its reason, and repeats nothing unchecked", "[egress][S3.4]") {
    const std::string said = http_refusal(Reason::kHostNotAllowed, "a.test", 443);
    CHECK_THAT(said, Catch::StartsWith("HTTP/1.1 403 Forbidden\r\n"));
    CHECK_THAT(said, Catch::Contains("\r\nX-Egress-Reason: host-not-allowed\r\n"));
    CHECK_THAT(said, Catch::Contains("a.test:443"));
    const std::string unnamed = http_refusal(Reason::kIpLiteral, "", 80);
    CHECK_THAT(unnamed, Catch::Contains("\r\n\r\negress: ip-literal; use the host's name"));
}

TEST_CASE("egress: the end of a head is found", "[egress]") {
    CHECK(head_end("GET") == 0);
    CHECK(head_end("GET / HTTP/1.1\r\n\r\nrest") == 18);
    CHECK(head_end("\n\n") == 0);
}

TEST_CASE("egress: a body ends where its head says", "[egress][S3.3]") {
    HttpBody::State state{};
    for (const std::size_t step : {std::size_t{1}, std::size_t{3}, std::size_t{1000}}) {
        CHECK(passed(false, 5, "12345GET /", step, state) == "12345");
        CHECK(state == HttpBody::State::kDone);
        CHECK(passed(false, 5, "123", step, state) == "123");
        CHECK(state == HttpBody::State::kMore);
        CHECK(passed(false, 0, "GET /", step, state).empty());
        CHECK(state == HttpBody::State::kDone);
    }
}

TEST_CASE("egress: chunks are written anew", "[egress][S3.3]") {
    HttpBody::State state{};
    CHECK(passed(true, 0, "3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nTrailer: 1\r\n\r\nGET /", 1000, state) ==
          "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
    CHECK(state == HttpBody::State::kDone);
    CHECK(passed(true, 0, "3\r\nabc\r\n0\r\n\r\n", 1, state) ==
          "1\r\na\r\n1\r\nb\r\n1\r\nc\r\n0\r\n\r\n");
    CHECK(state == HttpBody::State::kDone);
    for (const std::string& wrong :
         {std::string("x\r\n"), std::string("\r\n"), std::string("-1\r\n"), std::string("0x1\r\n"),
          std::string("3\nabc\r\n"), std::string("3\r\nabcd\r\n"), std::string("1\r\na\n"),
          std::string("fffffffffffffffff\r\n"), std::string("1 \r\r\na"), std::string(5000, '1'),
          std::string("0\r\n") + std::string(5000, 'x')}) {
        INFO(wrong);
        (void)passed(true, 0, wrong, 1000000, state);
        CHECK(state == HttpBody::State::kBroken);
    }
    std::string trailers = "0\r\n";
    for (int i = 0; i < 100; ++i) trailers += "X: y\r\n";
    (void)passed(true, 0, trailers, 1000000, state);
    CHECK(state == HttpBody::State::kBroken);
}

}  // namespace jailsvc::egress
