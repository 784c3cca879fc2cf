// The functions of http2_connection.hpp.
#pragma once

#include <algorithm>
#include <cstring>
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
  if (!read_already.empty()) take(read_already);
  read();
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
  framing_.resume(slot(channel).stream);
  try {
    put_frames();
  } catch (...) {
    offered_ = {};
    throw;
  }
  return std::exchange(offered_, {}).taken;
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

template <typename Step>
void Http2Connection::run(Resident& resident, Step step) noexcept {
  try {
    run_for(resident, failure_, step);
  } catch (...) {
    if (!failure_) failure_ = std::current_exception();
  }
}

SPATE_DECL void Http2Connection::pass_on_failure() {
  if (!failure_) return;
  insist([&] { shard_->run([failure = failure_] { std::rethrow_exception(failure); }); });
  failure_ = nullptr;
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
    while (!is_full() && framing_.put_frames(output_)) continue;
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
    if (at.stream != 0 && !at.over) framing_.resume(at.stream);
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
