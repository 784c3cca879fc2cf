// The kinds of handlers that a route takes, each brought into one form.
#pragma once

#include <cstdio>
#include <exception>
#include <functional>
#include <memory>
#include <system_error>
#include <type_traits>
#include <utility>
#include <variant>

#include <asio/awaitable.hpp>
#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/cancellation_type.hpp>
#include <asio/co_spawn.hpp>
#include <asio/error.hpp>

#include <spate/http/request.hpp>
#include <spate/http/response.hpp>
#include <spate/server/pending_response.hpp>
#include <spate/server/streamed_response.hpp>
#include <spate/stream/event_stream.hpp>

namespace spate::detail {

using SharedRequest = std::shared_ptr<const Request>;
using OnException = std::function<void(std::exception_ptr)>;

/// Runs on the connection's shard. What it throws is the caller's to handle; what a coroutine throws it handles itself.
using StreamHandler = std::function<void(EventStream, const OnException&)>;
using RequestHandler = std::function<void(SharedRequest, PendingResponse, const OnException&)>;
/// Answers at once.
using ValueHandler = std::function<Response(const Request&)>;
using PiecesHandler = std::function<void(SharedRequest, StreamedResponse, const OnException&)>;
using Handler = std::variant<ValueHandler, RequestHandler, StreamHandler, PiecesHandler>;

/// Says on standard error what was thrown: for programs that do not want to be told themselves.
inline void log_exception(const std::exception_ptr& exception) {
  const auto say = [](const char* what) { std::fprintf(stderr, "spate: a handler threw: %s\n", what); };
  try {
    std::rethrow_exception(exception);
  } catch (const std::exception& error) {
    say(error.what());
  } catch (...) {
    say("what is no std::exception");
  }
}

inline void report(const OnException& on_exception, std::exception_ptr exception) noexcept {
  try {
    on_exception ? on_exception(std::move(exception)) : log_exception(exception);
  } catch (...) {  // nobody is left to be told
  }
}

/// Whether a coroutine only passes on that its stream is over, or that it was cancelled because of that, as one that
/// awaits its sends or a timer does when the client leaves.
inline bool tells_the_end(const std::exception_ptr& exception) noexcept {
  try {
    std::rethrow_exception(exception);
  } catch (const std::system_error& error) {
    return error.code() == Errc::stream_closed || error.code() == Errc::shut_down ||
           error.code() == asio::error::operation_aborted;
  } catch (...) {
    return false;
  }
}

/// A handler let an exception out: the client gets 500 when nothing has been sent yet, else the stream ends.
inline void stream_handler_failed(const EventStream& stream, const OnException& on_exception,
                                  std::exception_ptr exception) {
  report(on_exception, std::move(exception));
  if (!stream.reject(Response::error(500, "the handler failed"))) {
    stream.complete_with_error(Errc::handler_failed);
  }
}

template <typename Function>
StreamHandler make_stream_handler(Function function) {
  using Result = std::invoke_result_t<Function&, EventStream>;
  static_assert(std::is_void_v<Result> || std::is_same_v<Result, asio::awaitable<void>>,
                "a stream handler returns void or asio::awaitable<void>");
  // Shared: a coroutine may outlive the route, and a lambda's captures must live as long as its coroutine.
  return
      [shared = std::make_shared<Function>(std::move(function))](EventStream stream, const OnException& on_exception) {
        if constexpr (std::is_void_v<Result>) {
          try {
            (*shared)(stream);
          } catch (...) {
            stream_handler_failed(stream, on_exception, std::current_exception());
          }
          stream.core()->handler_returned();
        } else {
          const auto left = std::make_shared<asio::cancellation_signal>();
          stream.on_complete([left, core = stream.core()] {
            // A stream that the program has ended itself leaves its coroutine alone.
            const bool by_program = core->reason() == EndReason::completed || core->reason() == EndReason::error;
            if (!by_program) left->emit(asio::cancellation_type::terminal);
          });
          auto finished = [shared, stream, on_exception, left](std::exception_ptr exception) {
            if (exception && !(tells_the_end(exception) && !stream.is_open())) {
              stream_handler_failed(stream, on_exception, exception);
            } else {
              stream.complete();
            }
            stream.core()->own_shard().run([core = stream.core()] { core->handler_finished(); });
          };
          asio::co_spawn(
              stream.get_executor(), [shared, stream] { return (*shared)(stream); },
              asio::bind_cancellation_slot(left->slot(), std::move(finished)));
        }
      };
}

template <typename Function>
Handler make_pieces_handler(Function function) {
  using Result = std::invoke_result_t<Function&, const Request&, StreamedResponse>;
  static_assert(std::is_void_v<Result> || std::is_same_v<Result, asio::awaitable<void>>,
                "a handler of (const Request&, StreamedResponse) returns void or asio::awaitable<void>");
  return PiecesHandler([shared = std::make_shared<Function>(std::move(function))](const SharedRequest& request,
                                                                                  const StreamedResponse& response,
                                                                                  const OnException& on_exception) {
    if constexpr (std::is_void_v<Result>) {
      (*shared)(*request, response);
    } else {
      const auto left = std::make_shared<asio::cancellation_signal>();
      response.on_error([left](std::error_code) { left->emit(asio::cancellation_type::terminal); });
      auto finished = [shared, request, response, on_exception, left](std::exception_ptr exception) {
        if (!exception) return response.finish();
        if (response.is_open() || !tells_the_end(exception)) report(on_exception, exception);
        response.abort();
      };
      asio::co_spawn(
          response.get_executor(), [shared, request, response] { return (*shared)(*request, response); },
          asio::bind_cancellation_slot(left->slot(), std::move(finished)));
    }
  });
}

template <typename Function>
Handler make_handler(Function function) {
  if constexpr (std::is_invocable_r_v<Response, Function&, const Request&>) {
    return ValueHandler(std::move(function));
  } else if constexpr (std::is_invocable_v<Function&, const Request&, PendingResponse>) {
    return RequestHandler(
        [function = std::move(function)](const SharedRequest& request, PendingResponse pending,
                                         const OnException&) mutable { function(*request, std::move(pending)); });
  } else if constexpr (std::is_invocable_v<Function&, const Request&, StreamedResponse>) {
    return make_pieces_handler(std::move(function));
  } else {
    static_assert(std::is_same_v<std::invoke_result_t<Function&, const Request&>, asio::awaitable<Response>>,
                  "a handler takes (const Request&) and returns Response or asio::awaitable<Response>, or takes "
                  "(const Request&, PendingResponse) or (const Request&, StreamedResponse)");
    return RequestHandler([shared = std::make_shared<Function>(std::move(function))](const SharedRequest& request,
                                                                                     const PendingResponse& pending,
                                                                                     const OnException& on_exception) {
      // The request and the handler's captures live as long as the coroutine.
      const auto left = std::make_shared<asio::cancellation_signal>();
      pending.on_error([left](std::error_code) { left->emit(asio::cancellation_type::terminal); });
      auto finished = [shared, request, pending, on_exception, left](std::exception_ptr exception, Response response) {
        if (exception && tells_the_end(exception) && !pending.is_open()) return;
        if (exception) {
          report(on_exception, exception);
          response = Response::error(500, "the handler failed");
        }
        pending.respond(std::move(response));
      };
      asio::co_spawn(
          pending.get_executor(), [shared, request] { return (*shared)(*request); },
          asio::bind_cancellation_slot(left->slot(), std::move(finished)));
    });
  }
}

}  // namespace spate::detail
