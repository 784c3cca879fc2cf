// How a connection of HTTP/2 begins and ends, what it writes, and when it is looked at.
#pragma once

#include <algorithm>
#include <limits>

#include <spate/config.hpp>
#include <spate/http2/detail/http2_connection.hpp>
#include <spate/loop/detail/insist.hpp>

namespace spate::detail {

SPATE_DECL Http2Connection::Http2Connection(Ref<Shard> shard, Ref<ServerCore> server, const HostPolicy& hosts,
                                            ConnectionFacts facts, std::uint32_t max_streams)
    : shard_(std::move(shard)),
      server_(std::move(server)),
      hosts_(hosts),
      facts_(std::move(facts)),
      max_streams_(max_streams),
      framing_(*this,
               {max_streams, static_cast<std::uint32_t>(server_->options.limits.max_header_bytes),
                window_for(server_->options.limits)},
               {shard_->scratch(), Shard::scratch_size}) {
  server_->http2_connections.fetch_add(1, std::memory_order_relaxed);
  if (facts_.encrypted) server_->encrypted_http2_connections.fetch_add(1, std::memory_order_relaxed);
}

SPATE_DECL Http2Connection::~Http2Connection() {
  server_->http2_connections.fetch_sub(1, std::memory_order_relaxed);
  if (facts_.encrypted) server_->encrypted_http2_connections.fetch_sub(1, std::memory_order_relaxed);
}

SPATE_DECL std::size_t Http2Connection::window_for(const RequestLimits& limits) noexcept {
  constexpr std::size_t most = std::numeric_limits<std::int32_t>::max(), least = 64 * 1024;
  return least + std::min(limits.max_body_bytes, (most - least) / bodies_at_once) * bodies_at_once;
}

SPATE_DECL void Http2Connection::start(Peer&& peer, std::string_view read_already) {
  const Ref<Http2Connection> alive(this);
  peer_ = std::move(peer);
  peer_.set_resident(alive);
  idle_since_ = shard_->now();
  shard_->set_timer(*this, next_moment());
  mark_dirty();
  read_already.empty() ? read() : take(read_already);
}

// ---- for its exchanges ----

SPATE_DECL void Http2Connection::put_head(Channel channel, int status, const HeaderFields& fields,
                                          Http2Framing::Body body, std::uint32_t urgency) {
  Slot& at = slot(channel);
  if (at.over) return;
  framing_.put_head(at.stream, status, fields, body, urgency);
  if (status >= 200 && !std::exchange(at.answered, true)) watch_.asked(shard_->now());
  if (body == Http2Framing::Body::none) at.shut = true;
  mark_dirty();
}

SPATE_DECL void Http2Connection::consume(std::size_t size) {
  bodies_ -= size;
  framing_.consume(size);
}

SPATE_DECL void Http2Connection::retire() {
  if (std::exchange(retired_, true)) return;
  framing_.retire();
  mark_dirty();
}

SPATE_DECL void Http2Connection::end(std::uint32_t code) {
  if (ending_) return;
  framing_.terminate(code);
  ending_ = true;
  mark_dirty();
}

// ---- as the resident of its socket ----

SPATE_DECL bool Http2Connection::on_readable() {
  read();
  return peer_ && !paused_ && !ending_;
}

SPATE_DECL void Http2Connection::on_writable() {
  if (!peer_ || !std::exchange(blocked_, false)) return;
  const Ref<Http2Connection> alive(this);
  int budget = 16;
  if (write_out(budget)) mark_dirty();
  if (peer_ && is_idle()) come_back_at(next_moment());
  pass_on_failure();
}

SPATE_DECL void Http2Connection::on_hangup() {
  if (!peer_) return;
  const Ref<Http2Connection> alive(this);
  if (!paused_ && !ending_) return read();
  if (const std::error_code error = peer_.broken()) lose(error);  // else the end is found when it reads again
}

SPATE_DECL void Http2Connection::on_drain() {
  const Ref<Http2Connection> alive(this);
  retire();
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    if (const Ref<Resident> resident = slots_[i].resident) run(*resident, [&] { resident->on_drain(); });
  }
  pass_on_failure();
}

SPATE_DECL std::size_t Http2Connection::on_cut() {
  const Ref<Http2Connection> alive(this);
  std::size_t count = 0;
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    if (const Ref<Resident> resident = slots_[i].resident) run(*resident, [&] { count += resident->on_cut(); });
  }
  lose({});
  pass_on_failure();
  return count;
}

SPATE_DECL void Http2Connection::on_failure(std::error_code error) {
  lose(error);
}

SPATE_DECL void Http2Connection::on_timer(TimePoint now) {
  if (!peer_) return;
  const Ref<Http2Connection> alive(this);
  if (writer_.next(write_limits()) <= now && !writer_.keeps_up(peer_, now, write_limits())) {
    return lose(std::make_error_code(std::errc::timed_out));
  }
  if (look_at_ <= now) look_for_stalled(now);
  if (is_idle() && next_moment() <= now) retire();
  shard_->set_timer(*this, next_moment());
}

SPATE_DECL Remaining Http2Connection::flush(int& budget) {
  const Ref<Http2Connection> alive(this);
  serve(budget);
  tell_ended();
  // While its streams are written one after the other it waits until that is done, or a good piece has come together.
  const std::size_t waiting = output_.size() - sent_;
  if (waiting > 0 && waiting < good_write && waiting != std::exchange(waited_with_, waiting)) return Remaining::some;
  waited_with_ = 0;
  dirty_ = false;  // what comes up while it writes is written
  const bool more = !blocked_ && write_out(budget);
  pass_on_failure();
  if (!peer_) return Remaining::nothing;
  if (is_idle()) come_back_at(next_moment());
  if (!more && !has_requests()) return Remaining::nothing;
  dirty_ = true;
  return Remaining::bulk;
}

// ---- what goes out ----

SPATE_DECL void Http2Connection::mark_dirty() {
  if (dirty_ || !peer_) return;
  shard_->mark_dirty(Ref<Resident>(this));
  dirty_ = true;
}

SPATE_DECL void Http2Connection::put_frames() {
  in_framing_ = true;
  try {
    // What is offered is made frames of, and no more: what is left of it is known with the next frame.
    const bool offers = offered_.count > 0;
    while (!is_full() && (!offers || offered_.count > 0) && framing_.put_frames(output_)) continue;
  } catch (...) {
    in_framing_ = false;
    throw;
  }
  in_framing_ = false;
}

SPATE_DECL void Http2Connection::fill() {
  for (const Channel channel : due_) {
    Slot& at = slot(channel);
    at.due = false;
    if (at.stream != 0 && !at.over) framing_.resume(at.stream, channel);
  }
  due_.clear();
  put_frames();
  tell_ended();
  if (flooded_) end(NGHTTP2_ENHANCE_YOUR_CALM);
}

SPATE_DECL bool Http2Connection::write_out(int& budget) {
  while (peer_) {
    fill();
    const bool more = is_full();
    const std::size_t left = output_.size() - sent_;
    if (left == 0) {
      if (framing_.is_over()) finish();
      return false;
    }
    std::error_code error;
    const std::size_t written = writer_.write(peer_, {output_.data() + sent_, left}, shard_->now(), error);
    budget -= peer_.cost_of_write(written);
    sent_ += written;
    if (error == asio::error::would_block) {
      blocked_ = true;
      if (sent_ > output_.size() / 2) output_.erase(0, std::exchange(sent_, 0));
      come_back_at(writer_.next(write_limits()));
      return false;
    }
    if (error) {
      lose(error == std::errc::broken_pipe ? std::error_code() : error);  // the client has left, which is no error
      return false;
    }
    sent_ = 0;
    if (output_.capacity() > max_kept) output_ = {};
    output_.clear();
    if (is_idle() && std::exchange(ends_wait_, false)) idle_since_ = shard_->now();
    if (std::exchange(paused_, false)) peer_.await_readable();
    if (budget <= 0) return more || framing_.is_over();
  }
  return false;
}

SPATE_DECL void Http2Connection::finish() {
  const Ref<Http2Connection> alive(this);
  shard_->set_timer(*this, never);
  itself_ = alive;
  linger(*shard_, std::move(peer_));
  let_go_of_streams();
}

SPATE_DECL void Http2Connection::lose(std::error_code error) {
  if (!peer_) return;
  const Ref<Http2Connection> alive(this);
  shard_->set_timer(*this, never);
  error_ = error;
  itself_ = alive;
  peer_.close();
  let_go_of_streams();
}

SPATE_DECL void Http2Connection::let_go_of_streams() {
  ending_ = true;
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    const auto channel = static_cast<Channel>(i);
    if (slots_[i].stream != 0) on_stream_end(channel, NGHTTP2_NO_ERROR);
  }
  tell_ended();
  if (open_ == 0) itself_ = nullptr;
}

// ---- moments ----

SPATE_DECL TimePoint Http2Connection::next_moment() const noexcept {
  TimePoint next = std::min(writer_.next(write_limits()), look_at_);
  if (!is_idle() || retired_) return next;
  const auto wait = served_ ? server_->options.idle_timeout : server_->options.request_timeout;
  return wait.count() > 0 ? std::min(next, idle_since_ + wait) : next;
}

// A timer that is early is cheaper than one that is moved.
SPATE_DECL void Http2Connection::come_back_at(TimePoint at) {
  if (at < shard_->timer_at(*this)) shard_->set_timer(*this, at);
}

// A client that lets some of its streams starve has its reasons. One that does so with most of them has the server keep
// what it will never read.
SPATE_DECL void Http2Connection::count_stalled_end() {
  const auto others = std::count_if(slots_.begin(), slots_.end(),
                                    [](const Slot& at) { return at.stream != 0 && !at.over && !at.released; });
  if (++stalled_ends_ > static_cast<std::uint32_t>(others)) end(NGHTTP2_ENHANCE_YOUR_CALM);
}

SPATE_DECL void Http2Connection::look_for_stalled(TimePoint now) {
  stalled_ends_ /= 2;
  for (Slot& at : slots_) {
    if (!at.waits) continue;
    if (at.looks < looks_of_timeout) {
      ++at.looks;
    } else if (at.released && !ending_) {
      // Nobody else would end it.
      framing_.reset(at.stream, NGHTTP2_CANCEL);
      last_reset_ = now;
      mark_dirty();
      at.looks = 0;
      count_stalled_end();
    }
  }
  if (waiting_ == 0) stalled_ends_ = 0;
  look_at_ = waiting_ > 0 ? now + write_limits().timeout / 2 : never;
}

}  // namespace spate::detail
