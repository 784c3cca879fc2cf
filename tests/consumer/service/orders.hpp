// The orders of a shop: whoever has ordered listens to what becomes of it.
#pragma once

#include <memory>
#include <string>

#include <spate/spate.hpp>

class Orders {
 public:
  Orders() : emitter_(kept()) {}

  void add_routes(spate::Server& server) {
    server.stream("/orders/{id}", [this](const spate::EventStream& stream) {
      spate::SubscribeOptions wanted;
      wanted.greeting = [](bool) { return spate::Event("ordered").name("state"); };
      emitter_.add(stream.request()->param("id"), stream, wanted);
    });
    server.post("/orders/{id}", [this](const spate::Request& request) {
      const auto report = emitter_.send(request.param("id"), spate::Event(request.body()).name("state"));
      return spate::Response::json(202, "{\"listening\":" + std::to_string(report.streams) + "}");
    });
  }

 private:
  static spate::EmitterOptions kept() {
    spate::EmitterOptions options;
    options.replay = std::make_shared<spate::MemoryReplayStore>();
    return options;
  }

  spate::Emitter emitter_;
};
