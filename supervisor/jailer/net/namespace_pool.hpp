#pragma once

#include <memory>
#include <vector>

#include "base/fd.hpp"
#include "jailer/loop/watch.hpp"

namespace jailsvc::jailer {

/// Empty network namespaces, with their loopback up or without, made before they are needed: one
/// costs the kernel half a millisecond, to enter one microseconds. None is made before a unit that
/// wants one is known, and none is taken twice. Nothing here runs while nothing is taken.
class NamespacePool {
public:
    /// So many are kept ready; each costs the kernel some 100 KB.
    static constexpr std::size_t kReady = 4;

    enum class Loopback { kDown, kUp };
    NamespacePool(struct ev_loop* loop, Loopback loopback);
    NamespacePool(const NamespacePool&) = delete;
    NamespacePool& operator=(const NamespacePool&) = delete;
    ~NamespacePool();

    /// One for the caller alone; empty if none is ready.
    [[nodiscard]] Fd take();
    /// Has what is missing made in a process beside this one, and returns at once: now if few are
    /// left, else a moment later, when the start that has taken one does not need the processor.
    void fill();
    [[nodiscard]] std::size_t ready() const;

private:
    struct Maker;
    void begin();
    void collect();
    void ended();

    Loopback loopback_;
    std::vector<Fd> ready_;
    std::unique_ptr<Maker> maker_;  ///< while one works
    IoWatch watch_;
    TimerWatch soon_;
};

}  // namespace jailsvc::jailer
