// What comes in on a connection of HTTP/2: frames, requests, and what is a flood.
#pragma once

#include <algorithm>
#include <cstring>

#include <spate/config.hpp>
#include <spate/http2/detail/http2_connection.hpp>
#include <spate/loop/detail/insist.hpp>

namespace spate::detail {

// ---- of the framing ----

SPATE_DECL void Http2Connection::on_frame_head(const Http2Framing::FrameHead& head) noexcept {
  const TimePoint now = shard_->now();
  in_block_ = (head.flags & NGHTTP2_FLAG_END_HEADERS) == 0 &&
              (head.type == NGHTTP2_HEADERS || head.type == NGHTTP2_CONTINUATION);
  if (head.type == NGHTTP2_HEADERS) block_size_ = 0;
  bool idle = true;
  switch (head.type) {
    case NGHTTP2_HEADERS:
      // Behind a stream that was reset here, more may be on its way that was sent before. Otherwise nothing may come on
      // a stream that has ended, or was passed over. (RFC 9113 5.1, 5.1.1)
      if (head.stream > last_stream_) {
        last_stream_ = head.stream;
      } else if (head.channel == Http2Framing::no_channel && now - last_reset_ > grace_of_reset) {
        fault_ = NGHTTP2_PROTOCOL_ERROR;
      }
      return;
    case NGHTTP2_WINDOW_UPDATE: flooded_ = flooded_ || !watch_.window_update(now); return;
    case NGHTTP2_CONTINUATION: idle = head.size == 0; break;
    case NGHTTP2_DATA:
      idle = (head.size == 0 || ((head.flags & NGHTTP2_FLAG_PADDED) != 0 && head.size == 1)) &&
             (head.flags & NGHTTP2_FLAG_END_STREAM) == 0;
      break;
    case NGHTTP2_RST_STREAM:
      // Who takes back what was never answered has it made for nothing.
      idle = head.channel == Http2Framing::no_channel || !slot(head.channel).answered;
      break;
    case NGHTTP2_PRIORITY:
      if (head.stream == 0) fault_ = NGHTTP2_PROTOCOL_ERROR;  // (RFC 9113 6.3)
      break;
    default: break;
  }
  if (idle && !watch_.idle_frame(now)) flooded_ = true;
}

SPATE_DECL Http2Connection::Channel Http2Connection::on_request(Http2Framing::Stream stream) noexcept {
  const auto refused = [this] {
    last_reset_ = shard_->now();
    return Http2Framing::no_channel;
  };
  try {
    if (retired_) return refused();  // behind the last that the client was told of
    if (open_ - over_ >= max_streams_) {
      if (!watch_.idle_frame(shard_->now())) flooded_ = true;
      return refused();
    }
    if (free_.empty()) {
      slots_.emplace_back();
      // From here on nothing that keeps channels needs memory.
      const std::size_t count = slots_.capacity();
      for (std::vector<Channel>* const list : {&free_, &ready_, &ended_, &due_}) list->reserve(count);
      free_.push_back(static_cast<Channel>(slots_.size() - 1));
    }
    const Channel channel = free_.back();
    slot(channel).resident = make_ref<Http2Exchange>(Ref<Http2Connection>(this), channel);
    slot(channel).stream = stream;
    slot(channel).collecting = true;
    free_.pop_back();
    ++open_;
    return channel;
  } catch (const std::bad_alloc&) {
    return refused();  // it may be asked again
  }
}

SPATE_DECL Http2Exchange* Http2Connection::collecting(Channel channel) noexcept {
  Slot& at = slot(channel);
  return at.collecting && !at.over ? static_cast<Http2Exchange*>(at.resident.get()) : nullptr;
}

SPATE_DECL void Http2Connection::on_field(Channel channel, std::string_view name, std::string_view value) noexcept {
  if (Http2Exchange* const exchange = collecting(channel)) exchange->add_field(name, value);
}

SPATE_DECL void Http2Connection::on_head_end(Channel channel, bool body_follows) noexcept {
  if (Http2Exchange* const exchange = collecting(channel)) {
    exchange->end_head(body_follows);
    make_ready(channel);
  }
}

SPATE_DECL void Http2Connection::on_body(Channel channel, std::string_view bytes) noexcept {
  Http2Exchange* const exchange = collecting(channel);
  if (exchange == nullptr) return framing_.consume(bytes.size());
  bodies_ += bytes.size();
  exchange->add_body(bytes);
  make_ready(channel);
}

SPATE_DECL void Http2Connection::on_body_end(Channel channel) noexcept {
  if (Http2Exchange* const exchange = collecting(channel)) {
    exchange->end_body();
    make_ready(channel);
  }
}

// A request that was answered before it had come whole need not come any more. (RFC 9113 8.1)
SPATE_DECL void Http2Connection::on_answer_end(Channel channel) noexcept {
  if (framing_.is_client_done(slot(channel).stream)) return;
  try {
    framing_.reset(slot(channel).stream, NGHTTP2_NO_ERROR);
    last_reset_ = shard_->now();
  } catch (const std::bad_alloc&) {
    flooded_ = true;  // else the stream would be open for ever
  }
}

SPATE_DECL void Http2Connection::on_stream_end(Channel channel, std::uint32_t) noexcept {
  Slot& at = slot(channel);
  if (std::exchange(at.over, true)) return;
  if (std::exchange(at.waits, false)) --waiting_;
  ++over_;
  at.released ? free(channel) : ended_.push_back(channel);
}

SPATE_DECL void Http2Connection::on_fault() noexcept {
  last_reset_ = shard_->now();
  if (!watch_.idle_frame(shard_->now())) flooded_ = true;
}

SPATE_DECL Http2Framing::Piece Http2Connection::on_piece(Channel channel, std::uint8_t* out,
                                                         std::size_t size) noexcept {
  using Then = Http2Framing::Piece::Then;
  Slot& at = slot(channel);
  if (offered_.channel == channel) {
    const std::size_t taken = offered_.copy_to(out, size);
    if (at.last && taken > 0 && offered_.count == 0) at.shut = true;
    return {taken, at.shut ? Then::end : offered_.count > 0 ? Then::more : Then::later};
  }
  // Somebody else is being written for: their turn comes when frames are made for all.
  if (offered_.channel != Http2Framing::no_channel) {
    if (at.waits || at.shut) make_due(channel);
    return {};
  }
  if (const Ref<Resident> resident = at.resident; resident && std::exchange(at.waits, false)) {
    --waiting_;
    asked_ = channel;
    room_ = out;
    room_size_ = size;
    room_used_ = 0;
    run(*resident, [&] { resident->on_writable(); });
    asked_ = Http2Framing::no_channel;
    if (room_used_ > 0) return {room_used_, at.shut ? Then::end : at.waits ? Then::more : Then::later};
    if (at.waits) make_due(channel);
  }
  return {0, at.shut ? Then::end : Then::later};
}

SPATE_DECL std::size_t Http2Connection::Offer::copy_to(std::uint8_t* out, std::size_t size) noexcept {
  std::size_t copied = 0;
  while (copied < size && count > 0) {
    const std::size_t part = std::min(buffers->size() - at, size - copied);
    std::memcpy(out + copied, static_cast<const char*>(buffers->data()) + at, part);
    copied += part;
    at += part;
    if (at < buffers->size()) continue;
    ++buffers;
    --count;
    at = 0;
  }
  taken += copied;
  return copied;
}

// ---- what comes in ----

SPATE_DECL void Http2Connection::read() {
  const Ref<Http2Connection> alive(this);
  char buffer[read_size];
  for (int reads = 0; peer_ && !ending_; ++reads) {
    if (is_full()) {
      paused_ = true;
      return;
    }
    if (reads == max_reads) return peer_.await_readable();
    std::error_code error;
    const std::size_t size = peer_.read(buffer, sizeof buffer, error);
    if (error == asio::error::would_block) return;
    if (error) return lose(error == asio::error::eof ? std::error_code() : error);
    take({buffer, size});
    if (size < sizeof buffer) return;
  }
}

SPATE_DECL void Http2Connection::take(std::string_view bytes) {
  in_framing_ = true;
  bool understood = false;
  try {
    understood = framing_.take(bytes);
  } catch (...) {
    in_framing_ = false;
    throw;
  }
  in_framing_ = false;
  if (in_block_) block_size_ += bytes.size();
  if (in_block_ && block_size_ > max_block) flooded_ = true;
  if (flooded_) fault_ = NGHTTP2_ENHANCE_YOUR_CALM;
  if (fault_ != NGHTTP2_NO_ERROR && understood && !ending_) framing_.terminate(fault_);
  ending_ = ending_ || fault_ != NGHTTP2_NO_ERROR || !understood;
  mark_dirty();
  int budget = 16;
  if (!ending_) serve(budget);
  if (!ending_) make_room_for_bodies();
  tell_ended();
  fill();
  pass_on_failure();
}

SPATE_DECL void Http2Connection::make_room_for_bodies() {
  const std::size_t window = window_for(server_->options.limits);
  while (bodies_ >= window && !has_requests()) {
    Http2Exchange* youngest = nullptr;
    Http2Framing::Stream latest = 0;
    for (std::size_t i = 0; i < slots_.size(); ++i) {
      Http2Exchange* const exchange = collecting(static_cast<Channel>(i));
      if (exchange == nullptr || !exchange->is_partial() || slots_[i].stream < latest) continue;
      youngest = exchange;
      latest = slots_[i].stream;
    }
    if (youngest == nullptr) return;
    const Ref<Http2Exchange> refused(youngest);
    run(*refused, [&] { refused->refuse_body(); });
  }
}

SPATE_DECL void Http2Connection::tell_ended() {
  while (!ended_.empty()) {
    const Ref<Resident> resident = slot(ended_.back()).resident;
    ended_.pop_back();
    if (resident) run(*resident, [&] { resident->on_hangup(); });
  }
}

SPATE_DECL void Http2Connection::serve(int& budget) {
  while (has_requests() && budget > 0 && !ending_) {
    const Channel channel = ready_[next_ready_++];
    slot(channel).ready = false;
    const std::size_t before = output_.size();
    if (Http2Exchange* const exchange = collecting(channel)) {
      const Ref<Http2Exchange> alive(exchange);
      run(*exchange, [&] {
        if (!exchange->advance()) return;
        served_ = true;
      });
      --budget;
    }
    if (output_.size() > before) budget -= static_cast<int>((output_.size() - before) / bytes_per_budget);
  }
  if (has_requests()) return;
  ready_.clear();
  next_ready_ = 0;
}

SPATE_DECL void Http2Connection::pass_on_failure() {
  if (!failure_) return;
  insist([&] { shard_->run([failure = failure_] { std::rethrow_exception(failure); }); });
  failure_ = nullptr;
}

}  // namespace spate::detail
