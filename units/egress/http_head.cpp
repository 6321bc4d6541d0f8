#include "egress/http_head.hpp"

#include <fmt/format.h>
#include <http_parser.h>

#include <algorithm>

#include "egress/host_name.hpp"

namespace jailsvc::egress {
namespace {

constexpr std::string_view kEnd = "\r\n\r\n";
constexpr std::uint16_t kHttpPort = 80;

std::string lowered(std::string_view text) {
    std::string out(text);
    std::ranges::transform(out, out.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    return out;
}

bool is_token(std::string_view text) {
    static constexpr std::string_view kOthers = "!#$%&'*+-.^_`|~";  // RFC 9110, section 5.6.2
    return !text.empty() && std::ranges::all_of(text, [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
               kOthers.find(c) != std::string_view::npos;
    });
}

/// Lines end in CR LF alone, no line is continued by the next, no byte is a control character.
bool is_clean(std::string_view text) {
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        const bool pair = c == '\r' && i + 1 < text.size() && text[i + 1] == '\n';
        if (pair) {
            ++i;
            if (i + 1 < text.size() && (text[i + 1] == ' ' || text[i + 1] == '\t')) return false;
        } else if (static_cast<unsigned char>(c) < 0x20 && c != '\t') {
            return false;
        } else if (c == 0x7f) {
            return false;
        }
    }
    return true;
}

/// What http-parser tells piece by piece.
struct Collected {
    std::string url;
    std::vector<Header> headers;
    bool in_value = true;
    bool complete = false;

    static Collected& of(http_parser* parser) { return *static_cast<Collected*>(parser->data); }

    static int on_url(http_parser* parser, const char* at, std::size_t length) noexcept {
        of(parser).url.append(at, length);
        return 0;
    }
    static int on_field(http_parser* parser, const char* at, std::size_t length) noexcept {
        Collected& self = of(parser);
        if (self.in_value) {
            if (self.headers.size() == kMaxHeaders) return -1;
            self.headers.emplace_back();
        }
        self.in_value = false;
        self.headers.back().name.append(at, length);
        return 0;
    }
    static int on_value(http_parser* parser, const char* at, std::size_t length) noexcept {
        Collected& self = of(parser);
        if (self.headers.empty()) return -1;
        self.in_value = true;
        self.headers.back().value.append(at, length);
        return 0;
    }
    static int on_head(http_parser* parser) noexcept {
        of(parser).complete = true;
        return 1;  // the body is none of this parser's
    }
};

const Header* find(const RequestHead& head, std::string_view name) {
    const auto found = std::ranges::find_if(
        head.headers, [&](const Header& header) { return lowered(header.name) == name; });
    return found == head.headers.end() ? nullptr : &*found;
}

std::ptrdiff_t count(const RequestHead& head, std::string_view name) {
    return std::ranges::count_if(
        head.headers, [&](const Header& header) { return lowered(header.name) == name; });
}

std::optional<std::uint64_t> decimal(std::string_view text) {
    constexpr std::size_t kDigits = 18;  // below 2^63, as every reader has it
    if (text.empty() || text.size() > kDigits) return std::nullopt;
    std::uint64_t value = 0;
    for (const char c : text) {
        if (c < '0' || c > '9') return std::nullopt;
        value = value * 10 + static_cast<std::uint64_t>(c - '0');
    }
    return value;
}

/// How the body ends must be told once, and in one way.
Reason check_framing(RequestHead& head) {
    const auto lengths = count(head, "content-length");
    const auto encodings = count(head, "transfer-encoding");
    if (lengths + encodings > 1) return Reason::kBadRequest;
    if (encodings == 1) {
        // HTTP/1.0 knows no encodings: what it means by one, nobody can say.
        if (head.old || lowered(find(head, "transfer-encoding")->value) != "chunked") {
            return Reason::kBadRequest;
        }
        head.chunked = true;
    }
    if (lengths == 1) {
        head.length = decimal(find(head, "content-length")->value);
        if (!head.length) return Reason::kBadRequest;
    }
    return Reason::kAllowed;
}

struct Authority {
    std::string_view host;
    std::uint16_t port = 0;
};

/// "HOST", "HOST:PORT"; port 0: no such thing. "[::1]:80" is a host that plain_host refuses.
Authority split_authority(std::string_view text, std::uint16_t usual) {
    const auto bracket = text.rfind(']');
    const auto colon = text.rfind(':');
    const bool has_port =
        colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket);
    if (!has_port) return {text, usual};
    return {text.substr(0, colon), parse_port(text.substr(colon + 1))};
}

/// The header Host has to name what the URL does: a server may go by either.
Reason check_host(const RequestHead& head) {
    const auto hosts = count(head, "host");
    if (hosts > 1) return Reason::kBadRequest;
    if (hosts == 0) return Reason::kAllowed;  // HTTP/1.0; we send one
    const Authority told =
        split_authority(find(head, "host")->value, head.connect ? head.port : kHttpPort);
    const auto one = plain_host(told.host);
    const auto other = plain_host(head.host);
    if (!other) return Reason::kAllowed;  // is refused for itself
    return one && *one == *other && told.port == head.port ? Reason::kAllowed
                                                           : Reason::kHostMismatch;
}

Reason take_target(const std::string& url, RequestHead& head) {
    if (head.connect) {
        const Authority authority = split_authority(url, 0);
        head.host = authority.host;
        head.port = authority.port;
        return head.port == 0 || url.find('@') != std::string::npos ? Reason::kBadRequest
                                                                    : Reason::kAllowed;
    }
    constexpr std::string_view kScheme = "http://";
    if (!lowered(std::string_view(url).substr(0, kScheme.size())).starts_with(kScheme)) {
        return Reason::kUnsupported;
    }
    const std::string_view rest = std::string_view(url).substr(kScheme.size());
    const auto end = std::min(rest.find_first_of("/?#"), rest.size());
    const std::string_view authority = rest.substr(0, end);
    // A user in a URL is told nobody; a backslash is a slash to some.
    if (authority.find_first_of("@\\") != std::string_view::npos) return Reason::kBadRequest;
    const Authority split = split_authority(authority, kHttpPort);
    if (split.host.empty() || split.port == 0) return Reason::kBadRequest;
    head.host = split.host;
    head.port = split.port;
    head.target = rest.substr(end, rest.find('#') - end);
    if (!head.target.starts_with('/')) head.target.insert(0, 1, '/');
    return Reason::kAllowed;
}

/// Header fields between two hops: RFC 9110, section 7.6.1, and what proxies have been asked with.
constexpr std::string_view kHopByHop[] = {
    "connection", "proxy-connection", "keep-alive",        "te",
    "trailer",    "upgrade",          "transfer-encoding", "proxy-authorization",
    "host",       "content-length",   "http2-settings",    "proxy-authenticate"};

std::vector<std::string> named_by_connection(const RequestHead& head) {
    std::vector<std::string> names;
    for (const Header& header : head.headers) {
        if (lowered(header.name) != "connection") continue;
        std::string_view rest = header.value;
        while (!rest.empty()) {
            const auto comma = std::min(rest.find(','), rest.size());
            std::string_view name = rest.substr(0, comma);
            rest.remove_prefix(std::min(comma + 1, rest.size()));
            while (name.starts_with(' ') || name.starts_with('\t')) name.remove_prefix(1);
            while (name.ends_with(' ') || name.ends_with('\t')) name.remove_suffix(1);
            names.push_back(lowered(name));
        }
    }
    return names;
}

/// Whether http-parser takes it for a whole head of HTTP/1.
bool collect(std::string_view text, http_parser& parser, Collected& collected) {
    http_parser_settings settings;
    ::http_parser_settings_init(&settings);
    settings.on_url = Collected::on_url;
    settings.on_header_field = Collected::on_field;
    settings.on_header_value = Collected::on_value;
    settings.on_headers_complete = Collected::on_head;
    ::http_parser_init(&parser, HTTP_REQUEST);
    parser.data = &collected;
    (void)::http_parser_execute(&parser, &settings, text.data(), text.size());
    const bool good = HTTP_PARSER_ERRNO(&parser) == HPE_OK && collected.complete;
    for (Header& header : collected.headers) {
        const auto last = header.value.find_last_not_of(" \t");
        header.value.resize(last == std::string::npos ? 0 : last + 1);
    }
    return good && parser.http_major == 1;
}

}  // namespace

std::size_t head_end(std::string_view input) {
    const auto at = input.find(kEnd);
    return at == std::string_view::npos ? 0 : at + kEnd.size();
}

std::expected<RequestHead, Reason> parse_head(std::string_view text) {
    http_parser parser{};
    Collected collected;
    if (!is_clean(text) || !collect(text, parser, collected)) {
        return std::unexpected(Reason::kBadRequest);
    }
    RequestHead head;
    head.connect = parser.method == HTTP_CONNECT;
    head.method = ::http_method_str(static_cast<http_method>(parser.method));
    head.headers = std::move(collected.headers);
    const bool named = std::ranges::all_of(
        head.headers, [](const Header& header) { return is_token(header.name); });
    if (!named) return std::unexpected(Reason::kBadRequest);
    head.old = parser.http_minor == 0;
    const Reason framing = check_framing(head);
    if (framing != Reason::kAllowed) return std::unexpected(framing);
    const Reason target = take_target(collected.url, head);
    if (target != Reason::kAllowed) return std::unexpected(target);
    if (head.connect && (head.chunked || head.length.value_or(0) != 0)) {
        return std::unexpected(Reason::kBadRequest);
    }
    const Reason host = check_host(head);
    if (host != Reason::kAllowed) return std::unexpected(host);
    return head;
}

std::string forwarded_head(const RequestHead& head, std::string_view host) {
    const auto dropped = named_by_connection(head);
    std::string out = fmt::format("{} {} HTTP/1.{}\r\nHost: {}", head.method, head.target,
                                  head.old ? 0 : 1, host);
    if (head.port != kHttpPort) out += fmt::format(":{}", head.port);
    out += "\r\n";
    for (const Header& header : head.headers) {
        const std::string name = lowered(header.name);
        if (std::ranges::find(kHopByHop, name) != std::end(kHopByHop)) continue;
        if (std::ranges::find(dropped, name) != dropped.end()) continue;
        out += fmt::format("{}: {}\r\n", header.name, header.value);
    }
    if (head.chunked) out += "Transfer-Encoding: chunked\r\n";
    if (head.length) out += fmt::format("Content-Length: {}\r\n", *head.length);
    return out + "Connection: close\r\n\r\n";
}

std::string http_refusal(Reason reason, std::string_view host, std::uint16_t port) {
    const Telling telling = telling_of(reason);
    const std::string whom = host.empty() ? "" : fmt::format("{}:{}: ", host, port);
    const std::string cure = telling.cure.empty() ? "" : fmt::format("; {}", telling.cure);
    const std::string body = fmt::format("egress: {}{}{}\n", whom, name_of(reason), cure);
    const char* phrase = telling.http == 403   ? "Forbidden"
                         : telling.http >= 500 ? "Proxy Error"
                                               : "Bad Request";
    return fmt::format(
        "HTTP/1.1 {} {}\r\nX-Egress-Reason: {}\r\nContent-Type: text/plain; charset=us-ascii\r\n"
        "Content-Length: {}\r\nConnection: close\r\nProxy-Connection: close\r\n\r\n{}",
        telling.http, phrase, name_of(reason), body.size(), body);
}

}  // namespace jailsvc::egress
