// Taking what a client sends where nobody wants it, so that the end behind it is seen, and so that closing does not
// turn into a reset.
#pragma once

#include <system_error>

#include <asio/error.hpp>

#include <spate/stream/detail/poller.hpp>

namespace spate::detail {

/// Takes what `socket` has to read. Returns false when the connection is at its end; then `error` says why, and is
/// empty when the client closed it.
inline bool discard_input(Poller& poller, SocketId socket, std::error_code& error) {
  constexpr int most_reads = 16;
  char ignored[4096];
  for (int i = 0; i < most_reads; ++i) {
    poller.read(socket, ignored, sizeof ignored, error);
    if (!error) continue;
    const bool open = error == asio::error::would_block;
    if (open || error == asio::error::eof) error.clear();
    return open;
  }
  poller.await_readable(socket);  // others have their turn first
  return true;
}

}  // namespace spate::detail
