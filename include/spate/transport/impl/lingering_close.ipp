// The functions of lingering_close.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/transport/detail/lingering_close.hpp>

namespace spate::detail {

SPATE_DECL void LingeringClose::start() {
  peer_.set_resident(Ref<Resident>(this));
  peer_.shut_down();
  loop_.set_timer(*this, loop_.now() + patience);
  on_readable();
}

SPATE_DECL bool LingeringClose::on_readable() {
  for (int reads = 0; peer_ && taken_ < max_taken; ++reads) {
    if (reads == max_reads) {
      peer_.await_readable();
      return true;
    }
    char ignored[16 * 1024];
    std::error_code error;
    taken_ += peer_.read(ignored, sizeof ignored, error);
    if (error == asio::error::would_block) return true;
    if (error) break;
  }
  close();
  return false;
}

SPATE_DECL std::size_t LingeringClose::on_cut() {
  close();
  return 0;  // everything had been sent
}

SPATE_DECL void LingeringClose::close() {
  if (!peer_) return;
  const Ref<Resident> alive(this);
  loop_.set_timer(*this, never);
  peer_.close();
}

SPATE_DECL void linger(Loop& loop, Peer peer) {
  Ref<LingeringClose> closing;
  try {
    closing = make_ref<LingeringClose>(loop, std::move(peer));
    closing->start();
  } catch (const std::bad_alloc&) {
    // Then without stages.
    closing ? static_cast<void>(closing->on_cut()) : peer.close();
  }
}

}  // namespace spate::detail
