// Ordinary requests that are answered later: the request waits, no thread does.
//
//   curl http://127.0.0.1:8080/deferred     answered by another thread, after three seconds
//   curl http://127.0.0.1:8080/timeout      nobody answers in time: after one second it gets a value of its own,
//   curl 'http://127.0.0.1:8080/timeout?value=tea'     or the one that the caller asked for
//   curl http://127.0.0.1:8080/error        the work fails
#include <chrono>
#include <functional>
#include <iostream>
#include <memory>
#include <string>
#include <system_error>
#include <utility>

#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <asio/thread_pool.hpp>

#include <spate/program.hpp>
#include <spate/spate.hpp>

#include "common/pages.hpp"
#include "pages/deferred_index_html.hpp"

namespace {

using namespace std::chrono_literals;

/// Runs `work` on the worker's thread when `wait` has passed: a slow computation, as far as anybody can tell.
void later(asio::thread_pool& worker, std::chrono::milliseconds wait, std::function<void()> work) {
  auto timer = std::make_shared<asio::steady_timer>(worker, wait);
  timer->async_wait([timer, work = std::move(work)](std::error_code error) {
    if (!error) work();
  });
}

}  // namespace

int main(int argc, char** argv) {
  spate::Program program("answers some requests later", argc, argv);
  asio::io_context io;
  asio::thread_pool worker(1);
  spate::Server server(io, program.options);
  examples::add_page(server, pages::deferred_index_html);

  server.get("/deferred", [&](const spate::Request&, const spate::PendingResponse& pending) {
    pending.on_error(
        [](std::error_code error) { std::cerr << "nobody waits any more: " << error.message() << std::endl; });
    // Any thread may answer.
    later(worker, 3s, [pending] { pending.respond(spate::Response::text(200, "the result, three seconds later")); });
  });

  server.get("/timeout", [&](const spate::Request& request, const spate::PendingResponse& pending) {
    const std::string value = request.query("value").value_or("no result within one second");
    pending.expire_after(1s, spate::Response::text(200, value));
    pending.on_timeout([] { std::cerr << "too late: the request has got its own value" << std::endl; });
    // The first answer counts: this one is refused.
    later(worker, 3s, [pending] { pending.respond(spate::Response::text(200, "the result")); });
  });

  server.get("/error", [&](const spate::Request&, const spate::PendingResponse& pending) {
    later(worker, 1s, [pending] { pending.respond(spate::Response::error(500, "the work failed")); });
  });

  return program.serve(io, server);
}
