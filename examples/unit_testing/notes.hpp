// The service: boards, to each of which anybody may listen, and who has the token may pin a note.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include <spate/spate.hpp>

/// Lives longer than the server that has its routes.
class Notes {
 public:
  explicit Notes(std::string token) : token_(std::move(token)), boards_(with_history()) {}

  /// Any server: one on a port, or one in memory.
  void add_routes(spate::Server& server) {
    server.stream("/boards/{board}",
                  [this](const spate::EventStream& stream) { boards_.add(stream.request()->param("board"), stream); });

    spate::RouteOptions writers;
    writers.authorize = [this](spate::Request& request) -> std::optional<spate::Response> {
      if (request.header("authorization") == "Bearer " + token_) return std::nullopt;
      return spate::Response::error(401, "who are you?").header("WWW-Authenticate", "Bearer");
    };
    server.post(
        "/boards/{board}", [this](const spate::Request& request) { return pin(request); }, writers);
  }

 private:
  static spate::EmitterOptions with_history() {
    spate::EmitterOptions options;
    options.replay = std::make_shared<spate::MemoryReplayStore>();
    return options;
  }

  spate::Response pin(const spate::Request& request) {
    if (request.body().empty()) return spate::Response::error(400, "an empty note");
    const auto report = boards_.send(request.param("board"), spate::Event(request.body()).name("note"));
    return spate::Response::json(202, "{\"streams\":" + std::to_string(report.streams) + "}");
  }

  const std::string token_;
  spate::Emitter boards_;
};
