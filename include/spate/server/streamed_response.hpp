// A StreamedResponse is an ordinary answer that is written in pieces, as they come: a large file, a report, any content
// type. Unlike an EventStream it has no events: the bytes are the program's own.
//
//   server.get("/report", [](const spate::Request&, spate::StreamedResponse response) -> asio::awaitable<void> {
//     response.begin(spate::Response(200).content_type("text/csv"));
//     for (std::string row : rows()) co_await response.async_write(std::move(row), asio::use_awaitable);
//   });                                                        // returning finishes the answer
//
// Chunked to a client of HTTP/1.1, whose connection goes on afterwards; to one of HTTP/1.0 the end of the connection is
// the end of the answer. After HEAD the head is all: nothing more is written, and the answer is not open.
//
// A handle: copies refer to the same answer, and any thread may use any copy at any time. When every copy is gone
// before `finish`, the connection is cut, so that a client never takes a part for the whole: one of HTTP/1.0 sees a
// reset, but on a Unix socket, which knows none, a plain end. Before `begin` the client gets 500. Lifetime: a handle
// may outlive the server; then it is not open.
#pragma once

#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <asio/any_io_executor.hpp>
#include <asio/async_result.hpp>

#include <spate/config.hpp>
#include <spate/http/response.hpp>
#include <spate/stream/detail/handler_waiter.hpp>
#include <spate/wire/detail/core_ref.hpp>

namespace spate {

namespace detail {
class StreamedCore;
struct access;
}  // namespace detail

class StreamedResponse {
 public:
  /// Sends the head: status and fields of `head`, and its body, if it has one, as the first piece. Without it the first
  /// piece begins an answer of 200 without a content type.
  ///
  /// Returns      false when the head has gone out already, or the client has gone
  /// Throws       std::invalid_argument that names a status whose answers have no body: that is a plain Response
  bool begin(Response head) const;

  /// Writes `piece` after those before it, and completes when all of them are with the kernel, so that who awaits each
  /// one goes at the client's pace. Who does not await keeps in memory what the client has not taken.
  ///
  /// Completes    void(std::error_code) on the handler's executor, by default `get_executor()`, never inside the call:
  ///              success; Errc::stream_closed when the client has gone, or asked for the head alone; Errc::shut_down;
  ///              or asio::error::operation_aborted. Once the server is gone a handler without an executor of its own
  ///              is dropped uncalled
  /// Cancellation any type ends the wait; the piece stays queued, because part of it may have been written
  template <typename CompletionToken>
  auto async_write(std::string piece, CompletionToken&& token) const {
    return asio::async_initiate<CompletionToken, void(std::error_code)>(
        [core = core_](auto handler, std::string bytes) {
          write(core, std::move(bytes), detail::make_handler_waiter(std::move(handler)));
        },
        token, std::move(piece));
  }
  // Two pieces in braces would be taken for the two ends of one text.
  template <typename CompletionToken>
  void async_write(std::initializer_list<std::string_view> pieces, CompletionToken&& token) const = delete;

  /// Ends the answer after everything that was written. A coroutine handler that returns does it.
  void finish() const;

  /// Cuts the connection, so that the client does not take what it has for the whole; before `begin` it gets 500.
  void abort() const;

  /// Runs `callback` when the client has gone before the end; one at most. Throws std::invalid_argument for an empty
  /// one.
  void on_error(std::function<void(std::error_code)> callback) const;

  /// Whether something written now has a chance to arrive.
  bool is_open() const noexcept;

  /// Where completions run: the loop of the connection. Empty once the server is gone.
  asio::any_io_executor get_executor() const;

  StreamedResponse(const StreamedResponse& other);
  StreamedResponse(StreamedResponse&& other) noexcept;
  StreamedResponse& operator=(StreamedResponse other) noexcept;
  ~StreamedResponse();

 private:
  friend struct detail::access;
  using Core = detail::CoreRef<detail::StreamedCore>;
  explicit StreamedResponse(detail::Ref<detail::StreamedCore> core);

  static void write(const Core& core, std::string piece, const detail::Ref<detail::CompletionWaiter>& waiter);

  Core core_;  // null once it has been moved from
};

}  // namespace spate

#if defined(SPATE_HEADER_ONLY)
#include <spate/server/impl/streamed_response.ipp>
#endif
