#include "probe/status_line.hpp"

#include <catch2/catch.hpp>
#include <string>
#include <string_view>

#include "base/probe_code.hpp"
#include "base/probe_errors.hpp"

using namespace jailsvc::probe;

namespace {

/// The status, 0 where the answer is no HTTP/1, -1 where it goes on.
int status_in(std::string_view answer) {
    StatusLine line;
    for (const char byte : answer) {
        switch (line.take(byte)) {
            case StatusLine::Verdict::kMore:
                continue;
            case StatusLine::Verdict::kStatus:
                return static_cast<int>(line.status());
            case StatusLine::Verdict::kForeign:
                return 0;
        }
    }
    return -1;
}

}  // namespace

TEST_CASE("probe: the status of an answer is found in its first line", "[probe][S1.9]") {
    CHECK(status_in("HTTP/1.1 200 OK\r\n") == 200);
    CHECK(status_in("HTTP/1.0 503\r\n") == 503);
    CHECK(status_in("HTTP/1.1 404\n") == 404);
    CHECK(status_in("HTTP/1.1 999 x") == 999);
}

TEST_CASE("probe: interim answers are passed over", "[probe][S1.9]") {
    CHECK(status_in("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n") == 204);
    CHECK(status_in("HTTP/1.1 103 Early\r\nLink: </a>\r\nX: \r\n\r\nHTTP/1.1 500 x\r\n") == 500);
    CHECK(status_in("HTTP/1.1 102\n\nHTTP/1.1 200 \n") == 200);
    CHECK(status_in("HTTP/1.1 100 Continue\r\nA: HTTP/1.1 200 OK\r\n") == -1);
}

TEST_CASE("probe: what is no answer of HTTP/1 is none", "[probe][S1.9]") {
    for (const char* answer :
         {"SSH-2.0-OpenSSH", "HTTP/2 200 ", "HTTP/1.1  200", "HTTP/1.x 200 ", "HTTP/1.1 2x0 ",
          "HTTP/1.1 2000 ", "HTTP/1.1 099 ", "http/1.1 200 ", "\r\nHTTP/1.1 200 ", "\0\0\0\0"}) {
        CAPTURE(answer);
        CHECK(status_in({answer, std::string_view(answer).empty()
                                     ? 4
                                     : std::char_traits<char>::length(answer)}) == 0);
    }
    CHECK(status_in("HTTP/1.1 20") == -1);
}

TEST_CASE("probe: exit codes say what was found, and never what a program not executed ends with",
          "[probe][S1.9]") {
    CHECK(code_of_status(200) == kGood);
    CHECK(code_of_status(302) == kGood);
    CHECK(describe(code_of_status(404)) == "answered with status 404");
    CHECK(describe(code_of_status(500)) == "answered with status 500");
    CHECK(describe(code_of_status(559)) == "answered with status 559");
    CHECK(code_of_status(600) == kOtherStatus);
    CHECK(code_of_status(199) == kOtherStatus);
    CHECK(describe(code_of_error(ECONNREFUSED)) == "Connection refused");
    CHECK(code_of_error(EXDEV) == kOtherError);
    constexpr int kNotExecuted = 127;  // ipc::kNotExecutedCode
    for (int error = 1; error < 4096; ++error) {
        CHECK(code_of_error(error) != kNotExecuted);
        CHECK(code_of_error(error) < kFirst400);
        CHECK(code_of_error(error) != kGood);
    }
    for (unsigned status = 0; status < 1000; ++status) {
        const int code = code_of_status(status);
        CHECK(code != kNotExecuted);
        CHECK(code < 256);
        CHECK((code == kGood) == (status >= 200 && status < 400));
    }
}
