// Memory that runs out at any allocation of the server's loop while streams are compressed: some in step with each
// other, one that gets something of its own, one that comes late and one that leaves. Whatever fails, each client reads
// exactly what it was sent: bytes that say anything else end its test.
#include <cstddef>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include <spate/registry/emitter.hpp>
#include <spate/server/server.hpp>
#include <spate/zlib/gzip.hpp>
#include "fault/calls/failing_calls.hpp"
#include "fault/calls/marked_loop.hpp"
#include "support/catch.hpp"
#include "support/emitter_server.hpp"
#include "support/exceptions.hpp"
#include "support/resuming_client.hpp"
#include "support/serving.hpp"

using namespace spate;
using namespace spate::test;

namespace {

using Texts = std::vector<std::string>;

/// A server on a loop whose allocations may fail, and an emitter whose streams are `/{user}`.
struct Compressing {
  Compressing() : emitter(with_store()), server(options()) {
    server.stream("/{user}",
                  [this](const EventStream& stream) { emitter.add(stream.request()->param("user"), stream); });
    server.start();
    mark_loop_of(server);
  }

  ServerOptions options() {
    ServerOptions chosen = any_port(1);
    chosen.compression = std::make_shared<Gzip>();
    chosen.stream.heartbeat = {};  // nothing else is to bring along what was forgotten
    chosen.on_exception = note_in(told);
    return chosen;
  }

  ResumingClient client(const std::string& user) const {
    return ResumingClient(server.port(), "/" + user + "?last_event_id=earliest", "Accept-Encoding: gzip\r\n");
  }
  std::string broadcast(const std::string& text, Texts& one, Texts& other) {
    emitter.broadcast(Event(text));
    one.push_back(text);
    other.push_back(text);
    return text;
  }

  Journal told;
  Emitter emitter;
  Server server;
};

/// The whole story; returns how often its clients had to connect.
int tell(Compressing& hub) {
  const std::string much(2'000, '.');  // compressed though one stream gets it
  ResumingClient anna = hub.client("anna"), bert = hub.client("bert");
  Texts to_anna, to_bert;
  const auto both_hear = [&](const std::string& text) {
    anna.listen_until(text);
    bert.listen_until(text);
  };
  both_hear(hub.broadcast("first", to_anna, to_bert));
  for (int i = 0; i < 3; ++i) both_hear(hub.broadcast("in step " + std::to_string(i), to_anna, to_bert));
  for (const std::string& text : {std::string("for anna alone"), "much for anna alone" + much}) {
    hub.emitter.send("anna", Event(text));
    to_anna.push_back(text);
    both_hear(hub.broadcast("after " + text.substr(0, 4), to_anna, to_bert));
  }
  // The third comes while the others wait, and goes.
  ResumingClient late = hub.client("late");
  late.listen_until(to_bert.back());
  both_hear(hub.broadcast("for three", to_anna, to_bert));
  late.listen_until("for three");
  CHECK(late.heard() == to_bert);
  late.leave();
  hub.emitter.remove("bert");  // it comes back
  hub.broadcast("for bert, when it is back", to_anna, to_bert);
  both_hear(hub.broadcast("last", to_anna, to_bert));
  CHECK(anna.heard() == to_anna);
  CHECK(bert.heard() == to_bert);
  CHECK(anna.gaps().empty());
  CHECK(bert.gaps().empty());
  return anna.connects() + bert.connects() + late.connects();
}

}  // namespace

TEST_CASE("no allocation that fails once costs a compressed stream an event", "[fault][zlib]") {
  long struck = 0;
  for (long skip = 0;; ++skip) {
    INFO("after " << skip << " allocations");
    Compressing hub;
    bool hit = false;
    {
      const FailingAllocation failing(skip);
      tell(hub);
      hit = failing.struck();
    }
    for (const std::string& each : hub.told.entries()) {
      CHECK((each == "std::bad_alloc" || each == std::make_error_code(std::errc::not_enough_memory).message()));
    }
    if (!hit) break;
    ++struck;
  }
  CHECK(struck > 60);
}
