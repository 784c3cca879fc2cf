// The functions of http2_framing.hpp.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <limits>
#include <new>
#include <utility>
#include <vector>

#include <spate/config.hpp>
#include <spate/detail/prefetch.hpp>
#include <spate/http/detail/tokens.hpp>
#include <spate/http2/detail/http2_framing.hpp>

namespace spate::detail {

// nghttp2 keeps a pointer for each stream: its channel, and one more, so that null is none.
SPATE_DECL Http2Framing::Channel Http2Framing::channel_of(void* user_data) noexcept {
  return static_cast<Channel>(reinterpret_cast<std::intptr_t>(user_data)) - 1;
}

SPATE_DECL Http2Framing::Channel Http2Framing::channel_of(Stream stream) const noexcept {
  return channel_of(nghttp2_session_get_stream_user_data(session_, stream));
}

struct Http2Framing::Callbacks {
  static Http2Framing& self(void* user_data) { return *static_cast<Http2Framing*>(user_data); }

  static int begin_headers(nghttp2_session* session, const nghttp2_frame* frame, void* user_data) {
    if (frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;  // trailers
    const Stream stream = frame->hd.stream_id;
    const Channel channel = self(user_data).events_.on_request(stream);
    if (channel == no_channel) {
      return nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, stream, NGHTTP2_REFUSED_STREAM) == 0
                 ? 0
                 : NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    // NOLINTNEXTLINE(performance-no-int-to-ptr): it is a number that nghttp2 keeps, not a pointer
    void* const kept = reinterpret_cast<void*>(std::intptr_t{channel} + 1);
    nghttp2_session_set_stream_user_data(session, stream, kept);
    return 0;
  }

  static int header(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name, std::size_t name_size,
                    const std::uint8_t* value, std::size_t value_size, std::uint8_t, void* user_data) {
    Http2Framing& framing = self(user_data);
    // A byte of a client may stand for kilobytes: what it has unpacked counts, whatever becomes of it. (RFC 7541 7.1)
    framing.block_ += name_size + value_size + field_overhead;
    if (framing.block_ > framing.max_block_) return NGHTTP2_ERR_CALLBACK_FAILURE;
    const Channel channel = framing.channel_of(frame->hd.stream_id);
    if (channel == no_channel || frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
    framing.events_.on_field(channel, {reinterpret_cast<const char*>(name), name_size},
                             {reinterpret_cast<const char*>(value), value_size});
    return 0;
  }

  // Without this callback nghttp2 leaves out a field with a forbidden byte, as if it had not come.
  static int invalid_header(nghttp2_session*, const nghttp2_frame*, const std::uint8_t*, std::size_t,
                            const std::uint8_t*, std::size_t, std::uint8_t, void*) {
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  }

  static int frame(nghttp2_session*, const nghttp2_frame* frame, void* user_data) {
    const bool is_head = frame->hd.type == NGHTTP2_HEADERS;
    if (!is_head && frame->hd.type != NGHTTP2_DATA) return 0;
    Http2Framing& framing = self(user_data);
    const Channel channel = framing.channel_of(frame->hd.stream_id);
    if (channel == no_channel) return 0;
    const bool ends = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (is_head && frame->headers.cat == NGHTTP2_HCAT_REQUEST) framing.events_.on_head_end(channel, !ends);
    if (ends) framing.events_.on_body_end(channel);
    return 0;
  }

  static int data_chunk(nghttp2_session* session, std::uint8_t, Stream stream, const std::uint8_t* data,
                        std::size_t size, void* user_data) {
    Http2Framing& framing = self(user_data);
    const Channel channel = framing.channel_of(stream);
    // Each stream may always send more; what the connection may have on its way is given back when it is used.
    if (nghttp2_session_consume_stream(session, stream, size) != 0) return NGHTTP2_ERR_CALLBACK_FAILURE;
    if (channel == no_channel) {
      return nghttp2_session_consume_connection(session, size) == 0 ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    framing.events_.on_body(channel, {reinterpret_cast<const char*>(data), size});
    return 0;
  }

  static int stream_close(nghttp2_session*, Stream stream, std::uint32_t code, void* user_data) {
    Http2Framing& framing = self(user_data);
    const Channel channel = framing.channel_of(stream);
    if (channel != no_channel) framing.events_.on_stream_end(channel, code);
    return 0;
  }

  // The head of an answer cannot be sent. Where its stream has gone meanwhile nothing follows (RFC 9113 6.4); otherwise
  // nobody would end it.
  static int frame_not_sent(nghttp2_session* session, const nghttp2_frame* frame, int why, void*) {
    const bool gone = why == NGHTTP2_ERR_STREAM_CLOSED || why == NGHTTP2_ERR_STREAM_CLOSING;
    if (gone || frame->hd.type != NGHTTP2_HEADERS) return 0;
    const int failed =
        nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id, NGHTTP2_INTERNAL_ERROR);
    return nghttp2_is_fatal(failed) != 0 ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
  }

  static int frame_sent(nghttp2_session*, const nghttp2_frame* frame, void* user_data) {
    Http2Framing& framing = self(user_data);
    if ((frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS) &&
        (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
      const Channel channel = framing.channel_of(frame->hd.stream_id);
      if (channel != no_channel) framing.events_.on_answer_end(channel);
    }
    if (frame->hd.type != NGHTTP2_RST_STREAM) return 0;
    switch (frame->rst_stream.error_code) {
      case NGHTTP2_NO_ERROR:
      case NGHTTP2_CANCEL:
      case NGHTTP2_REFUSED_STREAM:
      case NGHTTP2_INTERNAL_ERROR: return 0;
      default: framing.events_.on_fault(); return 0;
    }
  }

  static ssize_t read_body(nghttp2_session*, Stream, std::uint8_t* out, std::size_t size, std::uint32_t* flags,
                           nghttp2_data_source* source, void* user_data) {
    const Piece piece = self(user_data).events_.on_piece(source->fd, out, size);
    if (piece.then != Piece::Then::more) *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (piece.then == Piece::Then::later) *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
    return static_cast<ssize_t>(piece.size);
  }

  // Where nghttp2 counts resets by itself it ends connections of clients that come and go. FrameWatch knows better, as
  // it knows what was answered.
  template <typename Option>
  static void count_no_resets(Option* options) {
    constexpr std::uint64_t never_reached = std::numeric_limits<std::uint64_t>::max() / 2;
    if constexpr (requires { nghttp2_option_set_stream_reset_rate_limit(options, never_reached, never_reached); }) {
      nghttp2_option_set_stream_reset_rate_limit(options, never_reached, never_reached);
    }
  }

  static nghttp2_session_callbacks* make() {
    nghttp2_session_callbacks* all = nullptr;
    if (nghttp2_session_callbacks_new(&all) != 0) throw std::bad_alloc();
    nghttp2_session_callbacks_set_on_begin_headers_callback(all, &begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(all, &header);
    nghttp2_session_callbacks_set_on_invalid_header_callback(all, &invalid_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(all, &frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(all, &data_chunk);
    nghttp2_session_callbacks_set_on_stream_close_callback(all, &stream_close);
    nghttp2_session_callbacks_set_on_frame_send_callback(all, &frame_sent);
    nghttp2_session_callbacks_set_on_frame_not_send_callback(all, &frame_not_sent);
    return all;
  }
};

struct Http2Framing::Memory {
  static Http2Framing& self(void* user_data) { return *static_cast<Http2Framing*>(user_data); }

  // The first allocation of that size is the buffer.
  static void* allocate(std::size_t size, void* user_data) {
    Http2Framing& framing = self(user_data);
    if (size < frame_buffer || size > framing.scratch_.size || framing.scratch_lent_) return std::malloc(size);
    framing.scratch_lent_ = true;
    return framing.scratch_.data;
  }
  static void free(void* memory, void* user_data) {
    Http2Framing& framing = self(user_data);
    if (memory == nullptr || memory != framing.scratch_.data) return std::free(memory);
    framing.scratch_lent_ = false;
  }
  static void* allocate_zeros(std::size_t count, std::size_t size, void*) { return std::calloc(count, size); }
  static void* resize(void* memory, std::size_t size, void* user_data) {
    if (memory == nullptr) return allocate(size, user_data);
    Http2Framing& framing = self(user_data);
    if (memory != framing.scratch_.data) return std::realloc(memory, size);
    void* const own = std::malloc(size);
    if (own == nullptr) return nullptr;
    std::memcpy(own, memory, std::min(size, framing.scratch_.size));
    framing.scratch_lent_ = false;
    return own;
  }
};

SPATE_DECL Http2Framing::Http2Framing(Events& events, const Settings& settings, Scratch scratch)
    : events_(events), scratch_(scratch), max_block_(std::size_t{4} * settings.max_header_bytes) {
  nghttp2_session_callbacks* const callbacks = Callbacks::make();
  nghttp2_option* options = nullptr;
  int failed = nghttp2_option_new(&options);
  if (failed == 0) {
    nghttp2_option_set_no_auto_window_update(options, 1);
    // Streams that are closed are not kept for a tree of priorities, which nobody uses any more. (RFC 9113 5.3.2)
    nghttp2_option_set_no_closed_streams(options, 1);
    Callbacks::count_no_resets(options);
    // What a program answers with it may: nghttp2 would pass over a head of more than 64 KiB without a word.
    nghttp2_option_set_max_send_header_block_length(options, NGHTTP2_MAX_WINDOW_SIZE);
    nghttp2_mem memory{this, &Memory::allocate, &Memory::free, &Memory::allocate_zeros, &Memory::resize};
    failed = nghttp2_session_server_new3(&session_, callbacks, this, options, &memory);
    nghttp2_option_del(options);
  }
  nghttp2_session_callbacks_del(callbacks);
  if (failed != 0) throw std::bad_alloc();
  try {
    announce(settings);
  } catch (...) {
    nghttp2_session_del(session_);
    throw;
  }
}

SPATE_DECL Http2Framing::~Http2Framing() {
  nghttp2_session_del(session_);
}

// nghttp2 ends the connection of a client that has more streams than it was told by settings which it has acknowledged.
// One stream too many is no reason for that: nghttp2 knows of no limit, the client does, and who refuses is on_request.
SPATE_DECL void Http2Framing::announce(const Settings& settings) {
  const nghttp2_settings_entry entries[] = {
      {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, NGHTTP2_MAX_WINDOW_SIZE},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, settings.max_header_bytes},
      {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
  };
  if (nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, entries, std::size(entries)) != 0) throw std::bad_alloc();
  const std::uint8_t* frame = nullptr;
  const ssize_t size = nghttp2_session_mem_send(session_, &frame);
  if (size <= 0) throw std::bad_alloc();
  first_.assign(reinterpret_cast<const char*>(frame), static_cast<std::size_t>(size));
  constexpr std::size_t head_size = 9, entry_size = 6;
  const std::uint32_t told = settings.max_streams;
  for (std::size_t at = head_size; at + entry_size <= first_.size(); at += entry_size) {
    if (first_[at] != 0 || first_[at + 1] != NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS) continue;
    for (std::size_t i = 0; i < 4; ++i) first_[at + 2 + i] = static_cast<char>(told >> (8 * (3 - i)) & 0xFF);
  }
  const auto window = static_cast<std::int32_t>(std::min<std::size_t>(settings.window, NGHTTP2_MAX_WINDOW_SIZE));
  if (nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, window) != 0) throw std::bad_alloc();
}

SPATE_DECL Http2Framing::FrameHead Http2Framing::frame_head() const noexcept {
  const auto byte = [this](std::size_t at) {
    return static_cast<std::uint32_t>(static_cast<unsigned char>(head_[at]));
  };
  const std::uint32_t stream = (byte(5) & 0x7F) << 24 | byte(6) << 16 | byte(7) << 8 | byte(8);
  return {static_cast<std::uint8_t>(byte(3)), static_cast<std::uint8_t>(byte(4)),
          byte(0) << 16 | byte(1) << 8 | byte(2), static_cast<Stream>(stream), channel_of(static_cast<Stream>(stream))};
}

SPATE_DECL bool Http2Framing::take(std::string_view bytes) {
  while (!bytes.empty() && !broken_) {
    if (left_ == 0) {
      const std::string_view part = bytes.substr(0, frame_head_size - head_.size());
      head_ += part;
      bytes.remove_prefix(part.size());
      if (head_.size() < frame_head_size) return true;
      const FrameHead head = frame_head();
      if (head.type == NGHTTP2_HEADERS) block_ = 0;
      events_.on_frame_head(head);
      left_ = head.size;
      if (!feed(std::exchange(head_, {}))) return false;
    }
    const std::string_view part = bytes.substr(0, left_);
    if (part.empty()) continue;
    left_ -= part.size();
    bytes.remove_prefix(part.size());
    if (!feed(part)) return false;
  }
  return !broken_;
}

SPATE_DECL bool Http2Framing::feed(std::string_view bytes) {
  const ssize_t taken =
      nghttp2_session_mem_recv(session_, reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  if (taken >= 0) return true;
  if (taken == NGHTTP2_ERR_NOMEM) throw std::bad_alloc();
  // The session is of no use any more: what is still said is said without it.
  broken_ = true;
  const bool flood =
      block_ > max_block_ || taken == NGHTTP2_ERR_FLOODED || taken == NGHTTP2_ERR_TOO_MANY_SETTINGS ||
      std::string_view(nghttp2_strerror(static_cast<int>(taken))).find("CONTINUATION") != std::string_view::npos;
  const std::uint32_t code = flood ? NGHTTP2_ENHANCE_YOUR_CALM : NGHTTP2_PROTOCOL_ERROR;
  const auto last = static_cast<std::uint32_t>(nghttp2_session_get_last_proc_stream_id(session_));
  goodbye_.assign({0, 0, 8, NGHTTP2_GOAWAY, 0, 0, 0, 0, 0});
  for (const std::uint32_t word : {last, code}) {
    for (int shift = 24; shift >= 0; shift -= 8) goodbye_ += static_cast<char>(word >> shift & 0xFF);
  }
  return false;
}

SPATE_DECL bool Http2Framing::put_frames(std::string& out) {
  const bool nothing = first_.empty() && (broken_ ? goodbye_.empty() : nghttp2_session_want_write(session_) == 0);
  if (nothing) return false;
  // The largest that nghttp2 gives at once: a frame's head and its payload, padding included.
  constexpr std::size_t max_frames = 17 * 1024;
  if (out.capacity() - out.size() < max_frames) out.reserve(std::max(out.size() + max_frames, 2 * out.capacity()));
  if (!first_.empty()) {
    out += first_;
    first_ = {};
    return true;
  }
  if (broken_) {
    out += goodbye_;
    return !std::exchange(goodbye_, {}).empty();
  }
  const std::uint8_t* data = nullptr;
  const ssize_t size = nghttp2_session_mem_send(session_, &data);
  if (size == NGHTTP2_ERR_NOMEM) throw std::bad_alloc();
  if (size < 0) broken_ = true;
  if (size <= 0) return false;
  out.append(reinterpret_cast<const char*>(data), static_cast<std::size_t>(size));
  return true;
}

SPATE_DECL void Http2Framing::put_head(Stream stream, int status, const HeaderFields& fields, Body body,
                                       std::uint32_t urgency) {
  static constexpr std::string_view of_http1[] = {"connection", "keep-alive", "proxy-connection", "transfer-encoding",
                                                  "upgrade"};
  std::string names, code = std::to_string(status);
  for (const auto& field : fields) names += field.first;
  std::transform(names.begin(), names.end(), names.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; });
  std::vector<nghttp2_nv> all;
  all.reserve(fields.size() + 1);
  const auto add = [&](std::string_view name, std::string_view value) {
    all.push_back({reinterpret_cast<std::uint8_t*>(const_cast<char*>(name.data())),
                   reinterpret_cast<std::uint8_t*>(const_cast<char*>(value.data())), name.size(), value.size(),
                   NGHTTP2_NV_FLAG_NONE});
  };
  add(":status", code);
  std::size_t at = 0;
  for (const auto& [name, value] : fields) {
    const std::string_view lower(names.data() + at, name.size());
    at += name.size();
    if (std::find(std::begin(of_http1), std::end(of_http1), lower) == std::end(of_http1)) add(lower, value);
  }
  const int failed = body == Body::none ? nghttp2_submit_response(session_, stream, all.data(), all.size(), nullptr)
                                        : nghttp2_submit_headers(session_, NGHTTP2_FLAG_NONE, stream, nullptr,
                                                                 all.data(), all.size(), nullptr);
  if (failed == NGHTTP2_ERR_NOMEM) throw std::bad_alloc();
  if (status >= 200) share(stream, urgency);
}

SPATE_DECL void Http2Framing::prefetch(Stream stream) const noexcept {
  constexpr std::size_t size_of_stream = 256, size_of_line = 64;
  const auto* const kept = reinterpret_cast<const char*>(nghttp2_session_find_stream(session_, stream));
  if (kept == nullptr) return;
  for (std::size_t at = 0; at < size_of_stream; at += size_of_line) detail::prefetch(kept + at);
}

SPATE_DECL void Http2Framing::resume(Stream stream, Channel channel) {
  nghttp2_data_provider provider{};
  provider.source.fd = channel;
  provider.read_callback = &Callbacks::read_body;
  const int failed = nghttp2_submit_data(session_, NGHTTP2_FLAG_END_STREAM, stream, &provider);
  if (failed == NGHTTP2_ERR_NOMEM) throw std::bad_alloc();
  // What waited for its turn already goes on.
  if (failed == NGHTTP2_ERR_DATA_EXIST) nghttp2_session_resume_data(session_, stream);
}

// nghttp2 sends streams of one urgency one after the other unless they are incremental, and the first may be a replay
// without end. Here those of one urgency always share. (RFC 9218 4)
SPATE_DECL void Http2Framing::share(Stream stream, std::uint32_t urgency) noexcept {
  const nghttp2_extpri priority{urgency, 1};
  nghttp2_session_change_extpri_stream_priority(session_, stream, &priority, 0);
}

SPATE_DECL void Http2Framing::reset(Stream stream, std::uint32_t code) {
  if (nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, stream, code) == NGHTTP2_ERR_NOMEM) throw std::bad_alloc();
}

SPATE_DECL void Http2Framing::retire() {
  const Stream last = nghttp2_session_get_last_proc_stream_id(session_);
  if (nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE, last, NGHTTP2_NO_ERROR, nullptr, 0) == NGHTTP2_ERR_NOMEM) {
    throw std::bad_alloc();
  }
}

SPATE_DECL void Http2Framing::terminate(std::uint32_t code) {
  if (nghttp2_session_terminate_session(session_, code) == NGHTTP2_ERR_NOMEM) throw std::bad_alloc();
}

}  // namespace spate::detail
