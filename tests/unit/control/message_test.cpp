#include "control/message.hpp"

#include <catch2/catch.hpp>

#include "control/varlink.hpp"

using namespace jailsvc;
using namespace jailsvc::control;

TEST_CASE("control: a call survives encoding and decoding", "[control]") {
    const Call call{
        .method = "io.jailsvc.Control.Start", .parameters = {{"units", {"web"}}}, .more = true};
    std::string frame = encode(call);
    REQUIRE(frame.back() == '\0');
    frame.pop_back();
    const auto back = decode_call(frame);
    REQUIRE(back);
    CHECK(back->method == call.method);
    CHECK(back->parameters == call.parameters);
    CHECK(back->more);
    CHECK_FALSE(back->oneway);
}

TEST_CASE("control: absent and null members have their meaning", "[control]") {
    const auto call = decode_call(R"({"method":"a.B","parameters":null,"more":null})");
    REQUIRE(call);
    CHECK(call->parameters == Json::object());
    CHECK_FALSE(call->more);
}

TEST_CASE("control: what is no call is refused with its reason", "[control]") {
    const std::pair<const char*, const char*> cases[] = {
        {"", "not JSON"},
        {"\xff\xfe\x00garbage", "not JSON"},
        {"{\"method\":\"a.B\"", "not JSON"},
        {"{\"method\":\"a.B\"} trailing", "not JSON"},
        {"{\"method\":\"\xff\"}", "not JSON"},
        {"[]", "not a JSON object"},
        {"3", "not a JSON object"},
        {"{}", "a call without \"method\""},
        {R"({"method":3})", "\"method\" must be a string"},
        {R"({"method":"a.B","parameters":[]})", "\"parameters\" must be an object"},
        {R"({"method":"a.B","more":"yes"})", "\"more\" must be true or false"},
        {R"({"method":"a.B","upgrade":true})", "\"upgrade\" is not supported"},
    };
    for (const auto& [text, reason] : cases) {
        const auto call = decode_call(text);
        INFO(text);
        REQUIRE_FALSE(call);
        CHECK(call.error().message == reason);
    }
}

TEST_CASE("control: JSON nested too deep is refused before it is parsed", "[control]") {
    const auto nested = [](std::size_t depth) {
        return "{\"method\":\"a.B\",\"parameters\":{\"x\":" + std::string(depth, '[') +
               std::string(depth, ']') + "}}";
    };
    CHECK(decode_call(nested(kMaxDepth - 2)));
    CHECK_FALSE(decode_call(nested(kMaxDepth - 1)));
    CHECK_FALSE(decode_call(nested(500'000)));
    CHECK_FALSE(decode_call(std::string(kMaxDepth + 1, '[')));
    SECTION("brackets inside strings do not count") {
        CHECK(decode_call("{\"method\":\"a.B\",\"parameters\":{\"x\":\"\\\"" +
                          std::string(1000, '[') + "\"}}"));
    }
}

TEST_CASE("control: replies carry errors, continues and bytes that are not UTF-8", "[control]") {
    std::string frame = encode(failed("bad \xff byte"));
    frame.pop_back();
    const auto reply = decode_reply(frame);
    REQUIRE(reply);
    CHECK(reply->error == "io.jailsvc.Control.Failed");
    CHECK(reply->parameters["message"] == "bad \xEF\xBF\xBD byte");
    std::string more = encode(Reply{.parameters = {{"n", 1}}, .continues = true});
    more.pop_back();
    CHECK(decode_reply(more)->continues);
}

TEST_CASE("control: the service interface describes itself and ours", "[control]") {
    const Reply info = answer_service_call({.method = "org.varlink.service.GetInfo"});
    CHECK(info.error.empty());
    CHECK(info.parameters["interfaces"] == Json({"org.varlink.service", "io.jailsvc.Control"}));

    const auto describe = [](Json parameters) {
        return answer_service_call({.method = "org.varlink.service.GetInterfaceDescription",
                                    .parameters = std::move(parameters)});
    };
    const Reply ours = describe({{"interface", "io.jailsvc.Control"}});
    const auto& text = ours.parameters["description"].get_ref<const std::string&>();
    CHECK(text.find("\ninterface io.jailsvc.Control\n") != std::string::npos);
    CHECK(text.find("method Start(") != std::string::npos);
    CHECK(describe({{"interface", "a.b"}}).error == "org.varlink.service.InterfaceNotFound");
    CHECK(describe({}).error == "org.varlink.service.InvalidParameter");
    CHECK(answer_service_call({.method = "org.varlink.service.Nope"}).error ==
          "org.varlink.service.MethodNotFound");
}
