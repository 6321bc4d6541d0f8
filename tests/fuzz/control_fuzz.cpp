// Any bytes from a client: cut into frames, decoded and dispatched to a real state machine whose
// launcher does nothing. Whatever they are, nothing crashes and every call is answered at most
// once.
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string_view>

#include "control/frame.hpp"
#include "engine/dispatch.hpp"

namespace {

using namespace jailsvc;
using namespace jailsvc::engine;

class Nothing final : public service::Launcher, public service::Timers, public service::Observer {
public:
    void launch(const service::LaunchRequest&) override {}
    void signal(std::string_view, service::Token, int, service::Whom) override {}
    void teardown(std::string_view, service::Token, bool) override {}
    void release(std::string_view, service::Token) override {}
    void await_connection(std::string_view) override {}
    void close_sockets(std::string_view) override {}
    void arm(std::string_view, service::TimerKind, config::Duration) override {}
    void disarm(std::string_view, service::TimerKind) override {}
    [[nodiscard]] std::uint64_t now_ns() const override { return 1; }
    void changed(const service::Record&, service::State) override {}
    void settled(service::JobId, const service::JobResult&) override {}
    void noted(std::string_view, const std::string&) override {}
    void health_changed(std::string_view, service::Health, service::Health,
                        const std::string&) override {}
    void essential_ended(std::string_view, int) override {}
    void dropped(std::string_view) override {}
};

class Nowhere final : public Elsewhere {
public:
    [[nodiscard]] bool ready() const override { return true; }
    [[nodiscard]] const std::vector<std::string>* file_errors(std::string_view) const override {
        return nullptr;
    }
    [[nodiscard]] std::vector<std::string> broken_units() const override { return {}; }
    [[nodiscard]] std::vector<pid_t> processes(std::string_view, pid_t) const override {
        return {};
    }
    [[nodiscard]] bool is_grouped(std::string_view) const override { return true; }
    [[nodiscard]] bool is_frozen(std::string_view) const override { return false; }
    void freeze(std::string_view, bool) override {}
    [[nodiscard]] Schedules::Times times_of(std::string_view) const override { return {}; }
    [[nodiscard]] SelfReport self_report(std::string_view) const override { return {}; }
    [[nodiscard]] Result<std::string> settings(const config::Unit&) const override { return ""; }
    [[nodiscard]] std::vector<config::Template> templates() const override {
        return {{.name = "t@", .description = {}, .file = {}}};
    }
    [[nodiscard]] std::string own_name(const std::string& unit) const override { return unit; }
    void note_asked(const std::string&, service::Request) override {}
    [[nodiscard]] bool stays_stopped(const std::string&) const override { return false; }
    void load_instances(const std::vector<std::string>&) override {}
    [[nodiscard]] Extra extra(std::string_view) const override { return {}; }
    [[nodiscard]] std::optional<Usage> usage(std::string_view, pid_t) const override {
        return std::nullopt;
    }
    [[nodiscard]] UnitGroups::Hits hits(std::string_view) const override { return {}; }
    void plan(const std::string&, ClientRef client) override { answer(client, {}); }
    void logs(const LogQuestion&, ClientRef client) override { answer(client, {}); }
    void exec(const std::string&, service::Token, Fd, ClientRef client) override {
        answer(client, {});
    }
    void run_job(const std::string&, bool, Fd, ClientRef client) override { answer(client, {}); }
    void wait_job(const std::string&, ClientRef client) override { answer(client, {}); }
    [[nodiscard]] std::vector<std::string> jobs() const override { return {"job"}; }
    [[nodiscard]] control::Json job(const std::string&) const override { return nullptr; }
    bool remove_job(const std::string&) override { return false; }
    void set_property(const std::string&, const std::map<std::string, std::string>&,
                      ClientRef client) override {
        answer(client, {});
    }
    [[nodiscard]] Sockets::State socket_state(std::string_view) const override { return {}; }
    ReloadReport reload() override { return {}; }
    bool shutdown(std::string_view) override { return false; }
};

/// Aborts at a second reply to one call.
class OneReply final : public Client {
public:
    void reply(control::Reply reply, std::vector<Fd>) override {
        if (replied_ || control::encode(reply).empty()) std::abort();
        replied_ = true;
    }
    bool tell(const control::Reply& reply) override {
        if (replied_ || control::encode(reply).empty()) std::abort();
        return true;
    }
    void on_hangup(std::function<void()>) override {}

private:
    bool replied_ = false;
};

config::Unit unit(const char* name) {
    config::Unit made;
    made.name = name;
    made.service.exec_start = {"/bin/true"};
    return made;
}

void dispatch_all(control::FrameBuffer& buffer) {
    Nothing nothing;
    Nowhere nowhere;
    service::Manager manager(nothing, nothing, nothing);
    (void)manager.load({unit("web"), unit("db")});
    Jobs jobs;
    Monitors monitors;
    Dispatcher dispatcher(manager, jobs, nowhere, monitors);
    while (auto frame = buffer.next()) {
        const auto call = control::decode_call(frame->bytes);
        if (!call) return;
        const auto client = std::make_shared<OneReply>();
        dispatcher.dispatch(*call, {}, {.role = Role::kAdmin, .uid = 0}, client);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view stream(reinterpret_cast<const char*>(data), size);
    control::FrameBuffer buffer(4096);
    if (buffer.push(stream.substr(0, size / 2)) && buffer.push(stream.substr(size / 2))) {
        dispatch_all(buffer);
    }
    return 0;
}
