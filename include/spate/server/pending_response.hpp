// A PendingResponse is an answer that is given later, from any thread: long polling, a slow computation, a queue.
//
//   server.get("/deferred", [&](const spate::Request&, spate::PendingResponse pending) {
//     pending.expire_after(3s, spate::Response::text(200, "nothing yet"));
//     jobs.push([pending] { pending.respond(spate::Response::text(200, compute())); });
//   });
//
// A handle: copies refer to the same request, any thread may use any copy at any time, and the first answer counts. No
// thread waits meanwhile. When every copy is gone without an answer the client gets 500. Callbacks run on the loop of
// the connection, one at a time, never inside a call.
#pragma once

#include <chrono>
#include <functional>
#include <system_error>

#include <asio/any_io_executor.hpp>

#include <spate/config.hpp>
#include <spate/http/response.hpp>
#include <spate/wire/detail/core_ref.hpp>

namespace spate {

namespace detail {
class PendingCore;
struct access;
}  // namespace detail

class PendingResponse {
 public:
  /// Answers with `response`. Returns false when an answer was given before, the wait expired, or the client has gone.
  bool respond(Response response) const;

  /// Answers with `otherwise` if no other answer came within `wait`. The last call counts.
  void expire_after(std::chrono::steady_clock::duration wait, Response otherwise) const;

  /// Runs `callback` when the wait has expired.
  /// Throws std::invalid_argument, like `on_error`, when `callback` is empty.
  void on_timeout(std::function<void()> callback) const;

  /// Runs `callback` when the connection broke before the answer. A client that only ended its own side may still read.
  void on_error(std::function<void(std::error_code)> callback) const;

  /// Whether an answer given now has a chance to arrive.
  bool is_open() const noexcept;

  /// Where the callbacks run: the loop of the connection.
  asio::any_io_executor get_executor() const;

  PendingResponse(const PendingResponse& other);
  PendingResponse(PendingResponse&& other) noexcept;
  PendingResponse& operator=(PendingResponse other) noexcept;
  ~PendingResponse();

 private:
  friend struct detail::access;
  explicit PendingResponse(detail::Ref<detail::PendingCore> core);

  detail::CoreRef<detail::PendingCore> core_;  // null once it has been moved from
};

}  // namespace spate

#if defined(SPATE_HEADER_ONLY)
#include <spate/server/impl/pending_response.ipp>
#endif
