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

#include <atomic>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <asio/any_io_executor.hpp>
#include <asio/async_result.hpp>

#include <spate/config.hpp>
#include <spate/error.hpp>
#include <spate/http/detail/status.hpp>
#include <spate/http/response.hpp>
#include <spate/loop/detail/insist.hpp>
#include <spate/stream/detail/handler_waiter.hpp>
#include <spate/stream/detail/shard.hpp>
#include <spate/stream/detail/stream_parts.hpp>

namespace spate {

namespace detail {

/// Where the pieces of an answer go: a session. Shard only.
class PieceOrigin : public StreamOrigin {
 public:
  /// Puts the head of an answer whose pieces follow.
  virtual void begin_pieces(Response head) = 0;
  /// Writes one; `waiter` is told when it is with the kernel, or why it never will be.
  virtual void write_piece(std::string piece, Ref<SendWaiter> waiter) = 0;
  /// The answer is whole, or never will be.
  enum class Pieces : std::uint8_t { whole, broken };
  virtual void end_pieces(Pieces pieces) = 0;
};

/// What the copies of a StreamedResponse share, and its session with them.
class StreamedCore final : public Resident {
 public:
  StreamedCore(Ref<Shard> shard, Ref<PieceOrigin> origin) : shard_(std::move(shard)), origin_(std::move(origin)) {}

  // Any thread.
  bool begin(Response head);

  void write(std::string piece, const Ref<SendWaiter>& waiter);

  void end(PieceOrigin::Pieces pieces);

  void on_error(std::function<void(std::error_code)> callback);

  bool begun() const noexcept { return begun_.load(std::memory_order_acquire); }
  bool is_open() const noexcept { return open_.load(std::memory_order_acquire); }
  const Ref<Shard>& shard() const noexcept { return shard_; }

  void add_handle() noexcept { handles_.fetch_add(1, std::memory_order_relaxed); }
  void drop_handle() noexcept {
    if (handles_.fetch_sub(1, std::memory_order_acq_rel) > 1) return;
    insist([&] { end(PieceOrigin::Pieces::broken); });  // nobody else would: without memory it waits for some
  }

  // Shard only.

  /// Nothing more can be written: the client has gone, or wants the head alone.
  void over(std::error_code error);
  void on_failure(std::error_code error) override;

 private:
  void do_end(PieceOrigin::Pieces pieces);
  /// With 500, instead of pieces.
  void answer(std::string_view reason);

  const Ref<Shard> shard_;
  std::atomic<bool> begun_{false};  // the head is in the inbox, or beyond it
  std::atomic<bool> open_{true};
  std::atomic<std::uint32_t> handles_{0};
  Ref<PieceOrigin> origin_;
  bool head_put_ = false;
  std::error_code error_;
  std::function<void(std::error_code)> error_callback_;
};

}  // namespace detail

class StreamedResponse {
 public:
  /// Sends the head: status and fields of `head`, and its body, if it has one, as the first piece. Without it the first
  /// piece begins an answer of 200 without a content type.
  ///
  /// Returns      false when the head has gone out already, or the client has gone
  /// Throws       std::invalid_argument that names a status whose answers have no body: that is a plain Response
  bool begin(Response head) const;

  /// Writes `piece` behind those before it, and completes when all of them are with the kernel, so that who awaits each
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
          core->write(std::move(bytes), detail::make_handler_waiter(core->shard(), std::move(handler)));
        },
        token, std::move(piece));
  }
  // Two pieces in braces would be taken for the two ends of one text.
  template <typename CompletionToken>
  void async_write(std::initializer_list<std::string_view> pieces, CompletionToken&& token) const = delete;

  /// Ends the answer after everything that was written. A coroutine handler that returns does it.
  void finish() const { core_->end(detail::PieceOrigin::Pieces::whole); }

  /// Cuts the connection, so that the client does not take what it has for the whole; before `begin` it gets 500.
  void abort() const { core_->end(detail::PieceOrigin::Pieces::broken); }

  /// Runs `callback` when the client has gone before the end; one at most. Throws std::invalid_argument for an empty
  /// one.
  void on_error(std::function<void(std::error_code)> callback) const;

  /// Whether something written now has a chance to arrive.
  bool is_open() const noexcept { return core_->is_open(); }

  /// Where completions run: the loop of the connection. Empty once the server is gone.
  asio::any_io_executor get_executor() const { return core_->shard()->executor(); }

  /// For the server.
  explicit StreamedResponse(detail::Ref<detail::StreamedCore> core) : core_(std::move(core)) { core_->add_handle(); }
  const detail::Ref<detail::StreamedCore>& core() const noexcept { return core_; }
  StreamedResponse(const StreamedResponse& other) : StreamedResponse(other.core_) {}
  StreamedResponse(StreamedResponse&& other) noexcept = default;
  StreamedResponse& operator=(StreamedResponse other) noexcept;
  ~StreamedResponse() {
    if (core_) core_->drop_handle();
  }

 private:
  detail::Ref<detail::StreamedCore> core_;  // null once it has been moved from
};

}  // namespace spate

#if defined(SPATE_HEADER_ONLY)
#include <spate/server/impl/streamed_response.ipp>
#endif
