// Compressed streams get exactly what their uncompressed twins get, at once, whatever else happens to them.
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <spate/stream/stream_host.hpp>
#include <spate/zlib/gzip.hpp>
#include "support/catch.hpp"
#include "support/emitter_server.hpp"
#include "support/event_client.hpp"
#include "support/inflating.hpp"
#include "support/serving.hpp"

using namespace spate;
using namespace spate::test;
using namespace std::chrono_literals;

namespace {

constexpr std::string_view asks = "Accept-Encoding: gzip\r\n";

ServerOptions compressing(StreamOptions streams = {}) {
  ServerOptions options;
  options.stream = std::move(streams);
  options.compression = std::make_shared<Gzip>();
  return options;
}

/// A server whose streams are those of an emitter, `/{user}`; ?event= filters, ?topic= joins.
struct Hub {
  explicit Hub(StreamOptions streams = {}, int send_buffer = 0)
      : serving(
            [&](Server& server) {
              server.stream("/{user}", [this](const EventStream& stream) { add(stream); });
              RouteOptions bare;
              bare.compress = RouteOptions::Check::off;
              server.stream(
                  "/bare/{user}", [this](const EventStream& stream) { add(stream); }, bare);
            },
            compressing(std::move(streams)), send_buffer) {}

  void add(const EventStream& stream) {
    const auto request = stream.request();
    SubscribeOptions wanted;
    wanted.events = request->query_all("event");
    wanted.topics = request->query_all("topic");
    wanted.greeting = [](bool resumed) { return Event(resumed ? "resumed" : "fresh").name("greeting"); };
    emitter.add(request->param("user"), stream, wanted);
  }

  EventClient open(const std::string& target, std::string_view fields = asks, std::string_view version = "HTTP/1.1",
                   int receive_buffer = 0) const {
    EventClient client(serving.port(), target, fields, version, receive_buffer);
    CHECK(client.next().name == "greeting");
    return client;
  }

  Emitter emitter{with_store()};
  Serving serving;
};

std::string tick(int number) {
  return R"({"symbol":"SPT","price":)" + std::to_string(100 + number * 37 % 900) + R"(,"volume":)" +
         std::to_string(number * 7919 % 100'000) + R"(,"venue":"XETR","currency":"EUR","time":)" +
         std::to_string(1'700'000'000'000 + number * 137) + "}";
}

bool same(const DecodedEvent& a, const DecodedEvent& b) {
  return a.name == b.name && a.data == b.data && a.id == b.id && a.retry == b.retry;
}

}  // namespace

TEST_CASE("a stream is compressed for a client that asks for it, and each event can be read as soon as it was sent") {
  Hub hub;
  EventClient client = hub.open("/anna");
  CHECK(client.head().field("Content-Encoding") == "gzip");
  CHECK(client.head().field("Vary") == "Accept-Encoding");
  CHECK(client.head().field("Cache-Control") == "no-store, no-transform");
  for (int i = 0; i < 100; ++i) {
    hub.emitter.broadcast(Event(tick(i)));
    CHECK(client.next().data == tick(i));
    hub.emitter.send("anna", Event("for anna").name("note"));
    CHECK(client.next().data == "for anna");
  }
  hub.emitter.remove("anna");
  CHECK(client.completed());  // with the right sum and length
}

TEST_CASE("who does not ask, or asks not to, gets the stream as it is") {
  Hub hub;
  const std::string_view fields =
      GENERATE("", "Accept-Encoding: identity\r\n", "Accept-Encoding: gzip;q=0\r\n", "Accept-Encoding: br, zstd\r\n",
               "Accept-Encoding: *;q=0\r\n", "Accept-Encoding:\r\n", "Accept-Encoding: gzip;q=0, *\r\n");
  CAPTURE(fields);
  EventClient client = hub.open("/anna", fields);
  CHECK(client.head().count("Content-Encoding") == 0);
  CHECK(client.head().field("Vary") == "Accept-Encoding");
  hub.emitter.broadcast(Event("hello"));
  CHECK(client.next().data == "hello");
}

TEST_CASE("gzip is admitted by name, in any case and at any weight, and by a star") {
  Hub hub;
  const std::string_view fields =
      GENERATE("Accept-Encoding: GZip\r\n", "Accept-Encoding: br;q=1, gzip;q=0.001\r\n", "Accept-Encoding: *\r\n",
               "Accept-Encoding: deflate\r\nAccept-Encoding: gzip\r\n");
  CAPTURE(fields);
  CHECK(hub.open("/anna", fields).head().field("Content-Encoding") == "gzip");
}

TEST_CASE("a route that is not compressed says nothing of it") {
  Hub hub;
  EventClient client = hub.open("/bare/anna");
  CHECK(client.head().count("Content-Encoding") == 0);
  CHECK(client.head().count("Vary") == 0);
}

TEST_CASE("a HEAD is answered with the same fields") {
  Hub hub;
  Client client(hub.serving.port());
  client.send("HEAD /anna HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\n\r\n");
  const Reply reply = client.read_reply(Client::Method::head);
  CHECK(reply.status == 200);
  CHECK(reply.field("Content-Encoding") == "gzip");
  CHECK(reply.field("Vary") == "Accept-Encoding");
}

TEST_CASE("a stream whose program has coded it itself is left alone") {
  Serving serving(
      [](Server& server) {
        server.stream("/own", [](const EventStream& stream) {
          stream.header("Content-Encoding", "identity");
          stream.send(Event("hello"));
        });
      },
      compressing());
  EventClient client(serving.port(), "/own", asks);
  CHECK(client.head().field("Content-Encoding") == "identity");
  CHECK(client.next().data == "hello");
}

TEST_CASE("compressed streams get what their twins get, in order, whenever they come and whatever is sent") {
  const unsigned seed = GENERATE(range(1U, 9U));
  const std::string_view version = GENERATE("HTTP/1.1", "HTTP/1.0");
  CAPTURE(seed, version);
  std::mt19937 random(seed);
  Hub hub;
  struct Twins {
    EventClient compressed, plain;
  };
  std::vector<Twins> all;
  const std::vector<std::string> users{"team-anna", "team-bob", "carol", "dave"};
  for (int step = 0; step < 300; ++step) {
    if (all.empty() || (all.size() < 12 && random() % 25 == 0)) {
      std::string target = "/" + users[random() % users.size()] + (random() % 3 == 0 ? "?topic=news" : "?x=1");
      if (random() % 5 == 0) target += "&event=tick&event=greeting";
      all.push_back({hub.open(target, asks, version), hub.open(target, "", version)});
    }
    const std::string text = random() % 40 == 0 ? std::string(5000 + random() % 90'000, 'x') + tick(step) : tick(step);
    Event event(text);
    if (random() % 3 == 0) event.name("tick");
    switch (random() % 6) {
      case 0: hub.emitter.send(users[random() % users.size()], event); break;
      case 1: hub.emitter.send_group("team-", event); break;
      case 2: hub.emitter.send(Audience::topic("news"), event); break;
      default: hub.emitter.broadcast(event);
    }
    if (random() % 30 == 0) hub.emitter.broadcast(Event().comment("nothing"));
  }
  hub.emitter.broadcast(Event("the last").name("tick"));
  for (Twins& twins : all) {
    for (int count = 0;; ++count) {
      const DecodedEvent plain = twins.plain.next(), compressed = twins.compressed.next();
      CAPTURE(count, plain.data.substr(0, 100), compressed.data.substr(0, 100));
      REQUIRE(same(plain, compressed));
      if (plain.data == "the last") break;
    }
  }
  for (const std::string& user : users) hub.emitter.remove(user);
  for (Twins& twins : all) {
    CHECK(twins.compressed.completed());
    CHECK(twins.plain.completed());
  }
}

TEST_CASE("a client that reads late gets everything all the same, and the end is right") {
  StreamOptions streams;
  streams.max_queued_bytes = 64 * 1024 * 1024;
  Hub hub(streams, Serving::small_buffer);
  EventClient slow = hub.open("/anna", asks, "HTTP/1.1", Serving::small_buffer);
  EventClient quick = hub.open("/bob");
  std::mt19937 random(11);
  std::vector<std::string> expected;
  for (int i = 0; i < 3000; ++i) {
    std::string text = tick(i);
    for (int j = 0; j < 20; ++j) text += std::to_string(random());  // which does not get much shorter
    if (random() % 10 == 0) {
      hub.emitter.send("anna", Event(text));
    } else {
      hub.emitter.broadcast(Event(text));
    }
    expected.push_back(text);
  }
  hub.emitter.remove("anna");
  for (std::size_t i = 0; i < expected.size(); ++i) {
    CAPTURE(i);
    REQUIRE(slow.next().data == expected[i]);
  }
  CHECK(slow.completed());
}

TEST_CASE("what is broadcast costs those who were there from the start little, and who comes late soon as well") {
  Hub hub;
  EventClient first = hub.open("/anna");
  std::size_t before = first.body_bytes();
  constexpr int events = 300;
  for (int i = 0; i < events; ++i) hub.emitter.broadcast(Event(tick(i)));
  for (int i = 0; i < events; ++i) CHECK(first.next().data == tick(i));
  const std::size_t plain = EncodedEvent(Event(tick(7)).id(std::string(20, 'i'))).bytes().size();
  CHECK((first.body_bytes() - before) / events < plain / 2);
  EventClient late = hub.open("/bob");
  before = late.body_bytes();
  for (int i = 0; i < events; ++i) hub.emitter.broadcast(Event(tick(i)));
  for (int i = 0; i < events; ++i) CHECK(late.next().data == tick(i));
  CHECK((late.body_bytes() - before) / events < plain / 2);
}

TEST_CASE("an event of its own costs a stream its place among the others for no byte") {
  Hub hub;
  EventClient anna = hub.open("/anna");
  EventClient bob = hub.open("/bob");
  std::size_t anna_before = anna.body_bytes(), bob_before = bob.body_bytes();
  constexpr int events = 200;
  std::size_t own = 0;
  for (int i = 0; i < events; ++i) {
    hub.emitter.broadcast(Event(tick(i)));
    if (i % 2 == 0) hub.emitter.send("anna", Event("for anna alone"));
  }
  for (int i = 0; i < events; ++i) {
    CHECK(anna.next().data == tick(i));
    if (i % 2 == 0) {
      const DecodedEvent event = anna.next();
      CHECK(event.data == "for anna alone");
      own += event.data.size() + event.id->size() + 30;
    }
    CHECK(bob.next().data == tick(i));
  }
  // What both got costs anna hardly more.
  CHECK(anna.body_bytes() - anna_before - own < (bob.body_bytes() - bob_before) * 13 / 10);
}

TEST_CASE("a stream in two emitters gets the broadcasts of both") {
  Emitter one(with_store()), other(with_store());
  Serving serving(
      [&](Server& server) {
        server.stream("/{user}", [&](const EventStream& stream) {
          one.add("anna", stream);
          other.add("anna", stream);
        });
      },
      compressing());
  EventClient client(serving.port(), "/anna", asks);
  REQUIRE(eventually([&] { return one.stream_count() == 1 && other.stream_count() == 1; }));
  std::mt19937 random(3);
  for (int i = 0; i < 300; ++i) {
    Emitter& emitter = random() % 2 == 0 ? one : other;
    if (random() % 5 == 0) {
      emitter.send("anna", Event(tick(i)));
    } else {
      emitter.broadcast(Event(tick(i)));
    }
    CHECK(client.next().data == tick(i));
  }
  one.remove("anna");
  CHECK(client.completed());
}

TEST_CASE("a replay is compressed as a whole, and live events follow it") {
  Hub hub;
  std::string plain;
  for (int i = 0; i < 500; ++i) {
    hub.emitter.broadcast(Event(tick(i)));
    plain += tick(i);
    if (i % 50 == 0) hub.emitter.send("anna", Event("secret"));
  }
  const std::string_view version = GENERATE("HTTP/1.1", "HTTP/1.0");
  for (int round = 0; round < 2; ++round) {  // the second finds what was made for the first
    EventClient client = hub.open("/anna", "Accept-Encoding: gzip\r\nLast-Event-ID: earliest\r\n", version);
    for (int i = 0; i < 500; ++i) {
      CHECK(client.next().data == tick(i));
      if (i % 50 == 0) CHECK(client.next().data == "secret");
    }
    CHECK(client.body_bytes() < plain.size() / 3);
    REQUIRE(eventually([&] { return hub.emitter.stream_count() > 0; }));
    hub.emitter.broadcast(Event("live").keep(false));
    CHECK(client.next().data == "live");
    hub.emitter.remove("anna");
    CHECK(client.completed());
  }
}

TEST_CASE("each policy drops from a compressed stream what it drops from its twin, and what is left can be read") {
  const Overflow policy = GENERATE(Overflow::drop_oldest, Overflow::drop_newest, Overflow::coalesce);
  StreamOptions streams;
  streams.overflow = policy;
  streams.max_queued_bytes = 32 * 1024;
  Hub hub(streams, Serving::small_buffer);
  EventClient slow = hub.open("/anna", asks, "HTTP/1.1", Serving::small_buffer);
  std::mt19937 random(5);
  std::string noise(2000, '\0');
  for (int i = 0; i < 2000; ++i) {
    for (char& c : noise) c = static_cast<char>('!' + random() % 90);
    hub.emitter.broadcast(Event(noise).name(i % 2 == 0 ? "even" : "odd"));
  }
  // The end has its place whatever was dropped before it.
  hub.emitter.remove("anna");
  std::size_t events = 0, gaps = 0;
  for (const DecodedEvent& event : slow.rest_of_events()) ++(event.name == "gap" ? gaps : events);
  CHECK(events > 0);
  CHECK(events < 2000);
  CHECK(gaps > 0);
  CHECK(slow.completed());
}

TEST_CASE("a stream that overflows is cut, and counts what waits uncompressed") {
  StreamOptions streams;
  streams.max_queued_bytes = 100'000;
  Hub hub(streams, Serving::small_buffer);
  EventClient slow = hub.open("/anna", asks, "HTTP/1.1", Serving::small_buffer);
  // So much of the same that hardly anything would wait: but what it is when it is read again does.
  std::mt19937 random(5);
  std::string noise(40'000, '\0');
  for (char& c : noise) c = static_cast<char>('!' + random() % 90);
  for (int i = 0; i < 200 && hub.emitter.stream_count() > 0; ++i) hub.emitter.send("anna", Event(noise));
  CHECK(eventually([&] { return hub.emitter.stream_count() == 0; }));
  slow.rest();
  CHECK_FALSE(slow.completed());
}

TEST_CASE("heartbeats are compressed, short, and cost nobody anything") {
  StreamOptions streams;
  streams.heartbeat = 20ms;
  Hub hub(streams);
  EventClient client = hub.open("/anna");
  const std::size_t before = client.body_bytes();
  for (int i = 0; i < 5; ++i) CHECK(client.next_comment().empty());
  CHECK(client.body_bytes() - before <= 6 * 12);
  hub.emitter.broadcast(Event(tick(1)));
  CHECK(client.next().data == tick(1));
}

TEST_CASE("an endless page is compressed as well") {
  Hub hub;
  Client client(hub.serving.port());
  client.get("/anna?transport=iframe", asks);
  const Head head = client.read_head();
  CHECK(head.field("Content-Encoding") == "gzip");
  Inflating body;
  std::string text, chunk;
  while (text.find("greeting") == std::string::npos) {
    REQUIRE(client.read_chunk(chunk));
    text += body.feed(chunk);
  }
  CHECK(text.starts_with("<!DOCTYPE html>"));
  CHECK(text.size() > 4096);
  hub.emitter.broadcast(Event("hello"));
  while (text.find("\"hello\"") == std::string::npos) {
    REQUIRE(client.read_chunk(chunk));
    text += body.feed(chunk);
  }
  hub.emitter.remove("anna");
  while (client.read_chunk(chunk)) text += body.feed(chunk);
  CHECK(body.ended());
}

TEST_CASE("the answer to a poll is compressed, each event by itself") {
  Hub hub;
  for (int i = 0; i < 20; ++i) hub.emitter.broadcast(Event(tick(i)));
  const auto answer_of = [&](std::string_view fields) {
    Client client(hub.serving.port());
    client.get("/anna?transport=poll&timeout=0", std::string(fields) + "Last-Event-ID: earliest\r\n");
    return client.read_reply();
  };
  const Reply plain = answer_of(""), compressed = answer_of(asks);
  CHECK(plain.count("Content-Encoding") == 0);
  CHECK(plain.field("Vary") == "Accept-Encoding");
  CHECK(compressed.field("Content-Encoding") == "gzip");
  CHECK(compressed.field("Vary") == "Accept-Encoding");
  CHECK(inflated(compressed.body) == plain.body);
}

TEST_CASE("a guess in one event does not make a secret in another one shorter") {
  Hub hub;
  const auto size_with = [&](const std::string& guess) {
    const std::string user = "anna-" + guess;
    hub.emitter.send(user, Event("token=0f8e7d6c5b4a39281706; " + std::string(600, 'p')));
    hub.emitter.send_group("anna-" + guess, Event("token=" + guess + "; " + std::string(600, 'q')));
    Client client(hub.serving.port());
    client.get("/" + user + "?transport=poll&timeout=0", "Accept-Encoding: gzip\r\nLast-Event-ID: earliest\r\n");
    const std::size_t poll = client.read_reply().body.size();
    EventClient stream = hub.open("/" + user, "Accept-Encoding: gzip\r\nLast-Event-ID: earliest\r\n");
    stream.next();
    stream.next();
    return std::pair(poll, stream.body_bytes());
  };
  // Both guesses compress alike by themselves.
  const auto right = size_with("0f8e7d6c5b4a39281706"), wrong = size_with("1a2b3c4d5e6f70819203");
  CHECK(right.first + 8 > wrong.first);
  CHECK(right.second + 8 > wrong.second);
}

TEST_CASE("ordinary answers are compressed when they are long enough, and of a kind that gets shorter") {
  const std::string page = "<p>" + std::string(5000, 'x') + "</p>";
  const auto shared = std::make_shared<const std::string>(page);
  Serving serving(
      [&](Server& server) {
        server.get("/page", [&](const Request&) { return Response::html(200, page).header("ETag", "\"1\""); });
        server.get("/shared",
                   [&](const Request&) { return Response(200).content_type("text/html").shared_body(shared); });
        server.get("/long", [&](const Request&) { return Response::text(200, std::string(3'000'000, 'x')); });
        server.get("/short", [&](const Request&) { return Response::text(200, "short"); });
        server.get("/picture", [&](const Request&) { return Response(200).content_type("image/png").body(page); });
        server.get("/coded",
                   [&](const Request&) { return Response::text(200, page).header("Content-Encoding", "br"); });
        server.get("/same", [&](const Request&) { return Response(304).header("ETag", "\"1\""); });
        server.get("/later", [&](const Request&, const PendingResponse& response) {
          response.respond(Response::html(200, page));
        });
        RouteOptions off;
        off.compress = RouteOptions::Check::off;
        server.get(
            "/off", [&](const Request&) { return Response::html(200, page); }, off);
      },
      compressing());
  const auto get = [&](std::string_view target, std::string_view fields = asks) {
    Client client(serving.port());
    client.get(target, fields);
    return client.read_reply();
  };
  for (const std::string_view target : {"/page", "/shared", "/shared", "/later"}) {
    CAPTURE(target);
    const Reply reply = get(target);
    CHECK(reply.field("Content-Encoding") == "gzip");
    CHECK(reply.field("Vary") == "Accept-Encoding");
    CHECK(reply.body.size() < 200);
    CHECK(inflated(reply.body) == page);
    const Reply plain = get(target, "");
    CHECK(plain.body == page);
    CHECK(plain.field("Vary") == "Accept-Encoding");
    CHECK(plain.count("Content-Encoding") == 0);
  }
  CHECK(get("/page").field("ETag") == "W/\"1\"");
  CHECK(get("/page", "").field("ETag") == "\"1\"");
  for (const std::string_view target : {"/short", "/picture", "/off"}) {
    CAPTURE(target);
    CHECK(get(target).count("Content-Encoding") == 0);
    CHECK(get(target).count("Vary") == 0);
  }
  const Reply long_answer = get("/long");
  CHECK(long_answer.count("Content-Encoding") == 0);
  CHECK(long_answer.field("Vary") == "Accept-Encoding");
  CHECK(long_answer.body.size() == 3'000'000);
  CHECK(get("/coded").field("Content-Encoding") == "br");
  CHECK(get("/coded").body == page);
  CHECK(get("/same").field("Vary") == "Accept-Encoding");
  Client client(serving.port());
  client.send("HEAD /page HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\n\r\n");
  CHECK(client.read_reply(Client::Method::head).field("Content-Length") == std::to_string(get("/page").body.size()));
}

TEST_CASE("bodies that are shared are told apart, and compressed in their parts") {
  struct Assets {
    std::string a = "<p>" + std::string(3000, 'a'), b = "<p>" + std::string(3000, 'b');
  };
  const auto assets = std::make_shared<const Assets>();
  std::mt19937 random(9);
  std::string part(2000, '\0');
  for (char& c : part) c = static_cast<char>('!' + random() % 90);
  const auto twice = std::make_shared<const std::string>(part + part);
  Serving serving(
      [&](Server& server) {
        const auto html = [](const std::shared_ptr<const std::string>& body) {
          return Response(200).content_type("text/html").shared_body(body);
        };
        server.get("/a", [&, html](const Request&) { return html({assets, &assets->a}); });
        server.get("/b", [&, html](const Request&) { return html({assets, &assets->b}); });
        server.get("/one", [&, html](const Request&) { return html(twice); });
        server.get("/two", [&, html](const Request&) { return html(twice).compress_apart({part.size()}); });
      },
      compressing());
  const auto get = [&](std::string_view target) {
    Client client(serving.port());
    client.get(target, asks);
    return client.read_reply().body;
  };
  CHECK(inflated(get("/a")) == assets->a);
  CHECK(inflated(get("/b")) == assets->b);
  CHECK(inflated(get("/a")) == assets->a);
  CHECK(inflated(get("/two")) == *twice);
  CHECK(get("/two").size() > get("/one").size() * 3 / 2);
}

TEST_CASE("a poll that is answered with much that is short is not compressed bit by bit") {
  Hub hub;
  for (int i = 0; i < 3000; ++i) hub.emitter.broadcast(Event("x"));
  const auto answer_of = [&](std::string_view fields) {
    Client client(hub.serving.port());
    client.get("/anna?transport=poll&timeout=0", std::string(fields) + "Last-Event-ID: earliest\r\n");
    return client.read_reply();
  };
  const Reply plain = answer_of(""), compressed = answer_of(asks);
  CHECK(inflated(compressed.body) == plain.body);
  CHECK(compressed.body.size() < plain.body.size() + 100);
}

TEST_CASE("an emitter goes with its owner, and does not wait to be told of silence") {
  std::weak_ptr<ReplayStore> store;
  std::optional<Emitter> emitter;
  {
    EmitterOptions options = with_store();
    store = options.replay;
    emitter.emplace(std::move(options));
  }
  Serving serving(
      [&](Server& server) { server.stream("/", [&](const EventStream& stream) { emitter->add("a", stream); }); },
      compressing());
  {
    EventClient client(serving.port(), "/", asks);
    REQUIRE(eventually([&] { return emitter->stream_count() == 1; }));
    emitter->broadcast(Event("hello"));
    CHECK(client.next().data == "hello");
  }
  CHECK(eventually([&] { return emitter->stream_count() == 0; }));
  serving.loop.run([&] { emitter.reset(); });
  serving.loop.settle();
  CHECK(store.expired());
}

TEST_CASE("a host compresses streams on sockets that others accepted") {
  Loop loop;
  std::optional<StreamHost> host;
  std::optional<EventStream> stream;
  asio::ip::tcp::acceptor acceptor = listening(loop.io.get_executor());
  loop.run([&] { host.emplace(loop.io.get_executor(), StreamOptions{}, std::make_shared<Gzip>()); });
  Client client(acceptor.local_endpoint().port());
  client.send("GET / HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\n\r\n");
  loop.run([&] {
    asio::ip::tcp::socket socket = acceptor.accept();
    Request request("GET", "/");
    request.add_header("Accept-Encoding", "gzip");
    stream = host->open(std::move(socket), std::move(request));
    stream->send(Event("hello"));
    stream->complete();
  });
  EventClient events(std::move(client));
  CHECK(events.head().field("Content-Encoding") == "gzip");
  CHECK(events.head().field("Vary") == "Accept-Encoding");
  CHECK(events.next().data == "hello");
  CHECK(events.completed());
  loop.run([&] {
    stream.reset();
    host.reset();
    acceptor.close();
  });
}

TEST_CASE("a host answers a HEAD with what it says of the coding to a GET, on every transport") {
  const std::string target = GENERATE("/", "/?transport=poll&timeout=0", "/?transport=iframe");
  const bool asked = GENERATE(true, false);
  CAPTURE(target, asked);
  Loop loop;
  std::optional<StreamHost> host;
  std::optional<Emitter> emitter;
  asio::ip::tcp::acceptor acceptor = listening(loop.io.get_executor());
  loop.run([&] {
    emitter.emplace();
    host.emplace(loop.io.get_executor(), StreamOptions{}, std::make_shared<Gzip>());
  });
  const auto head_of = [&](const char* method) {
    Client client(acceptor.local_endpoint().port());
    loop.run([&] {
      asio::ip::tcp::socket socket = acceptor.accept();
      Request request(method, target);
      if (asked) request.add_header("Accept-Encoding", "gzip");
      emitter->add("anna", host->open(std::move(socket), std::move(request)));
    });
    return client.read_head();
  };
  for (const char* method : {"GET", "HEAD"}) {
    CAPTURE(method);
    const Head head = head_of(method);
    CHECK(head.status == 200);
    CHECK(head.field("Vary") == "Accept-Encoding");
    CHECK(head.field("Content-Encoding") == (asked ? "gzip" : ""));
  }
  loop.run([&] {
    emitter.reset();
    host.reset();
    acceptor.close();
  });
}
