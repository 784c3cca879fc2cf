// Every kind of handler and hook that is no coroutine, for a look at whether they compile.
#pragma once

#include <memory>
#include <optional>
#include <system_error>
#include <utility>

#include <spate/program.hpp>
#include <spate/spate.hpp>

inline void add_routes(spate::Server& server, spate::Emitter& emitter) {
  spate::RouteOptions guarded;
  const auto pass = [](spate::Request&) { return std::optional<spate::Response>(); };
  guarded.authorize = spate::all_of(pass, pass);
  server.get(
      "/value", [](const spate::Request&) { return spate::Response(204); }, guarded);
  server.get("/pending", [](const spate::Request&, const spate::PendingResponse& pending) {
    pending.respond(spate::Response(204));
  });
  server.get("/pieces", [](const spate::Request&, const spate::StreamedResponse& response) {
    response.async_write("piece", [response](std::error_code) { response.finish(); });
  });
  server.stream("/stream", [&emitter, owned = std::make_unique<int>(1)](const spate::EventStream& stream) {
    emitter.add("ann", stream);
    stream.on_complete([] {});
    stream.async_send(spate::Event("an event"), [stream](std::error_code) { stream.complete(); });
    stream.async_closed([](std::error_code) {});
  });
  server.fallback([](const spate::Request&) { return spate::Response(404); });
  emitter.async_send(spate::Audience::user("ann"), spate::Event("an event"), [](std::error_code, spate::SendReport) {});
}
