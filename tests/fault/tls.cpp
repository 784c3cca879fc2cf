// System calls and allocations that fail, one at a time, while clients shake hands and listen over TLS.
#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include <spate/server/server.hpp>
#include <spate/tls/tls_context.hpp>
#include "fault/calls/failing_calls.hpp"
#include "fault/calls/marked_loop.hpp"
#include "fault/calls/scenario.hpp"
#include "support/catch.hpp"
#include "support/event_client.hpp"
#include "support/exceptions.hpp"
#include "support/serving.hpp"
#include "support/tls_client.hpp"

using namespace spate;
using namespace spate::test;

namespace {

class EncryptedScenario {
 public:
  EncryptedScenario() : server_(options()) {
    server_.stream("/events", [this](EventStream stream) {
      stream.on_error([this](std::error_code error) { told.add(error.message()); });
      for (const std::size_t size : sizes) stream.send(Event(std::string(size, 'x')));
      stream.complete();
    });
    server_.get("/value", [](const Request&) { return Response::text(200, "now"); });
    asio::ip::tcp::acceptor acceptor = listening(accepting_.get_executor());
    port_ = acceptor.local_endpoint().port();
    server_.adopt(std::move(acceptor));
    mark_loop_of(server_);
  }

  /// Everything once, as often as it takes, until the server too has closed its side. Returns how often.
  int run() {
    const std::size_t descriptors = open_descriptors();
    for (int attempts = 1;; ++attempts) {
      try {
        run_once();
        CHECK(eventually([&] { return open() == 0 && open_descriptors() <= descriptors; }));
        return attempts;
      } catch (const Failure&) {
        if (attempts == 5) throw;
      }
    }
  }

  /// Without any fault: at the first attempt, and then nothing is left.
  void go_on() {
    CHECK(run() == 1);
    CHECK(eventually([&] { return server_.stats().streams == 0; }));
    CHECK(open() == 0);
  }

  ServerStats stats() const { return server_.stats(); }

  Journal told;  // by on_error and on_exception

 private:
  // The last takes more than one record. All fit into the socket: an EAGAIN that the kernel did not mean is followed
  // by no edge where it has meant one before.
  static constexpr std::size_t sizes[] = {3, 5000, 40'000};

  void run_once() {
    auto [client, engine] = tls_client(port_, {.protocols = {"http/1.1"}, .ticket = ticket_});
    client.get("/value");
    if (client.read_reply().body != "now") throw Failure("another answer");
    client.get("/events", "Connection: close\r\n");
    EventClient events(std::move(client));
    for (const std::size_t size : sizes) {
      if (events.next().data != std::string(size, 'x')) throw Failure("another event");
    }
    if (!events.rest().empty() || !events.completed()) throw Failure("another end");
    events.connection().read_end();
    ticket_ = engine->ticket();
  }

  std::uint64_t open() const {
    const OpenConnections now = server_.stats().open_connections;
    return now.http1 + now.http1_tls;
  }

  ServerOptions options() {
    static const auto tls = TlsContext::self_signed();
    ServerOptions chosen = any_port(1);
    chosen.tls = tls;
    chosen.on_exception = note_in(told);
    return chosen;
  }

  asio::io_context accepting_;
  Server server_;
  std::uint16_t port_ = 0;
  TlsTicket ticket_;
};

// What waits for the client to end has ended then.
template <typename Strike>
int strike_all(Strike strike) {
  int struck = 0;
  for (int skip = 0;; ++skip) {
    INFO("after " << skip);
    const std::size_t descriptors = open_descriptors();
    bool hit = false;
    {
      EncryptedScenario scenario;
      try {
        hit = strike(scenario, skip);
      } catch (const Failure& failure) {
        FAIL_CHECK(failure.what());
        return struck;
      }
      scenario.go_on();
    }
    CHECK(eventually([&] { return open_descriptors() == descriptors; }));
    if (!hit) return struck;
    ++struck;
  }
}

}  // namespace

TEST_CASE("no system call that fails once ends a server that encrypts, or changes what clients read", "[fault][tls]") {
  struct Row {
    Fault fault;
    bool harmless;
  };
  const Row row = GENERATE(Row{{"recv", EINTR}, true}, Row{{"recv", ECONNRESET}, false}, Row{{"recv", ENOMEM}, false},
                           Row{{"send", EINTR}, true}, Row{{"send", EAGAIN}, true}, Row{{"send", 0, 0, 1, 1}, true},
                           Row{{"send", 0, 0, 1, 7}, true}, Row{{"send", ENOBUFS}, false}, Row{{"send", EPIPE}, false},
                           Row{{"shutdown", ENOTCONN}, true}, Row{{"close", EIO}, true});
  INFO(row.fault.call << " " << std::strerror(row.fault.error));
  const int struck = strike_all([&](EncryptedScenario& scenario, int skip) {
    Fault fault = row.fault;
    fault.skip = skip;
    const FailingCall failing(fault);
    const int attempts = scenario.run();
    CHECK(attempts <= 2);
    if (row.harmless) CHECK(attempts == 1);
    return failing.struck() > 0;
  });
  CHECK(struck > 0);
}

TEST_CASE("no allocation that fails once ends a server that encrypts", "[fault][tls]") {
  const int struck = strike_all([&](EncryptedScenario& scenario, int skip) {
    const FailingAllocation failing(skip);
    CHECK(scenario.run() <= 2);
    return failing.struck();
  });
  CHECK(struck > 20);
}
