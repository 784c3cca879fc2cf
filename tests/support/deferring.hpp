// A server that answers nothing by itself: the test gives the answers.
//
//   Deferring deferring;
//   Client client(deferring.serving.port());
//   const PendingResponse pending = deferring.ask(client);
//   pending.respond(Response::text(200, "later"));
//   CHECK(client.read_reply().body == "later");
#pragma once

#include <utility>

#include <spate/http/request.hpp>
#include <spate/http/response.hpp>
#include <spate/server/pending_response.hpp>
#include <spate/server/server.hpp>
#include "support/client.hpp"
#include "support/eventually.hpp"
#include "support/serving.hpp"

namespace spate::test {

struct Deferring {
  /// Asks for `/` on the connection of `client`; returns what the handler was given to answer it.
  PendingResponse ask(Client& client) {
    client.get("/");
    return taken.take();
  }

  Awaited<PendingResponse> taken;  // of requests for `/`
  Serving serving{[this](Server& server) {
    server.get("/", [this](const Request&, PendingResponse pending) { taken.set(std::move(pending)); });
    server.get("/next", [](const Request&) { return Response::text(200, "next"); });
  }};
};

}  // namespace spate::test
