// bare: the library with nothing around it but three routes: no replay, no checks, no metrics. Beside the hub it shows
// what these cost.
#include <sys/resource.h>

#include <csignal>
#include <cstdlib>
#include <iostream>
#include <string>
#include <string_view>

#include <spate/spate.hpp>

namespace {

spate::Response accepted(const spate::SendReport& report) {
  return spate::Response::json(202, "{\"streams\":" + std::to_string(report.streams) + "}");
}

}  // namespace

int main(int argc, char** argv) {
  spate::ServerOptions options;
  options.port = 0;
  options.threads = 1;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view name = argv[i];
    if (name == "--port") options.port = static_cast<std::uint16_t>(std::atoi(argv[i + 1]));
    if (name == "--threads") options.threads = static_cast<std::size_t>(std::atoi(argv[i + 1]));
  }
  rlimit limit;
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);

  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  spate::Server server(options);
  spate::EmitterOptions emitter_options;
  emitter_options.executor = server.get_executor();
  spate::Emitter emitter(emitter_options);
  server.stream("/sse/subscribe/{user}",
                [&](const spate::EventStream& stream) { emitter.add(stream.request()->param("user"), stream); });
  server.post("/sse/send/{user}", [&](const spate::Request& request) {
    return accepted(emitter.send(request.param("user"), spate::Event(request.body())));
  });
  server.post("/sse/group/{prefix}", [&](const spate::Request& request) {
    return accepted(emitter.send_group(request.param("prefix"), spate::Event(request.body())));
  });
  server.post("/sse/broadcast", [&](const spate::Request& request, const spate::PendingResponse& pending) {
    const spate::Event event(request.body());
    emitter.async_send(
        spate::Audience::everybody(), event,
        [pending](std::error_code, const spate::SendReport& report) { pending.respond(accepted(report)); });
  });
  server.start();
  std::cout << "listening on http://127.0.0.1:" << server.port() << std::endl;
  int received = 0;
  sigwait(&signals, &received);
}
