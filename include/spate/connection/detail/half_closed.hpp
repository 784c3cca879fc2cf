// A client that has ended its side of the connection after its request: it has gone, or waits for its answer.
//
// Nobody can tell but by writing to it. Where it may take a while until there is something to write, `100 Continue` is
// written now and then, which every client of HTTP/1.1 ignores. If the client has gone, its host answers that by
// breaking the connection. (RFC 9110 15.2)
#pragma once

#include <chrono>
#include <string_view>
#include <system_error>

#include <asio/buffer.hpp>
#include <asio/error.hpp>

#include <spate/config.hpp>
#include <spate/transport/detail/peer.hpp>

namespace spate::detail {

/// How long such a client may wait until it is looked for; each further wait is twice the last.
inline constexpr std::chrono::seconds first_probe{2};

/// Invites the client to go on, whether it asked for that or not. Returns why that cannot be written whole, if it
/// cannot.
SPATE_DECL std::error_code say_go_on(const Peer& peer);

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/connection/impl/half_closed.ipp>
#endif
