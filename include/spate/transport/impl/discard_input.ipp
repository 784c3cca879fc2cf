// The functions of discard_input.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/transport/detail/discard_input.hpp>

namespace spate::detail {

SPATE_DECL bool discard_input(const Peer& peer, std::error_code& error) {
  constexpr int max_reads = 16;
  char ignored[4096];
  for (int i = 0; i < max_reads; ++i) {
    peer.read(ignored, sizeof ignored, error);
    if (!error) continue;
    const bool open = error == asio::error::would_block;
    if (open || error == asio::error::eof) error.clear();
    return open;
  }
  peer.await_readable();  // others have their turn first
  return true;
}

}  // namespace spate::detail
