// The functions of <spate/testing/server.hpp>.
#pragma once

#include <optional>
#include <stdexcept>
#include <utility>

#include <spate/config.hpp>
#include <spate/testing/detail/bench.hpp>
#include <spate/testing/detail/client_core.hpp>
#include <spate/testing/server.hpp>

namespace spate {

SPATE_DECL detail::BenchHolder::BenchHolder() : bench_(std::make_shared<Bench>()) {}

namespace testing {

SPATE_DECL Server::Server(ServerOptions options) : spate::Server(bench_->make_server(std::move(options))) {}

SPATE_DECL Server::~Server() {
  bench_->close();
}

SPATE_DECL Client Server::begin(std::string_view what, detail::Ref<detail::ServerCore> server, const Request& request,
                                ClientOptions options) {
  const detail::Bench::Run run(*bench_, what);
  const auto core = detail::make_ref<detail::ClientCore>(*bench_, std::move(server), request, std::move(options));
  bench_->settle();
  bench_->add(core);
  Client client(core);
  bench_->in_turn([core] { core->connect(); });
  bench_->settle();
  return client;
}

SPATE_DECL Answer Server::handle(Request request) {
  const std::string what = std::string(request.method()) + ' ' + std::string(request.target());
  const auto fail = [&](const char* why) -> void {
    throw std::logic_error("spate::testing::Server: " + what + ' ' + why);
  };
  const Client client = begin("handle()", bench_->core(), request, {});
  const detail::ClientCore& asked = *client.core_;
  if (asked.was_cut()) {
    fail(asked.answer().status == 0 ? "is not answered: the connection was closed"
                                    : "is answered in part only: the connection was cut. ask() shows what has come");
  }
  if (!asked.is_answered()) {
    fail(asked.answer().header("content-type").value_or("").starts_with("text/event-stream")
             ? "is answered with a stream that stays open: subscribe() follows it"
             : "is not answered yet: its handler waits for the time, or for another thread. ask() follows it");
  }
  return asked.answer();
}

SPATE_DECL Client Server::ask(Request request, ClientOptions options) {
  return begin("ask()", bench_->core(), request, std::move(options));
}

SPATE_DECL Client Server::subscribe(Request request, ClientOptions options) {
  if (options.transport == Transport::sse && !request.header("accept")) {
    request.add_header("Accept", "text/event-stream");
  }
  return begin("subscribe()", bench_->core(), request, std::move(options));
}

// `Kind` is the kind of a handler, which is given a `Handle` as its argument after the request, if there is one.
template <typename Handle, typename Make>
std::pair<Handle, Client> Server::make(const char* what, const Request& request, Make make) {
  const auto made = std::make_shared<std::optional<Handle>>();
  Client client = begin(what, bench_->server_for(request, make(made)), request, {});
  std::optional<Handle> handle = std::exchange(*made, std::nullopt);
  if (!handle) {
    const Answer& answer = client.core_->answer();
    throw std::invalid_argument("spate::testing::Server: " + std::string(what) + " has none to give: the request is " +
                                "answered with " + std::to_string(answer.status) + ' ' + answer.body);
  }
  return {std::move(*handle), std::move(client)};
}

SPATE_DECL MadeStream Server::make_stream(Request request) {
  auto [stream, client] = make<EventStream>("make_stream()", request, [](const auto& made) {
    return detail::StreamHandler([made](const EventStream& opened, const auto&) { *made = opened; });
  });
  return {std::move(stream), std::move(client)};
}

SPATE_DECL MadePendingResponse Server::make_pending_response(Request request) {
  auto [pending, client] = make<PendingResponse>("make_pending_response()", request, [](const auto& made) {
    return detail::RequestHandler(
        [made](const auto&, PendingResponse taken, const auto&) { *made = std::move(taken); });
  });
  return {std::move(pending), std::move(client)};
}

SPATE_DECL MadeStreamedResponse Server::make_streamed_response(Request request) {
  auto [response, client] = make<StreamedResponse>("make_streamed_response()", request, [](const auto& made) {
    return detail::PiecesHandler(
        [made](const auto&, StreamedResponse taken, const auto&) { *made = std::move(taken); });
  });
  return {std::move(response), std::move(client)};
}

SPATE_DECL void Server::advance(std::chrono::nanoseconds time) {
  const detail::Bench::Run run(*bench_, "advance()");
  bench_->advance(time);
}

SPATE_DECL void Server::run() {
  const detail::Bench::Run run(*bench_, "run()");
  bench_->settle();
}

SPATE_DECL bool Server::run_until(const std::function<bool()>& condition, std::chrono::milliseconds most) {
  return bench_->run_until(condition, most);
}

SPATE_DECL std::chrono::steady_clock::time_point Server::now() const {
  return bench_->clock().now();
}
SPATE_DECL std::chrono::system_clock::time_point Server::wall_now() const {
  return bench_->clock().wall_now();
}
SPATE_DECL void Server::set_wall_now(std::chrono::system_clock::time_point moment) {
  bench_->clock().set_wall(moment);
}
SPATE_DECL void Server::set_run_limits(RunLimits limits) {
  bench_->limits = limits;
}

SPATE_DECL std::vector<std::string> Server::errors() {
  std::vector<std::string> texts;
  for (const std::exception_ptr& thrown : exceptions()) {
    try {
      std::rethrow_exception(thrown);
    } catch (const std::exception& error) {
      texts.emplace_back(error.what());
    } catch (...) {
      texts.emplace_back("what is no std::exception");
    }
  }
  return texts;
}

SPATE_DECL std::vector<std::exception_ptr> Server::exceptions() {
  bench_->settle_unless_running();
  return bench_->thrown().all();
}

}  // namespace testing
}  // namespace spate
