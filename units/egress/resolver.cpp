#include "egress/resolver.hpp"

#include <sys/time.h>

#include <algorithm>

#include "egress/reason.hpp"

namespace jailsvc::egress {
namespace {

constexpr int kTimeout = 2000;  ///< [ms] of the first try; c-ares doubles it
constexpr int kTries = 3;

/// Once in a process, before any channel (ares_library_init(3)).
bool library_ready() {
    static const bool kReady = ::ares_library_init(ARES_LIB_INIT_ALL) == ARES_SUCCESS;
    return kReady;
}

Reason reason_of(int status) {
    const bool none = status == ARES_ENOTFOUND || status == ARES_ENODATA || status == ARES_EBADNAME;
    return none ? Reason::kNoSuchHost : Reason::kResolverFailed;
}

std::vector<Address> addresses_of(const ares_addrinfo* result) {
    std::vector<Address> all;
    for (const auto* node = result == nullptr ? nullptr : result->nodes; node != nullptr;
         node = node->ai_next) {
        const auto address = Address::from(node->ai_addr);
        const bool fresh = address && std::ranges::find(all, *address) == all.end();
        if (fresh && all.size() < Resolver::kMaxAddresses) all.push_back(*address);
    }
    return all;
}

}  // namespace

Result<std::unique_ptr<Resolver>> Resolver::make(struct ev_loop* loop,
                                                 const std::string& nameservers) {
    if (!library_ready()) return fail("c-ares does not start");
    std::unique_ptr<Resolver> self(new Resolver(loop));
    ares_options options{};
    // No search domains: a name means the same wherever the host is.
    options.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES;
    options.timeout = kTimeout;
    options.tries = kTries;
    options.sock_state_cb = socket_changed;
    options.sock_state_cb_data = self.get();
    const int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB;
    if (const int code = ::ares_init_options(&self->channel_, &options, mask);
        code != ARES_SUCCESS) {
        return fail(std::string("resolver: ") + ::ares_strerror(code));
    }
    if (nameservers.empty()) return self;
    if (const int code = ::ares_set_servers_ports_csv(self->channel_, nameservers.c_str());
        code != ARES_SUCCESS) {
        return fail("nameservers: " + nameservers + ": " + ::ares_strerror(code));
    }
    return self;
}

Resolver::~Resolver() {
    if (channel_ != nullptr) ::ares_destroy(channel_);
}

std::shared_ptr<Resolver::Query> Resolver::resolve(const std::string& host, Callback done) {
    auto query = std::make_shared<Query>(std::move(done));
    ares_addrinfo_hints hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_flags = ARES_AI_NOSORT;
    hints.ai_socktype = SOCK_STREAM;
    auto* waiting = new std::weak_ptr<Query>(query);  // answered() deletes it, called exactly once
    ::ares_getaddrinfo(channel_, host.c_str(), nullptr, &hints, answered, waiting);
    wait();
    return query;
}

void Resolver::answered(void* waiting, int status, int /*timeouts*/,
                        ares_addrinfo* result) noexcept {
    const std::unique_ptr<std::weak_ptr<Query>> owned(static_cast<std::weak_ptr<Query>*>(waiting));
    auto all = addresses_of(result);
    if (result != nullptr) ::ares_freeaddrinfo(result);
    const auto query = owned->lock();
    if (!query) return;
    if (status == ARES_SUCCESS && !all.empty()) return query->done(std::move(all));
    query->done(std::unexpected(status == ARES_SUCCESS ? Reason::kNoSuchHost : reason_of(status)));
}

/// c-ares tells of a socket before it closes it.
void Resolver::socket_changed(void* raw, ares_socket_t fd, int readable, int writable) noexcept {
    auto& self = *static_cast<Resolver*>(raw);
    if (readable == 0 && writable == 0) {
        self.sockets_.erase(fd);
        return;
    }
    auto& watch = self.sockets_[fd];
    if (!watch) watch = std::make_unique<IoWatch>(self.loop_);
    watch->start(fd, (readable != 0 ? EV_READ : 0) | (writable != 0 ? EV_WRITE : 0),
                 [&self, fd](int events) {
                     self.process((events & EV_READ) != 0 ? fd : ARES_SOCKET_BAD,
                                  (events & EV_WRITE) != 0 ? fd : ARES_SOCKET_BAD);
                 });
}

void Resolver::process(ares_socket_t readable, ares_socket_t writable) {
    ::ares_process_fd(channel_, readable, writable);
    wait();
}

void Resolver::wait() {
    timeval least{};
    const timeval* next = ::ares_timeout(channel_, nullptr, &least);
    if (next == nullptr) return timer_.stop();
    const double seconds =
        static_cast<double>(next->tv_sec) + static_cast<double>(next->tv_usec) / 1e6;
    timer_.start(seconds, [this] { process(ARES_SOCKET_BAD, ARES_SOCKET_BAD); });
}

}  // namespace jailsvc::egress
