// An EventDecoder turns the bytes of a text/event-stream back into events, as a browser does. (WHATWG 9.2.6)
//
//   spate::EventDecoder decoder;
//   while (read(socket, buffer)) {
//     decoder.feed(buffer, [](const spate::DecodedEvent& event) { print(event.name, event.data); });
//   }
//
// It does no I/O and takes the stream in pieces of any size; how it was cut makes no difference. One thread at a time
// may use a decoder.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <spate/config.hpp>
#include <spate/wire/detail/utf8.hpp>

namespace spate {

/// One event as a client sees it.
struct DecodedEvent {
  /// The data lines joined with LF; ill-formed UTF-8 has become U+FFFD. (WHATWG 9.2.5, 9.2.6)
  std::string data;
  /// The name, `message` when the stream gave none or an empty one. (WHATWG 9.2.6)
  std::string name;
  /// The id in force: that of this event, or else of the last one that had any. (WHATWG 9.2.6)
  std::string last_event_id;
  /// The id that this event itself brought; nothing when it brought none. (WHATWG 9.2.6)
  std::optional<std::string> id;
  /// The reconnection time that this event itself brought. (WHATWG 9.2.6)
  std::optional<std::chrono::milliseconds> retry;
};

/// How much a decoder takes.
struct DecoderOptions {
  /// Bytes that an unfinished event may take: its data so far and the line being read. Beyond it the stream is
  /// refused, so that a peer which never ends an event can't take all memory.
  std::size_t max_event_bytes = std::size_t{64} << 20;
};

class EventDecoder {
 public:
  /// The longest reconnection time reported; longer ones are cut to it. It is the longest delay that the timers of
  /// browsers know, 24 days. (WHATWG 9.2.6)
  static constexpr std::chrono::milliseconds max_retry{2'147'483'647};

  explicit EventDecoder(DecoderOptions options = {}) : options_(options) {}

  /// Takes the next bytes of the stream and calls `sink(const DecodedEvent&)` for each event that ends in them.
  ///
  /// What is left unfinished waits for the next call; at the end of a stream it is to be forgotten. (WHATWG 9.2.6)
  ///
  /// Returns      no error; `std::errc::message_size` once an event was larger than `max_event_bytes`, and from then
  ///              on until `restart`
  /// Callbacks    `sink` runs inside this call, in the order of the stream; when it throws, the rest of `bytes` is lost
  template <typename Sink>
  std::error_code feed(std::string_view bytes, Sink&& sink) {
    return feed(bytes, sink, [](std::string_view) {});
  }

  /// The same, and calls `comment_sink(std::string_view)` for each comment, less its colon and the space after.
  /// (WHATWG 9.2.7)
  template <typename Sink, typename CommentSink>
  std::error_code feed(std::string_view bytes, Sink&& sink, CommentSink&& comment_sink) {
    // The next LF is remembered over the lines that end with CR, or a stream of CRs would be searched for it each time.
    std::size_t next_lf = find(bytes, '\n', 0, bytes.size());
    std::size_t at = 0;
    while (at < bytes.size() && !error_) {
      if (std::exchange(after_cr_, false) && bytes[at] == '\n') {
        ++at;
        continue;
      }
      if (next_lf < at) next_lf = find(bytes, '\n', at, bytes.size());
      const std::size_t end = find(bytes, '\r', at, next_lf);
      const std::string_view part = bytes.substr(at, end - at);
      if (line_.size() + part.size() + data_.size() > options_.max_event_bytes) {
        error_ = std::make_error_code(std::errc::message_size);
        break;
      }
      if (end == bytes.size()) {
        line_.append(part);
        break;
      }
      after_cr_ = bytes[end] == '\r';
      at = end + 1;
      if (line_.empty()) {
        take_line(part, sink, comment_sink);
      } else {
        line_.append(part);
        const std::string line = std::exchange(line_, {});
        take_line(line, sink, comment_sink);
      }
    }
    return error_;
  }

  /// The id to present on reconnection: that of the last block that ended, whether or not it had data. (WHATWG 9.2.6)
  const std::string& last_event_id() const noexcept { return last_event_id_; }

  /// The reconnection time that the stream asked for last. (WHATWG 9.2.6)
  std::optional<std::chrono::milliseconds> reconnection_time() const noexcept { return reconnection_time_; }

  /// Forgets what is unfinished and expects a new stream, as after a reconnection: the id and the reconnection time
  /// stay in force, as they do in browsers.
  void restart();

 private:
  static std::size_t find(std::string_view bytes, char wanted, std::size_t from, std::size_t to) noexcept;

  // stream        = [ bom ] *event
  // event         = *( comment / field ) end-of-line
  // comment       = colon *any-char end-of-line
  // field         = 1*name-char [ colon [ space ] *any-char ] end-of-line
  // end-of-line   = ( cr lf / cr / lf )
  // (WHATWG 9.2.5, 9.2.6)
  template <typename Sink, typename CommentSink>
  void take_line(std::string_view line, Sink& sink, CommentSink& comment_sink) {
    if (std::exchange(first_line_, false) && line.starts_with("\xEF\xBB\xBF")) line.remove_prefix(3);
    if (line.empty()) return end_block(sink);
    // No line end is part of a UTF-8 sequence, so that a line decodes by itself as it does within the stream.
    // (WHATWG 9.2.5)
    if (!detail::valid_utf8(line)) {
      const std::string repaired = detail::repair_utf8(line);
      take_field(repaired, comment_sink);
    } else {
      take_field(line, comment_sink);
    }
  }

  template <typename CommentSink>
  void take_field(std::string_view line, CommentSink& comment_sink) {
    const std::size_t colon = line.find(':');
    const std::string_view field = line.substr(0, colon);
    std::string_view value = colon == std::string_view::npos ? std::string_view() : line.substr(colon + 1);
    if (value.starts_with(' ')) value.remove_prefix(1);  // one only (WHATWG 9.2.6)
    if (colon == 0) {
      comment_sink(value);
    } else if (field == "data") {
      if (has_data_) data_ += '\n';
      data_.append(value);
      has_data_ = true;
    } else if (field == "event") {
      name_.assign(value);
    } else if (field == "id") {
      if (value.find('\0') == std::string_view::npos) block_id_ = value;  // (WHATWG 9.2.6)
    } else if (field == "retry") {
      take_retry(value);
    }
  }

  void take_retry(std::string_view value);

  template <typename Sink>
  void end_block(Sink& sink) {
    if (block_id_) last_event_id_ = *block_id_;
    if (!has_data_) return clear_block();  // (WHATWG 9.2.6)
    DecodedEvent event;
    event.data = std::move(data_);
    event.name = name_.empty() ? "message" : std::move(name_);
    event.last_event_id = last_event_id_;
    event.id = std::move(block_id_);
    event.retry = block_retry_;
    clear_block();
    sink(std::as_const(event));
  }

  void clear_block();

  DecoderOptions options_;
  std::string line_;  // the beginning of a line whose end has not come
  std::string data_;
  std::string name_;
  std::optional<std::string> block_id_;
  std::optional<std::chrono::milliseconds> block_retry_;
  std::string last_event_id_;
  std::optional<std::chrono::milliseconds> reconnection_time_;
  std::error_code error_;
  bool has_data_ = false;
  bool first_line_ = true;
  bool after_cr_ = false;  // an LF that comes next belongs to the CR before it
};

}  // namespace spate

#if defined(SPATE_HEADER_ONLY)
#include <spate/wire/impl/decoder.ipp>
#endif
