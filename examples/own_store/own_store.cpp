// A store of one's own: four functions and a file. Stop the program, start it again with the same file, and clients
// resume where they were; kill it, and they do as well.
//
//   curl -N http://127.0.0.1:8080/events/alice
//   curl -d 'hello' http://127.0.0.1:8080/send/alice
//   curl -d 'for a minute' 'http://127.0.0.1:8080/send/alice?ttl=60000'
//   curl -d 'for all' http://127.0.0.1:8080/topic/news              whoever listens with ?topic=news
//   curl -N 'http://127.0.0.1:8080/events/alice?topic=news&last_event_id=earliest'
//
// Databases and logs that are at hand already are what one would really keep history in. What a store may do besides,
// such as answer later, and keep later, stands in <spate/history/replay_store.hpp>.
#include <chrono>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>

#include <asio/io_context.hpp>

#include <spate/program.hpp>
#include <spate/spate.hpp>

#include "own_store/file_store.hpp"

namespace {

std::shared_ptr<spate::ReplayStore> open_store(const spate::Program& program, const std::string& file) {
  try {
    return std::make_shared<own_store::FileStore>(file);
  } catch (const std::exception& error) {
    program.refuse(error.what(), spate::Program::cannot_serve);
  }
}

/// Sends the body of `request` to `audience`.
spate::Response send(spate::Emitter& emitter, const spate::Audience& audience, const spate::Request& request) {
  try {
    spate::Event event(request.body());
    if (const std::optional<std::string> ttl = request.query("ttl")) {
      event.keep_for(std::chrono::milliseconds(spate::Program::number(*ttl, 1, 86'400'000)));
    }
    return spate::Response::json(202, "{\"id\":\"" + emitter.send(audience, event).id + "\"}");
  } catch (const std::invalid_argument& error) {
    return spate::Response::error(400, error.what());
  } catch (const std::ios_base::failure&) {
    return spate::Response::error(503, "the file cannot be written");
  }
}

}  // namespace

int main(int argc, char** argv) {
  std::string file = "own_store.txt";
  spate::Program program("keeps what it sends in a file");
  program.option("--file", "FILE", "keep history here", file);
  program.parse(argc, argv);

  asio::io_context io;
  spate::EmitterOptions options;
  options.replay = open_store(program, file);
  spate::Emitter emitter(options);
  spate::Server server(io, program.options);

  server.stream("/events/{user}", [&](const spate::EventStream& stream) {
    spate::SubscribeOptions wanted;
    wanted.topics = stream.request()->query_all("topic");
    try {
      emitter.add(stream.request()->param("user"), stream, wanted);
    } catch (const std::invalid_argument& error) {
      stream.reject(spate::Response::error(400, error.what()));  // more topics than a stream may have, or an empty name
    }
  });
  server.post("/send/{user}", [&](const spate::Request& request) {
    return send(emitter, spate::Audience::user(request.param("user")), request);
  });
  server.post("/topic/{topic}", [&](const spate::Request& request) {
    return send(emitter, spate::Audience::topic(request.param("topic")), request);
  });

  return program.serve(io, server);
}
