// The kinds of handlers that a route takes, each brought into one form.
#pragma once

#include <exception>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

#include <spate/config.hpp>
#include <spate/http/request.hpp>
#include <spate/http/response.hpp>
#include <spate/loop/detail/report.hpp>
#include <spate/server/pending_response.hpp>
#include <spate/server/streamed_response.hpp>
#include <spate/stream/detail/language.hpp>
#include <spate/stream/event_stream.hpp>

namespace spate::detail {

using SharedRequest = std::shared_ptr<const Request>;

/// Runs on the connection's shard. What it throws is the caller's to handle; what a coroutine throws it handles itself.
using StreamHandler = std::function<void(EventStream, const OnException&)>;
using RequestHandler = std::function<void(SharedRequest, PendingResponse, const OnException&)>;
/// Answers at once.
using ValueHandler = std::function<Response(const Request&)>;
using PiecesHandler = std::function<void(SharedRequest, StreamedResponse, const OnException&)>;

/// One of them; the others are empty. No variant, which takes a compiler longer than all the rest of this.
struct Handler {
  Handler(ValueHandler handler) : value(std::move(handler)) {}      // NOLINT(google-explicit-constructor): it is one
  Handler(RequestHandler handler) : request(std::move(handler)) {}  // NOLINT(google-explicit-constructor)
  Handler(StreamHandler handler) : stream(std::move(handler)) {}    // NOLINT(google-explicit-constructor)
  Handler(PiecesHandler handler) : pieces(std::move(handler)) {}    // NOLINT(google-explicit-constructor)

  ValueHandler value;
  RequestHandler request;
  StreamHandler stream;
  PiecesHandler pieces;
};

/// A handler let an exception out: the client gets 500 when nothing has been sent yet, else the stream ends.
SPATE_DECL void stream_handler_failed(const EventStream& stream, const OnException& on_exception,
                                      std::exception_ptr exception);

/// The handler has returned: the stream goes live unless it was rejected.
SPATE_DECL void stream_handler_returned(const EventStream& stream);

// A handler that is a coroutine, whatever it was made of.
using StreamCoroutine = std::function<Awaitable<void>(const EventStream&)>;
using RequestCoroutine = std::function<Awaitable<Response>(const Request&)>;
using PiecesCoroutine = std::function<Awaitable<void>(const Request&, const StreamedResponse&)>;

// What runs one, until its client leaves: then it is cancelled. Shared: the coroutine may outlive the route, and a
// lambda's captures must live as long as its coroutine, as must the request. Templates, so that only programs with
// coroutines compile them.

template <typename Coroutine>
void run_coroutine(const std::shared_ptr<const Coroutine>& handler, const EventStream& stream,
                   const OnException& on_exception);
template <typename Coroutine>
void run_coroutine(const std::shared_ptr<const Coroutine>& handler, const SharedRequest& request,
                   const StreamedResponse& response, const OnException& on_exception);
template <typename Coroutine>
void run_coroutine(const std::shared_ptr<const Coroutine>& handler, const SharedRequest& request,
                   const PendingResponse& pending, const OnException& on_exception);

/// A handler of the kind `Kind` that runs the coroutine `function`.
template <typename Kind, typename Coroutine, typename Function>
Kind make_coroutine_handler(Function function) {
  auto called = [shared = std::make_shared<Function>(std::move(function))](const auto&... arguments) {
    return (*shared)(arguments...);
  };
  return [coroutine = std::make_shared<const Coroutine>(std::move(called))](const auto&... arguments) {
    run_coroutine(coroutine, arguments...);
  };
}

// A handler that does not fit is told so by the first error of the compiler, which is why nothing is done with it
// before it has been looked at. All of them may be functions that can only be moved.

template <typename Function>
StreamHandler make_stream_handler(Function function) {
  if constexpr (!std::is_invocable_v<Function&, const EventStream&>) {
    static_assert(always_false<Function>, "a stream's handler takes one argument, spate::EventStream");
  } else {
    using Result = std::invoke_result_t<Function&, const EventStream&>;
    if constexpr (std::is_void_v<Result>) {
      return [shared = std::make_shared<Function>(std::move(function))](const EventStream& stream,
                                                                        const OnException& on_exception) {
        try {
          (*shared)(stream);
        } catch (...) {
          stream_handler_failed(stream, on_exception, std::current_exception());
        }
        stream_handler_returned(stream);
      };
    } else if constexpr (std::is_same_v<Result, Awaitable<void>>) {
      return make_coroutine_handler<StreamHandler, StreamCoroutine>(std::move(function));
    } else {
      static_assert(always_false<Function>, "a stream's handler returns void or asio::awaitable<void>");
    }
  }
}

template <typename Function>
Handler make_pending_handler(Function function) {
  if constexpr (std::is_void_v<std::invoke_result_t<Function&, const Request&, PendingResponse>>) {
    return RequestHandler([shared = std::make_shared<Function>(std::move(function))](
                              const SharedRequest& request, PendingResponse pending, const OnException&) {
      (*shared)(*request, std::move(pending));
    });
  } else {
    static_assert(always_false<Function>,
                  "a handler that takes (const spate::Request&, spate::PendingResponse) returns void");
  }
}

template <typename Function>
Handler make_pieces_handler(Function function) {
  using Result = std::invoke_result_t<Function&, const Request&, const StreamedResponse&>;
  if constexpr (std::is_void_v<Result>) {
    return PiecesHandler([shared = std::make_shared<Function>(std::move(function))](
                             const SharedRequest& request, const StreamedResponse& response, const OnException&) {
      (*shared)(*request, response);
    });
  } else if constexpr (std::is_same_v<Result, Awaitable<void>>) {
    return make_coroutine_handler<PiecesHandler, PiecesCoroutine>(std::move(function));
  } else {
    static_assert(always_false<Function>,
                  "a handler that takes (const spate::Request&, spate::StreamedResponse) returns void or "
                  "asio::awaitable<void>");
  }
}

template <typename Function>
Handler make_handler(Function function) {
  if constexpr (std::is_invocable_r_v<Response, Function&, const Request&>) {
    return ValueHandler([shared = std::make_shared<Function>(std::move(function))](const Request& request) -> Response {
      return (*shared)(request);
    });
  } else if constexpr (std::is_invocable_v<Function&, const Request&, PendingResponse>) {
    return make_pending_handler(std::move(function));
  } else if constexpr (std::is_invocable_v<Function&, const Request&, const StreamedResponse&>) {
    return make_pieces_handler(std::move(function));
  } else if constexpr (std::is_invocable_v<Function&, const EventStream&>) {
    static_assert(always_false<Function>,
                  "a handler of spate::EventStream goes to Server::stream, not to an ordinary route");
  } else if constexpr (!std::is_invocable_v<Function&, const Request&>) {
    static_assert(always_false<Function>,
                  "a handler takes (const spate::Request&), (const spate::Request&, spate::PendingResponse) or "
                  "(const spate::Request&, spate::StreamedResponse)");
  } else if constexpr (std::is_same_v<std::invoke_result_t<Function&, const Request&>, Awaitable<Response>>) {
    return make_coroutine_handler<RequestHandler, RequestCoroutine>(std::move(function));
  } else {
    static_assert(always_false<Function>,
                  "a handler that takes (const spate::Request&) returns spate::Response or "
                  "asio::awaitable<spate::Response>");
  }
}

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/server/impl/handlers.ipp>
#endif
