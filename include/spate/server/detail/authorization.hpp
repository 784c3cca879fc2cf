// Authorization: a request while the coroutine of its route's hook decides whether it may pass.
//
// Its coroutine and its session share it. A session whose client has left holds it no more, and does not look at the
// verdict. Shard only.
#pragma once

#include <exception>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include <asio/cancellation_signal.hpp>
#include <asio/cancellation_type.hpp>

#include <spate/config.hpp>
#include <spate/server/detail/router.hpp>
#include <spate/server/detail/streamed_core.hpp>
#include <spate/stream/detail/shard.hpp>

namespace spate::detail {

class VerdictSink;

struct Authorization final : RefCounted<Authorization> {
  /// What the hook is to decide about: without its body, unless the route says otherwise.
  Authorization(const Route& of, Request about) : route(of), request(std::move(about)) {
    if (route.options.authorize_on == AuthorizeOn::head) body = request.take_body();
  }

  bool for_stream() const noexcept { return static_cast<bool>(route.handler.stream); }

  /// Asks `hook` about `asked`. `sink` is told the verdict in a turn of `shard`.
  static void ask(const AuthorizeCoroutine& hook, const Ref<Authorization>& asked, const Ref<Shard>& shard,
                  const Ref<VerdictSink>& sink);

  /// The request as it came.
  Request whole();

  const Route& route;  // of the server, which outlives its sessions
  Request request;
  std::string body;           // kept back
  bool body_awaited = false;  // the client waits to send it until there is a verdict
  asio::cancellation_signal client_left;
};

/// Takes the verdict about a request, too: a session. Shard only.
class VerdictSink : public PieceSink {
 public:
  /// The coroutine that was asked has failed, has refused the request, or lets it pass.
  virtual void decided(const Authorization& asked, const std::exception_ptr& failure,
                       std::optional<Response> refused) = 0;
};

/// Cancels the coroutine of `asked`, whose client has left: outside of every turn, as that runs user code.
inline void cancel(Ref<Authorization> asked, Shard& shard) {
  shard.call_back([asked = std::move(asked)] { asked->client_left.emit(asio::cancellation_type::terminal); });
}

/// Whether a coroutine only passes on that it was cancelled.
SPATE_DECL bool is_cancellation(const std::exception_ptr& exception) noexcept;

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/server/impl/authorization.ipp>
#endif
