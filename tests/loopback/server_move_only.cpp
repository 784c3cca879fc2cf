// Handlers and hooks that can only be moved, of every kind.
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <asio/awaitable.hpp>

#include <spate/server/all_of.hpp>

#include "support/catch.hpp"
#include "support/client.hpp"
#include "support/serving.hpp"

using namespace spate;
using namespace spate::test;

namespace {

std::unique_ptr<const std::string> owned(const char* text) {
  return std::make_unique<const std::string>(text);
}

std::string body_of(const Serving& serving, const char* target) {
  Client client(serving.port());
  client.get(target);
  return client.read_reply().body;
}

}  // namespace

TEST_CASE("handlers and hooks that can only be moved are accepted", "[loopback][server][handlers]") {
  Serving serving([](Server& server) {
    server.get("/value", [text = owned("value")](const Request&) { return Response::text(200, *text); });
    server.get("/coroutine", [text = owned("coroutine")](const Request&) -> asio::awaitable<Response> {
      co_return Response::text(200, *text);
    });
    server.get("/pending", [text = owned("pending")](const Request&, const PendingResponse& pending) {
      pending.respond(Response::text(200, *text));
    });
    server.get("/pieces", [text = owned("pieces")](const Request&, const StreamedResponse& response) {
      response.begin(Response::text(200, *text));
      response.finish();
    });
    server.get(
        "/pieces/coroutine",
        [text = owned("pieces of a coroutine")](const Request&, StreamedResponse response) -> asio::awaitable<void> {
          response.begin(Response::text(200, *text));
          co_return;
        });
    server.stream("/stream", [text = owned("stream")](const EventStream& stream) {
      stream.send(Event(*text));
      stream.complete();
    });
    server.stream("/stream/coroutine",
                  [text = owned("stream of a coroutine")](EventStream stream) -> asio::awaitable<void> {
                    stream.send(Event(*text));
                    co_return;
                  });
    server.fallback([text = owned("fallback")](const Request&) { return Response::text(404, *text); });
    RouteOptions guarded;
    guarded.authorize = [text = owned("refused")](Request&) -> std::optional<Response> {
      return Response::text(403, *text);
    };
    server.get(
        "/hook", [](const Request&) { return Response(204); }, guarded);
    guarded.authorize = [text = owned("refused later")](Request&) -> asio::awaitable<std::optional<Response>> {
      co_return Response::text(403, *text);
    };
    server.get(
        "/hook/coroutine", [](const Request&) { return Response(204); }, guarded);
    guarded.authorize = all_of([passes = owned("passes")](Request&) -> std::optional<Response> { return std::nullopt; },
                               [text = owned("refused by the second")](Request&) -> std::optional<Response> {
                                 return Response::text(403, *text);
                               });
    server.get(
        "/hook/all", [](const Request&) { return Response(204); }, std::move(guarded));
  });
  CHECK(body_of(serving, "/value") == "value");
  CHECK(body_of(serving, "/coroutine") == "coroutine");
  CHECK(body_of(serving, "/pending") == "pending");
  CHECK(body_of(serving, "/pieces") == "pieces");
  CHECK(body_of(serving, "/pieces/coroutine") == "pieces of a coroutine");
  CHECK(body_of(serving, "/stream") == "data: stream\n\n");
  CHECK(body_of(serving, "/stream/coroutine") == "data: stream of a coroutine\n\n");
  CHECK(body_of(serving, "/elsewhere") == "fallback");
  CHECK(body_of(serving, "/hook") == "refused");
  CHECK(body_of(serving, "/hook/coroutine") == "refused later");
  CHECK(body_of(serving, "/hook/all") == "refused by the second");
}
