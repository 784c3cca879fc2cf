// Sockets that listen already when the process begins, passed by systemd or by whoever speaks its protocol.
//
//   if (server.adopt_inherited() == 0) server.start();     // without any, it opens one itself
//
// systemd listens in place of a service, starts it when somebody connects, and keeps the socket while the service is
// away: nobody is refused during a restart, and a service may have a port for which it lacks the right. The sockets are
// the descriptors 3, 4 and so on; LISTEN_FDS says how many, LISTEN_PID for which process, LISTEN_FDNAMES what they are
// called. (sd_listen_fds(3); libsystemd is not needed)
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <spate/config.hpp>

namespace spate {

/// A socket that the process was passed.
struct InheritedSocket {
  int descriptor = -1;
  /// As `FileDescriptorName=` of its unit says, else as whoever passes it names it; it may be empty.
  std::string name;
  /// Where it listens, for people: "127.0.0.1", "::1", or of a Unix socket "unix:/run/spate.sock", and "unix:@name" of
  /// one in the abstract namespace. What is not printable ASCII is escaped, so that it fits into a line.
  std::string address;
  /// Zero for a Unix socket.
  std::uint16_t port = 0;
};

/// The sockets that were passed to this process; none when LISTEN_PID and LISTEN_FDS are not set. Nothing is changed by
/// asking: a program may look who could reach it before it lets a server adopt them.
///
/// Throws       std::system_error when they were passed to another process, which should have unset the variables
///              before it started this one; when a variable cannot be understood; and when one of the descriptors is no
///              listening stream socket of TCP or Unix: it names which
/// Threads      any, as long as no other changes the environment meanwhile
/// Systems      POSIX. Elsewhere there are none
SPATE_DECL std::vector<InheritedSocket> inherited_sockets();

namespace detail {

/// Unsets what tells of them: somebody has them now.
SPATE_DECL void forget_inherited() noexcept;

}  // namespace detail

}  // namespace spate

#if defined(SPATE_HEADER_ONLY)
#include <spate/server/impl/inherited_sockets.ipp>
#endif
