// A slow job with its result by event: the request for an export returns at once, a worker writes the file, and the
// user who asked, and nobody else, is told how far it is and where to get it.
//
//   curl -N http://127.0.0.1:8080/events/alice
//   curl -X POST http://127.0.0.1:8080/export/alice
//   curl -X POST 'http://127.0.0.1:8080/export/alice?fail=1'
//   curl -OJ -C - http://127.0.0.1:8080/files/...      the url of the event `ready`; -C - resumes
//
// Users are taken at their word here; a real service would ask who they are in RouteOptions::authorize.
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <asio/io_context.hpp>

#include <spate/program.hpp>
#include <spate/spate.hpp>

#include "common/pages.hpp"
#include "download/exports.hpp"
#include "pages/download_index_html.hpp"

int main(int argc, char** argv) {
  download::Settings settings;
  spate::Program program("exports files and tells their users when they are ready");
  program.option("--rows", "N", "rows of an export", settings.rows, std::size_t{1});
  program.option("--export-ms", "N", "how long an export takes at least", settings.duration);
  program.parse(argc, argv);

  asio::io_context io;
  spate::EmitterOptions options;
  // A user who was away when the export got ready is told on coming back.
  options.replay = std::make_shared<spate::MemoryReplayStore>();
  spate::Emitter emitter(options);
  download::Exports exports(emitter, settings);
  spate::Server server(io, program.options);
  examples::add_page(server, pages::download_index_html);

  server.stream("/events/{user}",
                [&](const spate::EventStream& stream) { emitter.add(stream.request()->param("user"), stream); });

  server.post("/export/{user}", [&](const spate::Request& request) {
    const bool fail = request.query("fail").value_or("0") == "1";
    const std::optional<std::string> id = exports.begin(
        std::string(request.param("user")), fail ? download::Outcome::fail_halfway : download::Outcome::succeed);
    if (!id) return spate::Response::error(503, "too many exports are under way").header("Retry-After", "1");
    return spate::Response::json(202, "{\"id\":" + spate::json_string(*id) + "}");
  });

  server.get("/files/{name}", [&](const spate::Request& request, spate::PendingResponse pending) {
    // If-Range asks for the rest only of the very same file, which has no validator here: the whole is always right.
    // A HEAD has no parts. (RFC 9110 14.2)
    const bool may_be_part =
        request.method() == "GET" && !request.header("if-range") && request.header_count("range") == 1;
    exports.answer(std::string(request.param("name")), std::string(may_be_part ? *request.header("range") : ""),
                   std::move(pending));
  });

  return program.serve(io, server);
}
