// The functions of handlers.hpp.
#pragma once

#include <system_error>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/cancellation_type.hpp>
#include <asio/error.hpp>

#include <spate/config.hpp>
#include <spate/detail/access.hpp>
#include <spate/error.hpp>
#include <spate/server/detail/handlers.hpp>
#include <spate/stream/detail/spawn.hpp>
#include <spate/stream/detail/stream_core.hpp>

namespace spate::detail {

/// Whether a coroutine only passes on that its stream is over, or that it was cancelled because of that, as one that
/// awaits its sends or a timer does when the client leaves.
SPATE_DECL bool tells_the_end(const std::exception_ptr& exception) noexcept {
  try {
    std::rethrow_exception(exception);
  } catch (const std::system_error& error) {
    return error.code() == Errc::stream_closed || error.code() == Errc::shut_down ||
           error.code() == asio::error::operation_aborted;
  } catch (...) {
    return false;
  }
}

SPATE_DECL void stream_handler_failed(const EventStream& stream, const OnException& on_exception,
                                      std::exception_ptr exception) {
  report(on_exception, std::move(exception));
  if (!stream.reject(Response::error(500, "the handler failed"))) {
    stream.complete_with_error(Errc::handler_failed);
  }
}

SPATE_DECL void stream_handler_returned(const EventStream& stream) {
  access::core(stream)->handler_returned();
}

template <typename Coroutine>
void run_coroutine(const std::shared_ptr<const Coroutine>& handler, const EventStream& stream,
                   const OnException& on_exception) {
  const auto left = std::make_shared<asio::cancellation_signal>();
  stream.on_complete([left, core = access::core(stream)] {
    // A stream that the program has ended itself leaves its coroutine alone.
    const bool by_program = core->reason() == EndReason::completed || core->reason() == EndReason::error;
    if (!by_program) left->emit(asio::cancellation_type::terminal);
  });
  auto finished = [handler, stream, on_exception, left](std::exception_ptr exception) {
    if (exception && !(tells_the_end(exception) && !stream.is_open())) {
      stream_handler_failed(stream, on_exception, exception);
    } else {
      stream.complete();
    }
    const Ref<StreamCore>& core = access::core(stream);
    core->own_shard().run([core] { core->handler_finished(); });
  };
  spawn(
      stream.get_executor(), [handler, stream] { return (*handler)(stream); },
      asio::bind_cancellation_slot(left->slot(), std::move(finished)));
}

template <typename Coroutine>
void run_coroutine(const std::shared_ptr<const Coroutine>& handler, const SharedRequest& request,
                   const StreamedResponse& response, const OnException& on_exception) {
  const auto left = std::make_shared<asio::cancellation_signal>();
  response.on_error([left](std::error_code) { left->emit(asio::cancellation_type::terminal); });
  auto finished = [handler, request, response, on_exception, left](std::exception_ptr exception) {
    if (!exception) return response.finish();
    if (response.is_open() || !tells_the_end(exception)) report(on_exception, exception);
    response.abort();
  };
  spawn(
      response.get_executor(), [handler, request, response] { return (*handler)(*request, response); },
      asio::bind_cancellation_slot(left->slot(), std::move(finished)));
}

template <typename Coroutine>
void run_coroutine(const std::shared_ptr<const Coroutine>& handler, const SharedRequest& request,
                   const PendingResponse& pending, const OnException& on_exception) {
  const auto left = std::make_shared<asio::cancellation_signal>();
  pending.on_error([left](std::error_code) { left->emit(asio::cancellation_type::terminal); });
  auto finished = [handler, request, pending, on_exception, left](std::exception_ptr exception, Response response) {
    if (exception && tells_the_end(exception) && !pending.is_open()) return;
    if (exception) {
      report(on_exception, exception);
      response = Response::error(500, "the handler failed");
    }
    pending.respond(std::move(response));
  };
  spawn(
      pending.get_executor(), [handler, request] { return (*handler)(*request); },
      asio::bind_cancellation_slot(left->slot(), std::move(finished)));
}

#if !defined(SPATE_HEADER_ONLY) && SPATE_HAS_COROUTINES
template void run_coroutine(const std::shared_ptr<const StreamCoroutine>&, const EventStream&, const OnException&);
template void run_coroutine(const std::shared_ptr<const PiecesCoroutine>&, const SharedRequest&,
                            const StreamedResponse&, const OnException&);
template void run_coroutine(const std::shared_ptr<const RequestCoroutine>&, const SharedRequest&,
                            const PendingResponse&, const OnException&);
#endif

}  // namespace spate::detail
