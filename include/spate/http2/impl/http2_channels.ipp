// The channels of a connection of HTTP/2: how their peers are written to, wait and close.
#pragma once

#include <algorithm>
#include <cstring>

#include <spate/config.hpp>
#include <spate/http2/detail/http2_connection.hpp>
#include <spate/loop/detail/insist.hpp>

namespace spate::detail {

// ---- as the transport of its channels ----

SPATE_DECL void Http2Connection::set_resident(int channel, Ref<Resident> resident) {
  slot(channel).collecting = false;
  std::swap(slot(channel).resident, resident);
}

SPATE_DECL std::size_t Http2Connection::read(int channel, char*, std::size_t, std::error_code& error) {
  const Slot& at = slot(channel);
  if (at.over) {
    error = error_ ? error_ : asio::error::eof;
  } else if (at.shut) {
    error = asio::error::eof;  // nothing follows a request
  } else {
    error = asio::error::would_block;
  }
  return 0;
}

SPATE_DECL std::size_t Http2Connection::write(int channel, const asio::const_buffer* buffers, std::size_t count,
                                              std::size_t size, std::error_code& error) {
  error.clear();
  Slot& at = slot(channel);
  if (at.over || at.shut || !peer_) {
    error = std::make_error_code(std::errc::broken_pipe);
    return 0;
  }
  std::size_t taken = 0;
  if (asked_ == channel) {
    for (std::size_t i = 0; i < count && room_used_ < room_size_; ++i) {
      const std::size_t part = std::min(buffers[i].size(), room_size_ - room_used_);
      std::memcpy(room_ + room_used_, buffers[i].data(), part);
      room_used_ += part;
      taken += part;
    }
    if (at.last && taken == size) at.shut = true;
  } else if (!in_framing_ && !at.waits && !is_full()) {
    taken = offer(channel, buffers, count);
  }
  if (taken > 0) {
    at.looks = 0;
    watch_.sent_data(shard_->now());
    mark_dirty();
  }
  if (taken < size) error = asio::error::would_block;
  return taken;
}

SPATE_DECL int Http2Connection::cost_of_write(std::size_t size) noexcept {
  cheap_writes_ = (cheap_writes_ + 1) % writes_at_once;
  return (cheap_writes_ == 0 ? 1 : 0) + static_cast<int>(size / bytes_per_budget);
}

SPATE_DECL std::size_t Http2Connection::offer(Channel channel, const asio::const_buffer* buffers, std::size_t count) {
  offered_ = {channel, buffers, count, 0, 0};
  framing_.resume(slot(channel).stream, channel);
  try {
    put_frames();
  } catch (...) {
    offered_ = {};
    throw;
  }
  return std::exchange(offered_, {}).taken;
}

SPATE_DECL void Http2Connection::prefetch(int channel) const noexcept {
  framing_.prefetch(slots_[static_cast<std::size_t>(channel)].stream);
}

SPATE_DECL void Http2Connection::await_writable(int channel) {
  Slot& at = slot(channel);
  if (at.over || at.waits) return;
  begin_wait(at);
  if (asked_ != channel) make_due(channel);
}

SPATE_DECL void Http2Connection::begin_wait(Slot& at) {
  at.waits = true;
  at.looks = 0;
  ++waiting_;
  const auto timeout = write_limits().timeout;
  if (look_at_ != never || timeout.count() == 0) return;
  look_at_ = shard_->now() + timeout / 2;
  insist([&] { come_back_at(look_at_); });
}

SPATE_DECL std::error_code Http2Connection::broken(int channel) {
  if (!slot(channel).over) return {};
  return error_ ? error_ : std::make_error_code(std::errc::connection_reset);
}

SPATE_DECL void Http2Connection::shut_down(int channel) {
  Slot& at = slot(channel);
  if (at.over || std::exchange(at.shut, true)) return;
  make_due(channel);
}

SPATE_DECL void Http2Connection::close(int channel) {
  const Ref<Http2Connection> alive(this);
  const Slot& at = slot(channel);
  const bool stalled = at.waits && at.looks > 0 && framing_.is_held_back(at.stream);
  let_go(channel, NGHTTP2_CANCEL);
  if (stalled && peer_) count_stalled_end();
}

SPATE_DECL void Http2Connection::abort(int channel) {
  const Ref<Http2Connection> alive(this);
  let_go(channel, NGHTTP2_INTERNAL_ERROR);
}

// ---- lists of channels, for which there is memory ----

SPATE_DECL void Http2Connection::make_ready(Channel channel) noexcept {
  if (std::exchange(slot(channel).ready, true)) return;
  if (ready_.size() == ready_.capacity()) {
    ready_.erase(ready_.begin(), ready_.begin() + static_cast<std::ptrdiff_t>(std::exchange(next_ready_, 0)));
  }
  ready_.push_back(channel);
}

SPATE_DECL void Http2Connection::make_due(Channel channel) noexcept {
  if (!std::exchange(slot(channel).due, true)) due_.push_back(channel);
  insist([&] { mark_dirty(); });
}

SPATE_DECL void Http2Connection::free(Channel channel) noexcept {
  Slot& at = slot(channel);
  // Where it is on a list the list is done with it first.
  const bool ready = at.ready, due = at.due;
  at = Slot();
  at.ready = ready;
  at.due = due;
  free_.push_back(channel);
  --over_;
  if (--open_ > 0) return;
  idle_since_ = shard_->now();
  ends_wait_ = true;
}

SPATE_DECL void Http2Connection::let_go(Channel channel, std::uint32_t code) {
  Slot& at = slot(channel);
  const Ref<Resident> resident = std::move(at.resident);  // which may end with this call
  at.resident = nullptr;
  at.collecting = false;
  at.released = true;
  if (std::exchange(at.waits, false)) --waiting_;
  if (at.over) {
    // One that is still to be told has gone without.
    std::erase(ended_, channel);
    free(channel);
  } else if (!at.shut) {
    insist([&] { framing_.reset(at.stream, code); });  // nobody would do it later
    last_reset_ = shard_->now();
    insist([&] { mark_dirty(); });
  } else {
    begin_wait(at);  // for the client to let the end come
  }
  if (!peer_ && open_ == 0) {
    const Ref<Http2Connection> last = std::move(itself_);
  }
}

}  // namespace spate::detail
