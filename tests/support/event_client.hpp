// A client of an event stream, compressed or not.
//
//   EventClient client(port, "/events");
//   CHECK(client.next().data == "hello");
//   CHECK(client.rest() == std::vector<std::string>{"more"});
//   CHECK(client.completed());
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <spate/wire/decoder.hpp>
#include "support/client.hpp"
#include "support/compressed_runs.hpp"
#include "support/decoded.hpp"
#if defined(SPATE_TESTS_HAVE_ZLIB)
#include "support/inflating.hpp"
#endif

namespace spate::test {

class EventClient {
 public:
  /// Asks for `target` and reads the head of the answer.
  EventClient(std::uint16_t port, std::string_view target, std::string_view fields = {},
              std::string_view version = "HTTP/1.1", int receive_buffer = 0)
      : EventClient(asking(Client(port, receive_buffer), target, fields, version)) {}

  /// On a connection on which a request was sent.
  explicit EventClient(Client connected) : client_(std::move(connected)), head_(client_.read_head()) {
    if (head_.status != 200 || head_.field("Content-Type") != "text/event-stream") {
      throw Failure("no event stream: " + head_.status_line);
    }
    chunked_ = head_.field("Transfer-Encoding") == "chunked";
#if defined(SPATE_TESTS_HAVE_ZLIB)
    if (head_.field("Content-Encoding") == "gzip") inflating_ = std::make_unique<Inflating>();
#endif
  }

  const Head& head() const noexcept { return head_; }
  /// What has come of the body, in bytes.
  std::size_t body_bytes() const noexcept { return body_bytes_; }
  Client& connection() noexcept { return client_; }

  /// The next event. Throws when the stream ends before it.
  DecodedEvent next() {
    while (events_.empty()) {
      if (!read()) throw Failure("the stream ended");
    }
    DecodedEvent event = std::move(events_.front());
    events_.pop_front();
    return event;
  }
  /// The next comment, whatever events are before it.
  std::string next_comment() {
    while (comments_.empty()) {
      if (!read()) throw Failure("the stream ended");
    }
    std::string comment = std::move(comments_.front());
    comments_.pop_front();
    return comment;
  }
  std::vector<std::string> next_data(std::size_t count) {
    std::vector<std::string> all;
    while (all.size() < count) all.push_back(next().data);
    return all;
  }

  /// The events that are left, to the end of the stream.
  std::vector<DecodedEvent> rest_of_events() {
    while (read()) continue;
    return {std::make_move_iterator(events_.begin()), std::make_move_iterator(events_.end())};
  }
  /// Their data.
  std::vector<std::string> rest() {
    std::vector<std::string> all;
    for (DecodedEvent& event : rest_of_events()) all.push_back(std::move(event.data));
    return all;
  }

  /// At the end: whether the server had ended the stream. One that was cut has no last chunk. (RFC 9112 7.1)
  bool completed() {
    while (read()) continue;
#if defined(SPATE_TESTS_HAVE_ZLIB)
    if (inflating_ && !inflating_->ended()) return false;
#endif
    return last_chunk_ || (!chunked_ && client_.how_ended() == End::closed);
  }
  const EventDecoder& decoder() const noexcept { return decoder_; }

 private:
  static Client asking(Client client, std::string_view target, std::string_view fields, std::string_view version) {
    client.get(target, std::string(fields) + (compressed_run() ? "Accept-Encoding: gzip\r\n" : ""), version);
    return client;
  }

  // Takes one more piece; false at the end of the stream.
  bool read() {
    std::string piece;
    if (chunked_) {
      if (last_chunk_ || client_.how_ended() != End::open) return false;
      // The end may come anywhere in a chunk.
      try {
        last_chunk_ = !client_.read_chunk(piece);
      } catch (const Failure&) {
        if (client_.how_ended() == End::open) throw;
        return false;
      }
      if (last_chunk_) return false;
    } else {
      if (client_.unread().empty() && !client_.read_more()) return false;
      piece = client_.read_exactly(client_.unread().size());
    }
    body_bytes_ += piece.size();
#if defined(SPATE_TESTS_HAVE_ZLIB)
    if (inflating_) piece = inflating_->feed(piece);
#endif
    decoder_.feed(
        piece, [&](const DecodedEvent& event) { events_.push_back(event); },
        [&](std::string_view comment) { comments_.emplace_back(comment); });
    return true;
  }

  Client client_;
  Head head_;
  bool chunked_ = false;
  bool last_chunk_ = false;
  std::size_t body_bytes_ = 0;
#if defined(SPATE_TESTS_HAVE_ZLIB)
  std::unique_ptr<Inflating> inflating_;  // null unless it is compressed
#endif
  EventDecoder decoder_;
  std::deque<DecodedEvent> events_;
  std::deque<std::string> comments_;
};

}  // namespace spate::test
