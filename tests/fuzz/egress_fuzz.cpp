// What a jail's program may send to its proxy: heads of requests, bodies, SOCKS5; and what the
// supervisor writes for it.

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "egress/audit.hpp"
#include "egress/host_name.hpp"
#include "egress/http_body.hpp"
#include "egress/http_head.hpp"
#include "egress/policy.hpp"
#include "egress/settings.hpp"
#include "egress/socks.hpp"

namespace {

using namespace jailsvc::egress;

void demand(bool holds) {
    if (!holds) std::abort();
}

void fuzz_head(const std::string& text) {
    const auto head = parse_head(text);
    if (!head) return;
    const auto host = plain_host(head->host);
    if (!host) return;
    // What is sent on must be read as the same request, of the same host, by whoever reads it.
    constexpr std::size_t kAdded = 3;  // headers of our own
    if (head->connect || head->headers.size() + kAdded > kMaxHeaders) return;
    const std::string sent = forwarded_head(*head, *host);
    demand(head_end(sent) == sent.size());
    std::string again = sent;
    again.insert(again.find(' ') + 1, "http://" + *host + ":" + std::to_string(head->port));
    const auto read = parse_head(again);
    demand(read.has_value());
    demand(read->method == head->method && read->target == head->target);
    demand(read->chunked == head->chunked && read->length == head->length);
}

void fuzz_body(std::string input) {
    HttpBody body(true, 0);
    std::string whole = input, out, pieces_out;
    const auto state = body.take(whole, out);
    HttpBody other(true, 0);
    std::string pending;
    auto last = other.state();
    for (const char c : input) {
        if (last != HttpBody::State::kMore) break;
        pending += c;
        last = other.take(pending, pieces_out);
    }
    // However it comes, it ends in the same way; a line that is too long is told as soon as it is.
    demand((state == HttpBody::State::kDone) == (last == HttpBody::State::kDone));
    if (state != HttpBody::State::kDone) return;
    // What is sent on is a body that ends at its end.
    HttpBody reader(true, 0);
    std::string sent = out, ignored;
    demand(reader.take(sent, ignored) == HttpBody::State::kDone && sent.empty());
}

void fuzz_socks(std::string input) {
    SocksHandshake handshake;
    if (handshake.take(input) == SocksHandshake::State::kAsked) demand(handshake.port() != 0);
}

void fuzz_audit(const std::string& text) {
    AuditEntry entry;
    entry.host = text;
    const std::string line = audit_line(AuditEvent::kDenied, entry);
    demand(line.size() < 2048 && line.find('\n') == line.size() - 1);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
    switch (data[0]) {
        case 'h':
            fuzz_head(text);
            break;
        case 'b':
            fuzz_body(text);
            break;
        case 's':
            fuzz_socks(text);
            break;
        case 'n':
            if (const auto host = plain_host(text)) demand(plain_host(*host) == *host);
            (void)host_from_people(text);
            break;
        case 'p':
            (void)parse_policy(text);
            break;
        case 't':
            (void)parse_settings(text, "egress.toml");
            break;
        default:
            fuzz_audit(text);
            break;
    }
    return 0;
}
