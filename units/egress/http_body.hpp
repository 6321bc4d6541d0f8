#pragma once

#include <cstdint>
#include <string>
#include <string_view>

/// The body of a request on its way: counted or chunked, written anew, so that the server sees the
/// end where we see it. Pure.
namespace jailsvc::egress {

class HttpBody {
public:
    enum class State : std::uint8_t { kMore, kDone, kBroken };

    /// Neither length nor chunks: no body.
    HttpBody(bool chunked, std::uint64_t length);

    /// Takes what is of the body off the front of `input` and adds what is to be sent to `output`.
    State take(std::string& input, std::string& output);
    [[nodiscard]] State state() const { return state_; }

private:
    enum class Step : std::uint8_t { kSize, kData, kDataEnd, kTrailer };

    State take_chunks(std::string& input, std::string& output);
    std::size_t take_data(std::string_view rest, std::string& output);
    State take_line(std::string_view line, std::string& output);
    [[nodiscard]] bool take_size(std::string_view line);

    bool chunked_;
    std::uint64_t left_;  ///< of the body, or of the chunk
    std::size_t trailers_ = 0;
    Step step_ = Step::kSize;
    State state_;
};

}  // namespace jailsvc::egress
