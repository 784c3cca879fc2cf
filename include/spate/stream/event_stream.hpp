// An EventStream is one open text/event-stream response.
//
//   void greet(spate::EventStream stream) {
//     stream.send(spate::Event("hello"));
//     stream.complete();
//   }
//
// It is a handle: copies refer to the same connection, any thread may use any copy at any time, also from inside a
// callback, and a copy that outlives the connection only reports that the stream is closed. Dropping every handle does
// not end the stream: `complete` does, or the client.
//
// Callbacks and completions run on `get_executor()`, one at a time, never inside the call that causes them and with no
// lock held.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <asio/any_io_executor.hpp>
#include <asio/async_result.hpp>

#include <spate/config.hpp>
#include <spate/error.hpp>
#include <spate/http/request.hpp>
#include <spate/http/response.hpp>
#include <spate/stream/detail/handler_waiter.hpp>
#include <spate/stream/detail/language.hpp>
#include <spate/stream/end_reason.hpp>
#include <spate/stream/send_result.hpp>
#include <spate/stream/transport.hpp>
#include <spate/wire/detail/core_ref.hpp>
#include <spate/wire/encoded_event.hpp>
#include <spate/wire/event.hpp>

namespace spate {

namespace detail {
class StreamCore;
struct access;
}  // namespace detail

class EventStream {
 public:
  /// The request that opened this stream. Kept until the head has gone out and the handler has returned (a coroutine:
  /// has finished), so that an idle stream costs little; from then on an empty request. Never null. Threads: any.
  std::shared_ptr<const Request> request() const;

  /// The id after which the client wants to resume, or empty. Kept for the stream's life. Untrusted. (WHATWG 9.2.4)
  /// Of more than 128 bytes, which no emitter gives an id, only the beginning is kept, followed by the length in words;
  /// `request()` has it whole.
  std::string last_event_id() const;

  /// How the events reach this client. What is sent is the same for all; a poll ends with its answer.
  Transport transport() const noexcept;

  /// Sends the head now. Without it the head goes out with the first `send`, or when a plain handler returns. A client
  /// counts as connected from the head on. (WHATWG 9.2.2)
  void open() const;

  /// Sets a header field of the stream's head, in place of any of that name; it is part of a poll's answer as well.
  ///
  ///   stream.header("Link", "</style.css>; rel=preload");
  ///
  /// Returns      false when it is too late: the stream is open, answered otherwise, or over
  /// Throws       std::invalid_argument that quotes a field which cannot be sent, or which the server writes itself:
  ///              Connection, Content-Length, Content-Type, Date, Transfer-Encoding
  bool header(std::string_view name, std::string_view value) const;

  /// Adds one beside those of that name, as several cookies need.
  bool add_header(std::string_view name, std::string_view value) const;

  // Two values in braces would be taken for the two ends of one text.
  bool header(std::string_view name, std::initializer_list<std::string_view> values) const = delete;
  bool add_header(std::string_view name, std::initializer_list<std::string_view> values) const = delete;

  /// Answers with `response` instead of a stream, as long as the head has not gone out.
  ///
  /// Returns      false when it is too late: the stream is open or over
  /// Callbacks    on_complete runs as for every stream
  bool reject(Response response) const;

  /// Queues `event` for this client and returns at once.
  ///
  /// Events arrive in the order of the calls on this stream; calls from several threads are ordered by the moment they
  /// enter. What waits for the loop counts against `StreamOptions::max_queued_bytes` like what waits for the client.
  ///
  /// Returns      SendResult::queued, dropped by the overflow policy, or closed
  /// Threads      any; never blocks on a socket
  /// Lifetime     `event` is encoded before the call returns and is not needed afterwards
  /// Callbacks    none runs inside this call
  SendResult send(const Event& event) const { return send(EncodedEvent(event)); }

  /// The same for an event that is encoded already, as for many streams at once.
  SendResult send(EncodedEvent event) const;

  /// Queues a comment, which clients ignore. (WHATWG 9.2.7)
  SendResult comment(std::string_view text) const { return send(Event().comment(text)); }

  /// Queues `event` and completes when its last byte is with the kernel, so that a producer which awaits it goes at its
  /// client's pace. An awaited event is exempt from the overflow policy: whoever awaits holds one at a time.
  ///
  ///   const spate::Event event(word);
  ///   co_await stream.async_send(event, asio::use_awaitable);
  ///
  /// Completes    void(std::error_code) on the handler's executor, by default `get_executor()`, never inside the call:
  ///              success, Errc::stream_closed, Errc::shut_down, or asio::error::operation_aborted. Once the server is
  ///              gone a handler without an executor of its own is dropped uncalled
  /// Cancellation any type ends the wait; the event itself stays queued, because part of it may have been written
  /// Lifetime     `event` is encoded before the call returns
  template <typename CompletionToken>
  auto async_send(const Event& event, CompletionToken&& token) const {
    return asio::async_initiate<CompletionToken, void(std::error_code)>(
        [core = core_](auto handler, EncodedEvent encoded) {
          send(core, std::move(encoded), detail::make_handler_waiter(std::move(handler)));
        },
        token, EncodedEvent(event));
  }

  /// Ends the stream after everything that was sent before: last chunk, then close. Further sends return closed.
  void complete() const;

  /// The same for `last`, which goes out as the last event whatever is queued.
  void complete(const Event& last) const;

  /// Ends the stream as failed: `on_error` sees `error`. HTTP has no way to tell the client; give it a last event.
  void complete_with_error(std::error_code error = Errc::completed_with_error) const;
  void complete_with_error(std::error_code error, const Event& last) const;

  /// Ends the stream at `moment`, when a credential runs out for instance. The earliest moment given counts.
  ///
  /// The wall clock decides, also when somebody sets it or the machine sleeps: it is looked at no later than at each
  /// heartbeat, and every sixteen seconds if these are rarer.
  void expire_at(std::chrono::system_clock::time_point moment) const;

  /// Runs `callback` once when the stream is over, whatever ended it, after `on_timeout` or `on_error` if one of these
  /// was the cause. Registered late, it runs soon, unless the server is gone by then. Several may be registered; they
  /// run in that order.
  /// Throws std::invalid_argument, like those that follow, when `callback` is empty.
  void on_complete(std::function<void()> callback) const;

  /// Runs `callback` when a write timeout or the lifetime ended the stream.
  void on_timeout(std::function<void()> callback) const;

  /// Runs `callback` when an error ended the stream: of the network, of the queue, of the handler. A client that just
  /// closes its connection is no error.
  void on_error(std::function<void(std::error_code)> callback) const;

  /// Completes when the stream is over, whatever ended it: for a coroutine that has nothing to send itself.
  ///
  ///   emitter.add(user, stream);
  ///   co_await stream.async_closed(asio::use_awaitable);
  ///
  /// Completes    void(std::error_code) on the handler's executor, by default `get_executor()`, never inside the call:
  ///              success, Errc::shut_down when the server is gone, or asio::error::operation_aborted. A handler
  ///              without an executor of its own is dropped uncalled once the server is gone
  /// Cancellation any type ends the wait and nothing else. A coroutine handler is itself cancelled when its client
  ///              leaves; then its wait ends by an exception (operation_aborted), which is no failure
  template <typename CompletionToken>
  auto async_closed(CompletionToken&& token) const {
    return asio::async_initiate<CompletionToken, void(std::error_code)>(
        [core = core_](auto handler) { when_ended(core, detail::make_handler_waiter(std::move(handler))); }, token);
  }

  /// Whether something sent now has a chance to arrive.
  bool is_open() const noexcept;

  /// Bytes that wait for this client or are on their way to its queue. A snapshot.
  std::size_t queued_bytes() const noexcept;

#if SPATE_HAS_STOP_TOKEN
  /// A token that is told to stop when the stream is over; for producers on threads of their own. Where the standard
  /// library has one.
  std::stop_token stop_token() const;
#endif

  /// Where this stream's callbacks run: the loop it lives on. Empty once the server is gone. Whoever keeps the executor
  /// of a loop uses it no longer than the loop is there, as always with Asio; callbacks and completions take care of
  /// that themselves.
  asio::any_io_executor get_executor() const;

  /// Whether both refer to the same connection.
  friend bool operator==(const EventStream&, const EventStream&) = default;

 private:
  friend struct detail::access;
  using Core = detail::CoreRef<detail::StreamCore>;
  explicit EventStream(detail::Ref<detail::StreamCore> core) noexcept;

  static void send(const Core& core, EncodedEvent event, const detail::Ref<detail::CompletionWaiter>& waiter);
  static void when_ended(const Core& core, const detail::Ref<detail::CompletionWaiter>& waiter);

  Core core_;
};

}  // namespace spate

#if defined(SPATE_HEADER_ONLY)
#include <spate/stream/impl/event_stream.ipp>
#endif
