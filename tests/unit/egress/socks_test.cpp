#include "egress/socks.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "egress/audit.hpp"

namespace jailsvc::egress {
namespace {

using State = SocksHandshake::State;

std::string bytes(std::initializer_list<int> values, std::string_view rest = {}) {
    std::string out;
    for (const int value : values) out += static_cast<char>(value);
    return out + std::string(rest);
}

std::string request(std::string_view host, int port, int command = 1) {
    return bytes({5, command, 0, 3, static_cast<int>(host.size())}, host) +
           bytes({port >> 8, port & 255});
}

struct Outcome {
    State state = State::kMore;
    Reason reason = Reason::kAllowed;
    std::string reply, host, rest;
    int port = 0;
};

Outcome run(const std::string& input, std::size_t step = 1000) {
    SocksHandshake handshake;
    std::string pending;
    State state = State::kMore;
    std::size_t at = 0;
    while (at < input.size() && state == State::kMore) {
        pending += input.substr(at, step);
        at += step;
        state = handshake.take(pending);
    }
    return {state,   handshake.reason(), handshake.reply, handshake.host(),
            pending, handshake.port()};
}

const std::string kHello = bytes({5, 1, 0});

}  // namespace

TEST_CASE("egress: SOCKS5 asks for a name and a port", "[egress][S3.3]") {
    for (const std::size_t step : {std::size_t{1}, std::size_t{1000}}) {
        const auto outcome = run(bytes({5, 2, 1, 0}) + request("example.org", 443), step);
        CHECK(outcome.state == State::kAsked);
        CHECK(outcome.host == "example.org");
        CHECK(outcome.port == 443);
        CHECK(outcome.reply == bytes({5, 0}));
    }
    SECTION("what follows the request is left for the server") {
        CHECK(run(kHello + request("a.b", 80) + "early").rest == "early");
    }
}

TEST_CASE("egress: of SOCKS5 all else is refused, with the code that says why", "[egress][S3.4]") {
    struct Case {
        std::string input;
        Reason reason;
        std::string reply;
    };
    const auto after_hello = [](int field) {
        return bytes({5, 0}) + socks_answer(static_cast<std::uint8_t>(field));
    };
    const Case kCases[] = {
        {bytes({4, 1, 0, 80}), Reason::kBadRequest, ""},
        {bytes({5, 1, 2}), Reason::kUnsupported, bytes({5, 255})},
        {bytes({5, 0}), Reason::kUnsupported, bytes({5, 255})},
        {kHello + request("a.b", 80, 2), Reason::kUnsupported, after_hello(7)},
        {kHello + request("a.b", 80, 3), Reason::kUnsupported, after_hello(7)},
        {kHello + bytes({5, 1, 0, 1, 127, 0, 0, 1, 0, 80}), Reason::kIpLiteral, after_hello(2)},
        {kHello + bytes({5, 1, 0, 4, 0}), Reason::kIpLiteral, after_hello(2)},
        {kHello + bytes({5, 1, 0, 9, 0}), Reason::kBadRequest, after_hello(8)},
        {kHello + bytes({5, 1, 1, 3, 1}), Reason::kBadRequest, after_hello(1)},
        {kHello + bytes({4, 1, 0, 3, 1}), Reason::kBadRequest, after_hello(1)},
        {kHello + request("a.b", 0), Reason::kBadRequest, after_hello(1)},
    };
    for (const Case& one : kCases) {
        const auto outcome = run(one.input);
        CHECK(outcome.state == State::kRefused);
        CHECK(outcome.reason == one.reason);
        CHECK(outcome.reply == one.reply);
    }
}

TEST_CASE("egress: half a SOCKS5 request waits for the rest", "[egress]") {
    const std::string whole = kHello + request("a.b", 80);
    for (std::size_t size = 1; size < whole.size(); ++size) {
        CHECK(run(whole.substr(0, size)).state == State::kMore);
    }
}

TEST_CASE("egress: a line of audit is JSON in bounds, whatever is in it", "[egress][S3.4]") {
    AuditEntry entry{.unit = "web",
                     .connection = 7,
                     .protocol = "socks5",
                     .host = "a.b",
                     .port = 443,
                     .address = "192.0.2.1",
                     .range = "documentation",
                     .reason = Reason::kAddressRefused};
    CHECK(audit_line(AuditEvent::kDenied, entry) ==
          "{\"egress\":\"denied\",\"unit\":\"web\",\"connection\":7,\"reason\":\"address-refused\","
          "\"protocol\":\"socks5\",\"host\":\"a.b\",\"port\":443,\"address\":\"192.0.2.1\","
          "\"range\":\"documentation\",\"ms\":0}\n");
    entry.reason = Reason::kClosed;
    entry.sent = 5;
    entry.received = 6;
    const auto closed = nlohmann::json::parse(audit_line(AuditEvent::kClose, entry));
    CHECK(closed["sent"] == 5);
    CHECK(closed["received"] == 6);
    std::string hostile;
    for (int i = 0; i < 4096; ++i) hostile += static_cast<char>(i * 7);
    entry.host = hostile + "\n\x1b[2J\xff\xfe";
    const std::string line = audit_line(AuditEvent::kDenied, entry);
    CHECK(line.size() < 2048);
    CHECK(line.find('\n') == line.size() - 1);
    for (const char c : line.substr(0, line.size() - 1)) CHECK((c >= ' ' && c < 0x7f));
    CHECK_FALSE(nlohmann::json::parse(line, nullptr, false).is_discarded());
}

TEST_CASE("egress: refusals beyond a rate are counted, not told", "[egress][S3.4]") {
    RefusalLimit limit;
    for (std::uint32_t i = 0; i < RefusalLimit::kPerSecond; ++i) CHECK(limit.take(5));
    CHECK_FALSE(limit.take(5));
    CHECK_FALSE(limit.take(5));
    CHECK(limit.untold(5) == 0);
    CHECK(limit.untold(6) == 2);
    CHECK(limit.untold(6) == 0);
    CHECK(limit.take(6));
}

TEST_CASE("egress: every reason has a name and a way to be told", "[egress][S3.4]") {
    for (int i = 0; i <= static_cast<int>(Reason::kBroken); ++i) {
        const auto reason = static_cast<Reason>(i);
        CHECK(name_of(reason) != "unknown");
        CHECK(telling_of(reason).http >= 200);
    }
    CHECK(telling_of(Reason::kHostNotAllowed).socks == 2);
    CHECK(telling_of(Reason::kHostNotAllowed).http == 403);
}

}  // namespace jailsvc::egress
