// Taking what a client sends where nobody wants it, so that the end after it is seen, and so that closing does not
// turn into a reset.
#pragma once

#include <system_error>

#include <asio/error.hpp>

#include <spate/config.hpp>
#include <spate/transport/detail/peer.hpp>

namespace spate::detail {

/// Takes what `peer` has sent. Returns false when the connection is at its end; then `error` says why, and is empty
/// when the client closed it.
SPATE_DECL bool discard_input(const Peer& peer, std::error_code& error);

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/transport/impl/discard_input.ipp>
#endif
