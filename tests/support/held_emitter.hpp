// An emitter behind a server in memory, whose clock the test moves.
//
//   HeldEmitter hub;
//   testing::Client anna = hub.server.subscribe("/anna");
//   hub.emitter.send("anna", Event("hello"));
//   CHECK(anna.data() == Texts{"hello"});
//
// `/{user}` is a stream of that user.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <spate/history/memory_replay_store.hpp>
#include <spate/registry/emitter.hpp>
#include <spate/testing/server.hpp>

#include "support/texts.hpp"

namespace spate::test {

struct HeldEmitter {
  explicit HeldEmitter(EmitterOptions options = {}, ServerOptions server_options = {})
      : emitter(noted(std::move(options))), server(std::move(server_options)) {
    server.stream("/{user}", [this](EventStream stream) {
      emitter.add(stream.request()->param("user"), stream);
      last = std::move(stream);
    });
  }

  static EmitterOptions with_history() {
    EmitterOptions options;
    options.replay = std::make_shared<MemoryReplayStore>();
    return options;
  }

  Texts presence;  // who joined, "+anna", and who left, "-anna"
  Emitter emitter;
  std::optional<EventStream> last;  // that was opened
  testing::Server server;

 private:
  EmitterOptions noted(EmitterOptions options) {
    options.on_join = [this](const std::string& user) { presence.push_back("+" + user); };
    options.on_leave = [this](const std::string& user) { presence.push_back("-" + user); };
    return options;
  }
};

}  // namespace spate::test
