// Whole connections: bytes in, answers out, through parser, router, sessions and streams. However the bytes are cut,
// the same handlers run and the same answers come. (RFC 9112 9.3.2)
#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include <asio/post.hpp>

#include <spate/http/detail/tokens.hpp>
#include <spate/spate.hpp>
#include "fuzz/local_connection.hpp"

using namespace spate;
using test::require;

namespace {

// What the handlers were given, of the connection under way.
std::string executed;

std::string noted(const Request& request) {
  std::string line(request.method());
  line.append(" ").append(request.target()).append(" ");
  if (request.has_param("id")) line += request.param("id");
  for (const auto& [name, value] : request.headers()) line.append(" ").append(name).append("=").append(value);
  line.append(" ").append(request.body()).append("\n");
  executed += line;
  return line;
}

struct World {
  asio::io_context io{1};
  Server server{io, options()};

  World() {
    server.route({"GET", "HEAD", "POST"}, "/n/{id}", [](const Request& r) { return Response::text(200, noted(r)); });
    server.post("/l", [this](const Request& r, PendingResponse pending) {
      asio::post(io, [pending = std::move(pending), line = noted(r)] { pending.respond(Response::text(200, line)); });
    });
    server.stream("/s", [](const EventStream& stream) {
      noted(*stream.request());
      stream.send(Event("once"));
      stream.complete();
    });
    server.stream("POST", "/s", [](const EventStream& stream) { stream.complete(Event(noted(*stream.request()))); });
    server.stream("/open", [](const EventStream& stream) {
      noted(*stream.request());
      stream.send(Event("once"));
    });
  }

  // Small limits: inputs are small too.
  static ServerOptions options() {
    ServerOptions options;
    options.limits.max_target_bytes = 64;
    options.limits.max_header_bytes = 256;
    options.limits.max_header_count = 8;
    options.limits.max_body_bytes = 64;
    options.request_timeout = options.idle_timeout = std::chrono::milliseconds(0);
    options.stream.retry = std::nullopt;
    options.on_exception = [](const std::exception_ptr&) { executed += "an exception\n"; };
    return options;
  }
};

// Everything that came of it, but for the time of day.
std::string outcome(World& world, const test::Pieces& pieces) {
  executed.clear();
  std::string answers;
  {
    test::LocalConnection connection(world.io, world.server);
    for (const test::Piece& piece : pieces) connection.send(piece.view());
    answers = connection.finish();
  }
  constexpr std::string_view date = "\r\nDate: ";
  constexpr std::size_t date_size = 29;
  for (std::size_t at = 0; (at = answers.find(date, at)) != std::string::npos; at += date.size()) {
    answers.replace(at + date.size(), date_size, "now");
  }
  require(answers.empty() || answers.starts_with("HTTP/1.1 "), "what comes first is an answer", answers);
  return executed + "\n" + answers;
}

bool mentions_continue(std::string_view input) {
  std::string lower(input);
  std::transform(lower.begin(), lower.end(), lower.begin(), detail::ascii_lower);
  return lower.find("100-continue") != std::string::npos;
}

}  // namespace

void fuzz(std::string_view input) {
  static World world;
  const std::string whole = outcome(world, test::cut(input, {}));
  for (const test::Pieces& pieces : test::some_cuts(input)) {
    const std::string other = outcome(world, pieces);
    // Who waits for a 100 gets it, or a refusal, only when the body has not come already. (RFC 9110 10.1.1)
    if (!mentions_continue(input)) require(other == whole, "cutting changes nothing", whole + " >< " + other);
  }
}
