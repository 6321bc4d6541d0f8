// [Socket] and [Timer].

#include <fmt/format.h>

#include "import/directive.hpp"

namespace jailsvc::import {
namespace {

/// `kind`: of addresses, "tcp" and "unix" for streams.
Verdict take_address(Place& place, const char* kinds) {
    if (place.value().empty()) {
        place.draft.drop("socket", "listen");
        return {};
    }
    const auto text = with_our_specifiers(place.value());
    if (!text) return left_out(text.error().message);
    const std::string both = kinds;
    const std::size_t slash = both.find('/');
    const std::string network = both.substr(0, slash);
    const std::string local = both.substr(slash + 1);
    const bool is_local = text->starts_with('/') || text->starts_with('@');
    if (text->starts_with("vsock:")) {
        place.draft.add("socket", "listen", *text);
    } else if (is_local) {
        place.draft.add("socket", "listen", local + ":" + *text);
    } else if (network == "none") {
        return left_out("an absolute path is wanted");
    } else {
        place.draft.add("socket", "listen", network + ":" + *text);
    }
    return {};
}

Verdict take_accept(Place& place, const char*) {
    const auto on = truth_of(place.value());
    if (!on) return left_out("neither yes nor no");
    if (!*on) return {};
    place.draft.put_flag("socket", "accept", true);
    place.draft.drop("socket", "activation");
    return {};
}

Verdict take_other_unit(Place& place, const char*) {
    return noted(fmt::format("what it is for is in one unit here, {}", place.unit));
}

Verdict take_events(Place& place, const char*) {
    if (place.value().empty()) {
        place.draft.drop("timer", "on_calendar");
        return {};
    }
    place.draft.add("timer", "on_calendar", without_specifiers(place.value()));
    return {};
}

Verdict take_names(Place& place, const char*) {
    place.draft.add("socket", "names", without_specifiers(place.value()));
    return {};
}

Verdict take_ipv6_only(Place& place, const char*) {
    place.draft.put_flag("socket", "ipv6_only", place.value() == "ipv6-only");
    return {};
}

Verdict take_startup(Place& place, const char*) {
    const Verdict verdict = take_duration(place, "timer.on_boot");
    if (verdict.outcome == Outcome::kLeftOut) return verdict;
    return noted("counted from the machine's boot");
}

constexpr const char* kNoCommands = "sockets run no commands here";

}  // namespace

const std::vector<Row>& activation_rows() {
    static const std::vector<Row> kRows = {
        {"Socket", "ListenStream", take_address, "tcp/unix"},
        {"Socket", "ListenDatagram", take_address, "udp/unix-dgram"},
        {"Socket", "ListenFIFO", take_address, "none/fifo"},
        {"Socket", "ListenSequentialPacket", take_nothing, "no such sockets are opened here"},
        {"Socket", "ListenSpecial", take_nothing, "no such files are opened here"},
        {"Socket", "ListenNetlink", take_nothing, "no such sockets are opened here"},
        {"Socket", "ListenMessageQueue", take_nothing, "no message queues are opened here"},
        {"Socket", "ListenUSBFunction", take_nothing, "no such endpoints are opened here"},
        {"Socket", "Accept", take_accept},
        {"Socket", "Service", take_other_unit},
        {"Socket", "Backlog", take_number, "socket.backlog"},
        {"Socket", "SocketMode", take_text, "socket.mode"},
        {"Socket", "SocketUser", take_text, "socket.owner"},
        {"Socket", "SocketGroup", take_text, "socket.group"},
        {"Socket", "DirectoryMode", take_nothing, "directories above are made with mode 0755"},
        {"Socket", "MaxConnections", take_number, "socket.max_connections"},
        {"Socket", "MaxConnectionsPerSource", take_number, "socket.max_connections_per_source"},
        {"Socket", "TriggerLimitBurst", take_number, "socket.trigger_limit_burst"},
        {"Socket", "TriggerLimitIntervalSec", take_duration, "socket.trigger_limit_interval"},
        {"Socket", "KeepAlive", take_bool, "socket.keep_alive"},
        {"Socket", "NoDelay", take_bool, "socket.no_delay"},
        {"Socket", "ReusePort", take_bool, "socket.reuse_port"},
        {"Socket", "FreeBind", take_bool, "socket.free_bind"},
        {"Socket", "PassCredentials", take_bool, "socket.pass_credentials"},
        {"Socket", "BindToDevice", take_text, "socket.bind_to_device"},
        {"Socket", "BindIPv6Only", take_ipv6_only},
        {"Socket", "DeferAcceptSec", take_duration, "socket.defer_accept"},
        {"Socket", "ReceiveBuffer", take_bytes, "socket.receive_buffer"},
        {"Socket", "SendBuffer", take_bytes, "socket.send_buffer"},
        {"Socket", "FileDescriptorName", take_names},
        {"Socket", "RemoveOnStop", take_as_covered, "files of sockets go with them"},
        {"Socket", "Symlinks", take_nothing, "no links are made here"},
        {"Socket", "FlushPending", take_nothing, "what waits is left to the service"},
        {"Socket", "Writable", take_nothing, "a FIFO is opened for both here"},
        {"Socket", "PassSecurity", take_nothing, "no such option is set here"},
        {"Socket", "PassPacketInfo", take_nothing, "no such option is set here"},
        {"Socket", "Timestamping", take_nothing, "no such option is set here"},
        {"Socket", "IPTOS", take_nothing, "no such option is set here"},
        {"Socket", "IPTTL", take_nothing, "no such option is set here"},
        {"Socket", "Mark", take_nothing, "no such option is set here"},
        {"Socket", "Priority", take_nothing, "no such option is set here"},
        {"Socket", "Broadcast", take_nothing, "no such option is set here"},
        {"Socket", "Transparent", take_nothing, "no such option is set here"},
        {"Socket", "TCPCongestion", take_nothing, "no such option is set here"},
        {"Socket", "KeepAliveTimeSec", take_nothing, "the kernel's own time holds"},
        {"Socket", "KeepAliveIntervalSec", take_nothing, "the kernel's own time holds"},
        {"Socket", "KeepAliveProbes", take_nothing, "the kernel's own count holds"},
        {"Socket", "PipeSize", take_nothing, "the kernel's own size holds"},
        {"Socket", "SmackLabel", take_nothing, "no labels are set here"},
        {"Socket", "SELinuxContextFromNet", take_nothing, "no labels are set here"},
        {"Socket", "TimeoutSec", take_nothing, kNoCommands},
        {"Socket", "ExecStartPre", take_nothing, kNoCommands},
        {"Socket", "ExecStartPost", take_nothing, kNoCommands},
        {"Socket", "ExecStopPre", take_nothing, kNoCommands},
        {"Socket", "ExecStopPost", take_nothing, kNoCommands},
        {"Timer", "OnCalendar", take_events},
        {"Timer", "OnBootSec", take_duration, "timer.on_boot"},
        {"Timer", "OnStartupSec", take_startup},
        {"Timer", "OnActiveSec", take_duration, "timer.on_active"},
        {"Timer", "OnUnitActiveSec", take_duration, "timer.every"},
        {"Timer", "OnUnitInactiveSec", take_nothing, "every counts from the start of a run"},
        {"Timer", "RandomizedDelaySec", take_duration, "timer.jitter"},
        {"Timer", "FixedRandomDelay", take_nothing, "each time is delayed by another chance"},
        {"Timer", "Persistent", take_bool, "timer.persistent"},
        {"Timer", "AccuracySec", take_as_covered, "times are kept as they are"},
        {"Timer", "OnClockChange", take_nothing, "a changed clock runs nothing by itself"},
        {"Timer", "OnTimezoneChange", take_nothing, "a changed time zone runs nothing by itself"},
        {"Timer", "WakeSystem", take_nothing, "the machine is not woken"},
        {"Timer", "RemainAfterElapse", take_nothing, "a unit waits until it is stopped"},
        {"Timer", "Unit", take_other_unit},
    };
    return kRows;
}

}  // namespace jailsvc::import
