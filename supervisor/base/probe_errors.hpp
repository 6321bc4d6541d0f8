#pragma once

#include <cerrno>

namespace jailsvc::probe {

/// What socket(2), connect(2), send(2) and recv(2) fail with. Only to be added to at the end.
inline constexpr int kErrors[] = {
    ECONNREFUSED, ENOENT,   EACCES,    EPERM,        ECONNRESET,    ETIMEDOUT,  EHOSTUNREACH,
    ENETUNREACH,  ENETDOWN, EHOSTDOWN, EPIPE,        EADDRNOTAVAIL, EADDRINUSE, EAFNOSUPPORT,
    EPROTOTYPE,   ENOTSOCK, EAGAIN,    EMFILE,       ENFILE,        ENOBUFS,    ENOMEM,
    EINVAL,       ENOTDIR,  ELOOP,     ENAMETOOLONG, ENOPROTOOPT,   EINTR,      ECONNABORTED,
};
inline constexpr int kErrorCount = static_cast<int>(sizeof kErrors / sizeof kErrors[0]);

}  // namespace jailsvc::probe
