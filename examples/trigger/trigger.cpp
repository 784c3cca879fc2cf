// Events that come when something happens, and several kinds of them over one stream: a client names the kinds that it
// wants to hear of, or none to hear of all.
//
//   curl -N 'http://127.0.0.1:8080/events?event=customer&event=order'
//   curl 'http://127.0.0.1:8080/trigger?eventType=customer'
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>

#include <asio/io_context.hpp>

#include <spate/program.hpp>
#include <spate/spate.hpp>

#include "common/pages.hpp"
#include "pages/trigger_index_html.hpp"

namespace {

/// What happened: the kind is the event's name, the rest its data.
spate::Event happening(const std::string& kind, std::uint64_t number) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
  return spate::Event("{\"number\":" + std::to_string(number) + ",\"time\":" + std::to_string(milliseconds) + "}")
      .name(kind);
}

}  // namespace

int main(int argc, char** argv) {
  spate::Program program("tells whoever listens what was triggered", argc, argv);
  asio::io_context io;
  spate::EmitterOptions options;
  options.replay = std::make_shared<spate::MemoryReplayStore>();
  spate::Emitter emitter(options);
  spate::Server server(io, program.options);
  examples::add_page(server, pages::trigger_index_html);

  server.stream("/events", [&](const spate::EventStream& stream) {
    spate::SubscribeOptions wanted;
    wanted.events = stream.request()->query_all("event");
    try {
      emitter.add("everybody", stream, wanted);
    } catch (const std::invalid_argument& error) {
      stream.reject(spate::Response::error(400, error.what()));  // more names than a stream may have
    }
  });

  // Not `server.get`, which would answer HEAD too: a look must not trigger anything.
  server.route({"GET"}, "/trigger", [&, number = std::uint64_t{0}](const spate::Request& request) mutable {
    const std::optional<std::string> kind = request.query("eventType");
    if (!kind || kind->empty()) return spate::Response::error(400, "which eventType?");
    try {
      const spate::SendReport report = emitter.broadcast(happening(*kind, ++number));
      return spate::Response::json(202,
                                   "{\"id\":\"" + report.id + "\",\"streams\":" + std::to_string(report.streams) + "}");
    } catch (const std::invalid_argument&) {
      return spate::Response::error(400, "eventType must be valid UTF-8 without line ends, not " + spate::quote(*kind));
    }
  });

  return program.serve(io, server);
}
