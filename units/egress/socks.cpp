#include "egress/socks.hpp"

namespace jailsvc::egress {
namespace {

constexpr char kNoAuthentication = 0;
constexpr char kNoneAcceptable = '\xff';
constexpr char kConnect = 1;
constexpr char kIpv4 = 1;
constexpr char kName = 3;
constexpr char kIpv6 = 4;
constexpr std::uint8_t kFailure = 1;
constexpr std::uint8_t kNoSuchCommand = 7;
constexpr std::uint8_t kNoSuchAddressType = 8;
constexpr std::size_t kHead = 4;  ///< version, command, reserved, type of address

std::size_t byte_at(std::string_view text, std::size_t at) {
    return static_cast<unsigned char>(text[at]);
}

}  // namespace

std::string socks_answer(std::uint8_t field) {
    std::string answer{SocksHandshake::kVersion, static_cast<char>(field), 0, kIpv4};
    answer.append(6, '\0');  // 0.0.0.0:0
    return answer;
}

SocksHandshake::State SocksHandshake::take(std::string& input) {
    if (!greeted_) {
        if (const State state = greet(input); state != State::kAsked) return state;
        greeted_ = true;
    }
    return request(input);
}

SocksHandshake::State SocksHandshake::refuse(Reason reason, std::uint8_t field) {
    reason_ = reason;
    reply += socks_answer(field);
    return State::kRefused;
}

SocksHandshake::State SocksHandshake::greet(std::string& input) {
    if (input.empty()) return State::kMore;
    if (input[0] != kVersion) {
        reason_ = Reason::kBadRequest;  // no answer that such a client would know
        return State::kRefused;
    }
    if (input.size() < 2 || input.size() < 2 + byte_at(input, 1)) return State::kMore;
    const std::size_t count = byte_at(input, 1);
    const bool open =
        std::string_view(input).substr(2, count).find(kNoAuthentication) != std::string_view::npos;
    input.erase(0, 2 + count);
    reply += {kVersion, open ? kNoAuthentication : kNoneAcceptable};
    if (open) return State::kAsked;
    reason_ = Reason::kUnsupported;
    return State::kRefused;
}

SocksHandshake::State SocksHandshake::request(std::string& input) {
    if (input.size() < kHead + 1) return State::kMore;
    if (input[0] != kVersion || input[2] != 0) return refuse(Reason::kBadRequest, kFailure);
    if (input[1] != kConnect) return refuse(Reason::kUnsupported, kNoSuchCommand);
    const char type = input[3];
    if (type == kIpv4 || type == kIpv6) {
        return refuse(Reason::kIpLiteral, telling_of(Reason::kIpLiteral).socks);
    }
    if (type != kName) return refuse(Reason::kBadRequest, kNoSuchAddressType);
    const std::size_t length = byte_at(input, kHead);
    const std::size_t end = kHead + 1 + length;
    if (input.size() < end + 2) return State::kMore;
    host_ = input.substr(kHead + 1, length);
    port_ = static_cast<std::uint16_t>(byte_at(input, end) << 8 | byte_at(input, end + 1));
    input.erase(0, end + 2);
    if (port_ == 0) return refuse(Reason::kBadRequest, kFailure);
    return State::kAsked;
}

}  // namespace jailsvc::egress
