// A server that encrypts, and clients by OpenSSL.
#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <asio/detached.hpp>
#include <asio/ssl/context.hpp>
#include <asio/ssl/stream.hpp>

#include <spate/registry/emitter.hpp>
#include <spate/server/server.hpp>
#include <spate/stream/stream_host.hpp>
#include <spate/tls/tls_context.hpp>
#include <spate/tls/tls_session.hpp>
#include "support/catch.hpp"
#include "support/event_client.hpp"
#include "support/eventually.hpp"
#include "support/serving.hpp"
#include "support/stream_collection.hpp"
#include "support/texts.hpp"
#include "support/tls_certificates.hpp"
#include "support/tls_client.hpp"

using namespace spate;
using namespace spate::test;
using namespace std::chrono_literals;
using Catch::Matchers::ContainsSubstring;

namespace {

ServerOptions encrypted(std::shared_ptr<TlsContext> tls = TlsContext::self_signed(), std::size_t threads = 0) {
  ServerOptions options;
  options.tls = std::move(tls);
  options.threads = threads;
  return options;
}

std::shared_ptr<TlsContext> with(const TlsIdentity& identity, TlsOptions options = {}) {
  options.certificate = identity.certificate;
  options.key = identity.key;
  return std::make_shared<TlsContext>(std::move(options));
}

void hello(Server& server) {
  server.get("/", [](const Request&) { return Response::text(200, "hello"); });
}

// Answers with who the client is.
void whoami(Server& server) {
  RouteOptions route;
  route.authorize = [](Request& request) -> std::optional<Response> {
    if (!request.client_subject()) return Response::text(403, "nobody");
    request.set_param("user", std::string(*request.client_subject()));
    return std::nullopt;
  };
  server.get(
      "/", [](const Request& request) { return Response::text(200, std::string(request.param("user"))); }, route);
}

Reply ask(Client& client, std::string_view target = "/") {
  client.get(target);
  return client.read_reply();
}

}  // namespace

TEST_CASE("a server with a certificate answers over TLS 1.2 and 1.3, and over nothing older", "[loopback][tls]") {
  const auto tls = TlsContext::self_signed();
  Serving serving(hello, encrypted(tls));
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    auto [client, engine] =
        tls_client(serving.port(), {.min_version = version, .max_version = version, .trusted = tls->certificate()});
    CHECK(engine->version() == (version == TLS1_2_VERSION ? "TLSv1.2" : "TLSv1.3"));
    for (int i = 0; i < 2; ++i) CHECK(ask(client).body == "hello");
    CHECK(serving.stats().open_connections.http1_tls == 1);
  }
  CHECK(serving.stats().handshake_failures == 0);
  CHECK_THROWS_WITH(tls_client(serving.port(), {.min_version = TLS1_VERSION, .max_version = TLS1_1_VERSION}),
                    ContainsSubstring("protocol version"));
  CHECK(eventually([&] { return serving.stats().handshake_failures == 1; }));
}

TEST_CASE("a server says that it speaks https", "[loopback][tls]") {
  ServerOptions options = encrypted(TlsContext::self_signed(), 1);
  CHECK(Server(options).listens_on().rfind("https://", 0) == 0);
  options.address = "unix:/run/spate.sock";
  CHECK(Server(options).listens_on() == "unix:/run/spate.sock with TLS");
}

TEST_CASE("who offers protocols of which the server speaks none is told so", "[loopback][tls]") {
  Serving serving(hello, encrypted());
  CHECK(tls_client(serving.port(), {.protocols = {"h2", "http/1.1"}}).tls->protocol() == "http/1.1");
  CHECK(tls_client(serving.port(), {.protocols = {"http/1.0"}}).tls->protocol() == "http/1.0");
  CHECK_THROWS_WITH(tls_client(serving.port(), {.protocols = {"imap"}}), ContainsSubstring("application protocol"));
}

TEST_CASE("a client gets the certificate of the name that it asks for", "[loopback][tls]") {
  const TlsAuthority authority;
  TlsOptions options;
  for (const auto& names : {std::vector<std::string_view>{"example.com", "www.example.com"},
                            std::vector<std::string_view>{"*.example.org"}}) {
    const TlsIdentity other = names.size() == 2 ? authority.issue({names[0], names[1]}) : authority.issue({names[0]});
    options.others.push_back({{}, {}, other.certificate, other.key});
  }
  Serving serving(hello, encrypted(with(authority.issue({"localhost"}), options)));
  const auto comes_to = [&](const std::string& name) {
    Client client = connect_by_tls(serving.port(), {.server_name = name, .trusted = authority.certificate()});
    return ask(client).body;
  };
  for (const char* const name : {"localhost", "example.com", "WWW.Example.com", "a.example.org"}) {
    INFO(name);
    CHECK(comes_to(name) == "hello");
  }
  // None is for these: they get the first.
  for (const char* const name : {"example.org", "a.b.example.org", "nobody.net"}) {
    INFO(name);
    CHECK_THROWS_WITH(comes_to(name), ContainsSubstring("certificate verify failed"));
  }
  Client without = connect_by_tls(serving.port(), {.server_name = "", .trusted = authority.certificate()});
  CHECK(ask(without).body == "hello");
}

TEST_CASE("new certificates are for new connections, and streams that are open lose nothing", "[loopback][tls]") {
  const TlsAuthority old_authority("old"), new_authority("new");
  const auto tls = with(old_authority.issue({"localhost"}));
  Emitter emitter;
  Server server(encrypted(tls, 2));
  server.stream("/{user}", [&](const EventStream& stream) { emitter.add(stream.request()->param("user"), stream); });
  asio::io_context io;
  asio::ip::tcp::acceptor acceptor = listening(io.get_executor());
  const std::uint16_t port = acceptor.local_endpoint().port();
  server.adopt(std::move(acceptor));
  const auto come = [&](const TlsAuthority& authority) {
    Client client = connect_by_tls(port, {.trusted = authority.certificate()});
    client.get("/anna");
    return EventClient(std::move(client));
  };
  std::vector<EventClient> before;
  for (int i = 0; i < 4; ++i) before.push_back(come(old_authority));
  for (int round = 0; round < 20; ++round) {
    emitter.send("anna", Event(std::to_string(round)));
    if (round == 10) {
      const TlsIdentity renewed = new_authority.issue({"localhost"});
      TlsOptions options;
      options.certificate = renewed.certificate;
      options.key = renewed.key;
      tls->reload(options);
    }
  }
  for (EventClient& client : before) {
    for (int round = 0; round < 20; ++round) CHECK(client.next().data == std::to_string(round));
  }
  EventClient after = come(new_authority);
  emitter.send("anna", Event("both"));
  CHECK(after.next().data == "both");
  CHECK(before.front().next().data == "both");
  // What cannot be read changes nothing.
  TlsOptions broken;
  broken.certificate = "nonsense";
  broken.key = "nonsense";
  CHECK_THROWS_AS(tls->reload(broken), std::invalid_argument);
  CHECK_NOTHROW(come(new_authority));
}

TEST_CASE("who is certified is known to the function that authorizes", "[loopback][tls]") {
  const TlsAuthority authority, stranger("stranger");
  TlsOptions options;
  options.client_certificates = GENERATE(ClientCertificates::requested, ClientCertificates::required);
  options.client_ca = authority.certificate();
  const int version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
  const auto tls = with(authority.issue({"localhost"}), options);
  Serving serving(whoami, encrypted(tls, 0));
  const auto come = [&](const TlsIdentity& own, const TlsTicket& ticket = {}) {
    return tls_client(serving.port(),
                      {.max_version = version, .certificate = own.certificate, .key = own.key, .ticket = ticket});
  };
  const TlsIdentity anna = authority.issue_client({{"O", "Ärzte, Bund"}, {"CN", "anna"}});
  TlsTicket ticket;
  {
    auto [client, engine] = come(anna);
    CHECK(ask(client).body == "CN=anna,O=\\C3\\84rzte\\, Bund");
    CHECK(ask(client).body == "CN=anna,O=\\C3\\84rzte\\, Bund");
    ticket = engine->ticket();
  }
  {
    auto [client, engine] = come({}, ticket);
    CHECK(engine->resumed());
    CHECK(ask(client).body == "CN=anna,O=\\C3\\84rzte\\, Bund");
  }
  const auto is_refused = [&](const TlsIdentity& own, const TlsTicket& ticket_of = {}) {
    const auto comes_in = [&] {
      Client client = std::move(come(own, ticket_of).client);
      ask(client);
    };
    CHECK_THROWS_AS(comes_in(), Failure);
  };
  is_refused(stranger.issue_client({{"CN", "anna"}}));
  is_refused(authority.issue_client({{"CN", "anna"}}, -60));  // it has expired
  if (options.client_certificates == ClientCertificates::required) {
    is_refused({});
  } else {
    Client client = std::move(come({}).client);
    CHECK(ask(client).status == 403);
  }
  // Whom nobody vouches for any more cannot come back with a ticket.
  options.client_ca = stranger.certificate();
  const TlsIdentity server = authority.issue({"localhost"});
  options.certificate = server.certificate;
  options.key = server.key;
  tls->reload(options);
  is_refused(anna, ticket);
}

TEST_CASE("where nobody is asked for a certificate, nobody has one", "[loopback][tls]") {
  const TlsAuthority authority;
  Serving serving(whoami, encrypted());
  const TlsIdentity anna = authority.issue_client({{"CN", "anna"}});
  Client client = connect_by_tls(serving.port(), {.certificate = anna.certificate, .key = anna.key});
  CHECK(ask(client).status == 403);
}

TEST_CASE("a client comes back with its ticket to any loop of any server that shares the context", "[loopback][tls]") {
  const int version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
  const auto tls = TlsContext::self_signed();
  Server first(encrypted(tls, 2)), second(encrypted(tls, 2));
  asio::io_context io;
  std::vector<std::uint16_t> ports;
  for (Server* const server : {&first, &second}) {
    hello(*server);
    asio::ip::tcp::acceptor acceptor = listening(io.get_executor());
    ports.push_back(acceptor.local_endpoint().port());
    server->adopt(std::move(acceptor));
  }
  TlsTicket ticket;
  for (int i = 0; i < 8; ++i) {
    auto [client, engine] =
        tls_client(ports[static_cast<std::size_t>(i % 2)], {.max_version = version, .ticket = ticket});
    CHECK(ask(client).body == "hello");
    CHECK(engine->resumed() == (i > 0));
    ticket = engine->ticket();
    REQUIRE(ticket);
    // No data before the handshake is done: it could be sent twice. (RFC 8446 8)
    CHECK(SSL_SESSION_get_max_early_data(ticket.get()) == 0);
  }
  tls->reload();
  CHECK(tls_client(ports[0], {.max_version = version, .ticket = ticket}).tls->resumed());
}

TEST_CASE("without tickets every handshake is a whole one", "[loopback][tls]") {
  const TlsAuthority authority;
  TlsOptions options;
  options.ticket_lifetime = 0s;
  Serving serving(hello, encrypted(with(authority.issue({"localhost"}), options)));
  auto [client, engine] = tls_client(serving.port(), {.min_version = TLS1_3_VERSION});
  CHECK(ask(client).body == "hello");
  CHECK(engine->tickets().empty());
}

TEST_CASE("who asks in the clear is told so in the clear", "[loopback][tls]") {
  Serving serving(hello, encrypted());
  Client client(serving.port());
  client.get("/");
  const Reply reply = client.read_reply();
  CHECK(reply.status == 400);
  CHECK(reply.field("Content-Type") == "application/json");
  CHECK(client.read_end() == End::closed);
  client.close();
  CHECK(serving.stats().handshake_failures == 1);
  CHECK(eventually([&] { return serving.stats().open_connections.http1 == 0; }));
}

TEST_CASE("a handshake that stalls ends in time, wherever it stalls", "[loopback][tls]") {
  ServerOptions options = encrypted();
  options.request_timeout = 50ms;
  Serving serving(hello, options);
  const int version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
  // A client who sends all but the last byte of its messages up to the n-th.
  int stalls = 0;
  for (int messages = 0;; ++messages) {
    Client client(serving.port());
    TlsEngine engine({.max_version = version});
    bool done = engine.shake_hands();
    for (int sent = 0; sent < messages && !done; ++sent) {
      client.send(engine.output());
      client.read_more();
      engine.input(client.read_exactly(client.unread().size()));
      done = engine.shake_hands();
    }
    std::string rest = engine.output();
    if (rest.empty()) break;
    rest.pop_back();
    client.send(rest);
    client.read_to_end();  // at once, or in time
    ++stalls;
    if (done) break;
  }
  CHECK(stalls >= 2);
  CHECK(eventually([&] { return serving.stats().handshake_failures == static_cast<std::uint64_t>(stalls); }));
  CHECK(eventually([&] { return serving.stats().open_connections.http1_tls == 0; }));
}

TEST_CASE("no more handshakes than allowed are under way", "[loopback][tls]") {
  ServerOptions options = encrypted();
  options.max_handshakes = 2;
  Serving serving(hello, options);
  std::vector<Client> waiting;
  for (int i = 0; i < 2; ++i) {
    waiting.emplace_back(serving.port());
    waiting.back().send("\x16");
  }
  CHECK(eventually([&] { return serving.stats().open_connections.http1_tls == 2; }));
  Client third;
  try {
    third.connect(serving.port());
    CHECK(third.read_end() == End::reset);
  } catch (const Failure&) {
    // It was reset before it had noticed that it is connected.
  }
  CHECK(serving.stats().handshake_failures == 1);
  waiting.clear();
  CHECK(eventually([&] { return serving.stats().handshake_failures == 3; }));
  Client next = connect_by_tls(serving.port());
  CHECK(ask(next).body == "hello");
}

TEST_CASE("a server that shuts down waits for no handshake", "[loopback][tls]") {
  Serving serving(hello, encrypted());
  Client client(serving.port());
  client.send("\x16");
  CHECK(eventually([&] { return serving.stats().open_connections.http1_tls == 1; }));
  Awaited<std::size_t> cut;
  serving.server().shutdown(1h, [&](std::size_t count) { cut.set(count); });
  CHECK(cut.get() == 0);
  client.read_to_end();
}

TEST_CASE("bodies go up and down whole", "[loopback][tls]") {
  ServerOptions options = encrypted();
  options.limits.max_body_bytes = 4 * 1024 * 1024;
  Serving serving(
      [](Server& server) {
        server.post("/", [](const Request& request) { return Response::text(200, std::string(request.body())); });
      },
      options, GENERATE(0, Serving::small_buffer));
  const int version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
  Client client = connect_by_tls(serving.port(), {.max_version = version});
  std::string body(1024 * 1024, ' ');
  for (std::size_t i = 0; i < body.size(); ++i) body[i] = static_cast<char>('a' + i * 31 % 26);
  for (int round = 0; round < 3; ++round) {
    client.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n");
    client.send(body);
    CHECK(client.read_reply().body == body);
  }
}

TEST_CASE("the last bytes of an answer come to a client that reads them late", "[loopback][tls]") {
  const std::string body(300'000, 'x');
  Serving serving([&](Server& server) { server.get("/", [&](const Request&) { return Response::text(200, body); }); },
                  encrypted(), Serving::small_buffer);
  auto [client, engine] = tls_client(serving.port(), {}, Serving::small_buffer);
  client.get("/", "Connection: close\r\n");
  client.read_more();
  // The server closes in stages: not before all has been taken.
  const Reply reply = client.read_reply();
  CHECK(reply.body == body);
  CHECK(client.read_end() == End::closed);
  CHECK(engine->saw_close_notify());
}

TEST_CASE("HEAD, polls and pipelined requests are as in the clear", "[loopback][tls]") {
  Serving serving(
      [](Server& server) {
        hello(server);
        server.stream("/events", [](EventStream stream) {
          stream.send(Event("one"));
          stream.complete();
        });
      },
      encrypted());
  Client client = connect_by_tls(serving.port());
  client.send("HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const Head head = client.read_head();
  CHECK(head.status == 200);
  CHECK(head.field("Content-Length") == "5");
  client.get("/events?transport=poll");
  CHECK_THAT(client.read_reply().body, ContainsSubstring("one"));
  std::string many;
  for (int i = 0; i < 500; ++i) many += "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
  client.send(many);
  for (int i = 0; i < 500; ++i) CHECK(client.read_reply().body == "hello");
  client.get("/events");
  EventClient events(std::move(client));
  CHECK(events.rest() == Texts{"one"});
  CHECK(events.completed());
}

TEST_CASE("a producer that awaits goes at its client's pace under TLS", "[loopback][tls]") {
  StreamCollection streams;
  Serving serving([&](Server& server) { server.stream("/", [&](EventStream stream) { streams.add(stream); }); },
                  encrypted(), Serving::small_buffer);
  Client connected = connect_by_tls(serving.port(), {}, Serving::small_buffer);
  connected.get("/");
  EventClient client(std::move(connected));
  REQUIRE(eventually([&] { return streams.size() == 1; }));
  const EventStream stream = streams.newest();
  const std::string filler(10'000, 'x');
  constexpr int count = 200;
  Journal sent;
  std::function<void(int)> send = [&](int number) {
    if (number == count) return;
    stream.async_send(Event(std::to_string(number) + filler), [&, number](std::error_code error) {
      sent.add(error.message());
      send(number + 1);
    });
  };
  send(0);
  // It stops where the kernel's buffers are full, long before all is sent.
  serving.loop.settle();
  CHECK(sent.size() < count / 2);
  for (int i = 0; i < count; ++i) CHECK(client.next().data == std::to_string(i) + filler);
  CHECK(sent.wait_for(count).size() == count);
  CHECK(sent.last() == "Success");
  stream.complete();
  CHECK(client.rest().empty());
  CHECK(client.completed());
}

TEST_CASE("what is dropped for a slow reader is dropped whole under TLS", "[loopback][tls]") {
  StreamCollection streams;
  ServerOptions options = encrypted();
  options.stream.overflow = Overflow::drop_oldest;
  options.stream.max_queued_events = 4;
  Serving serving([&](Server& server) { server.stream("/", [&](EventStream stream) { streams.add(stream); }); },
                  options, Serving::small_buffer);
  Client connected = connect_by_tls(serving.port(), {}, Serving::small_buffer);
  connected.get("/");
  EventClient client(std::move(connected));
  REQUIRE(eventually([&] { return streams.size() == 1; }));
  const EventStream stream = streams.newest();
  const std::string filler(5'000, 'y');
  for (int i = 0; i < 300; ++i) {
    stream.send(Event(std::to_string(i) + filler));
    if (i % 10 == 0) serving.loop.settle();
  }
  stream.complete(Event("last"));
  int newest = -1, events = 0;
  for (DecodedEvent event = client.next(); event.data != "last"; event = client.next()) {
    if (event.data.size() < filler.size()) continue;  // a gap
    CHECK(event.data.substr(event.data.size() - filler.size()) == filler);
    const int number = std::stoi(event.data);
    CHECK(number > newest);
    newest = number;
    ++events;
  }
  CHECK(newest == 299);
  CHECK(events < 300);
  CHECK(client.rest().empty());
}

TEST_CASE("a client that takes nothing is given up under TLS", "[loopback][tls]") {
  ServerOptions options = encrypted();
  options.stream.write_timeout = 100ms;
  Serving serving(
      [](Server& server) {
        server.stream("/", [](EventStream stream) { stream.send(Event(std::string(200'000, 'x'))); });
      },
      options, Serving::small_buffer);
  Client client = connect_by_tls(serving.port(), {}, Serving::small_buffer);
  client.get("/");
  CHECK(eventually([&] { return serving.ended(EndReason::write_timeout) == 1; }));
}

TEST_CASE("a client that leaves, with or without saying so, has left", "[loopback][tls]") {
  StreamCollection streams;
  Journal told;
  Serving serving(
      [&](Server& server) {
        server.stream("/", [&](EventStream stream) {
          stream.on_error([&](std::error_code error) { told.add(error.message()); });
          streams.add(stream);
          stream.open();
        });
      },
      encrypted());
  auto [client, engine] = tls_client(serving.port());
  client.get("/");
  client.read_head();
  SECTION("by close_notify alone") {
    engine->end();
    client.send_some({});  // what OpenSSL has to send
  }
  SECTION("by the end of the socket alone") {
    client.close();
  }
  CHECK(eventually([&] { return serving.ended(EndReason::client) == 1; }));
  serving.loop.settle();
  CHECK(told.size() == 0);
}

TEST_CASE("streams are shut down with their farewell, and then with close_notify", "[loopback][tls]") {
  ServerOptions options = encrypted();
  options.stream.farewell = [](EndReason) { return Event("bye").name("closing"); };
  Serving serving([&](Server& server) { server.stream("/", [](EventStream stream) { stream.open(); }); }, options);
  auto [connected, engine] = tls_client(serving.port());
  connected.get("/");
  EventClient client(std::move(connected));
  Awaited<std::size_t> cut;
  serving.server().shutdown(1h, [&](std::size_t count) { cut.set(count); });
  CHECK(client.rest() == Texts{"bye"});
  CHECK(client.completed());
  CHECK(client.connection().read_end() == End::closed);
  CHECK(engine->saw_close_notify());
  client.connection().close();
  CHECK(cut.get() == 0);
}

TEST_CASE("an answer that is cut short is no end", "[loopback][tls]") {
  std::optional<StreamedResponse> answer;
  Serving serving(
      [&](Server& server) {
        server.get("/", [&](const Request&, StreamedResponse response) { answer = std::move(response); });
      },
      encrypted());
  auto [client, engine] = tls_client(serving.port());
  // To a client of HTTP/1.0 the end of the connection is the end of the answer.
  client.get("/", {}, "HTTP/1.0");
  CHECK(eventually([&] { return serving.stats().requests == 1; }));
  serving.loop.run([&] {
    answer->begin(Response(200));
    answer.reset();
  });
  client.read_to_end();
  CHECK_FALSE(engine->saw_close_notify());
}

namespace {

// A server's side of a handshake that the program does itself, with Asio.
struct OwnHandshake {
  explicit OwnHandshake(Loop& on, asio::ssl::context& context, const TlsClientOptions& options = {})
      : acceptor(listening(on.io.get_executor())),
        client(acceptor.local_endpoint().port()),
        stream(acceptor.accept(), context) {
    Awaited<std::error_code> shaken;
    on.run([&] {
      stream.async_handshake(asio::ssl::stream_base::server, [&](std::error_code error) { shaken.set(error); });
    });
    auto cover = std::make_unique<TlsCover>(options);
    cover->shake_hands(client.native());
    client.take_cover(std::move(cover));
    REQUIRE_FALSE(shaken.get());
  }
  asio::ip::tcp::acceptor acceptor;
  Client client;
  asio::ssl::stream<asio::ip::tcp::socket> stream;
};

void use(asio::ssl::context& context, const TlsIdentity& identity) {
  context.use_certificate_chain(asio::buffer(identity.certificate));
  context.use_private_key(asio::buffer(identity.key), asio::ssl::context::pem);
}

}  // namespace

TEST_CASE("a connection goes on whose handshake Asio has done", "[loopback][tls][adopt]") {
  const TlsAuthority authority;
  asio::ssl::context context(asio::ssl::context::tls_server);
  use(context, authority.issue({"localhost"}));
  const bool server_encrypts_too = GENERATE(false, true);
  Serving serving(hello, server_encrypts_too ? encrypted() : ServerOptions());
  auto own = std::make_unique<OwnHandshake>(serving.loop, context);
  SECTION("with nothing read yet") {
    serving.loop.run([&] {
      auto session = std::make_unique<TlsSession>(own->stream.native_handle());
      serving.server().adopt(std::move(own->stream.next_layer()), std::move(session));
    });
    for (int i = 0; i < 3; ++i) CHECK(ask(own->client).body == "hello");
  }
  SECTION("with a request and a half read, of which the program has taken some bytes") {
    own->client.send("xyzGET / HTTP/1.1\r\nHost: localhost\r\n\r\nGET / HTTP/1.1\r\nHost: loc");
    std::string taken(3, '\0');
    Awaited<std::size_t> read;
    serving.loop.run([&] {
      own->stream.async_read_some(asio::buffer(taken), [&](std::error_code, std::size_t size) { read.set(size); });
    });
    CHECK(read.get() == 3);
    CHECK(taken == "xyz");
    serving.loop.run([&] {
      auto session = std::make_unique<TlsSession>(own->stream.native_handle());
      serving.server().adopt(std::move(own->stream.next_layer()), std::move(session));
    });
    CHECK(own->client.read_reply().body == "hello");
    own->client.send("alhost\r\n\r\n");
    CHECK(own->client.read_reply().body == "hello");
  }
  SECTION("with a request that the program has read") {
    serving.loop.run([&] {
      auto session = std::make_unique<TlsSession>(own->stream.native_handle());
      serving.server().adopt(std::move(own->stream.next_layer()), std::move(session),
                             Request("GET", "/").add_header("Host", "localhost"));
    });
    CHECK(own->client.read_reply().body == "hello");
    CHECK(ask(own->client).body == "hello");
  }
  CHECK(serving.stats().open_connections.http1_tls == 1);
  Client client = std::move(own->client);
  own.reset();  // the program's own objects
  CHECK(ask(client).body == "hello");
}

TEST_CASE("the certificate of an adopted client is known", "[loopback][tls][adopt]") {
  const TlsAuthority authority;
  asio::ssl::context context(asio::ssl::context::tls_server);
  use(context, authority.issue({"localhost"}));
  context.add_certificate_authority(asio::buffer(authority.certificate()));
  context.set_verify_mode(asio::ssl::verify_peer);
  Serving serving(whoami);
  const TlsIdentity anna = authority.issue_client({{"CN", "anna"}});
  OwnHandshake own(serving.loop, context, {.certificate = anna.certificate, .key = anna.key});
  serving.loop.run([&] {
    auto session = std::make_unique<TlsSession>(own.stream.native_handle());
    serving.server().adopt(std::move(own.stream.next_layer()), std::move(session));
  });
  CHECK(ask(own.client).body == "CN=anna");
}

TEST_CASE("a host opens streams on encrypted connections of another server", "[loopback][tls][adopt]") {
  const TlsAuthority authority;
  asio::ssl::context context(asio::ssl::context::tls_server);
  use(context, authority.issue({"localhost"}));
  Loop loop;
  std::optional<StreamHost> host(std::in_place, loop.io.get_executor());
  OwnHandshake own(loop, context);
  loop.run([&] {
    auto session = std::make_unique<TlsSession>(own.stream.native_handle());
    EventStream stream = host->open(std::move(own.stream.next_layer()), std::move(session), Request("GET", "/"));
    stream.send(Event("hello"));
    stream.complete();
  });
  EventClient client(std::move(own.client));
  CHECK(client.rest() == Texts{"hello"});
  loop.run([&] { host.reset(); });
}

TEST_CASE("a session that is none is refused", "[loopback][tls][adopt]") {
  CHECK_THROWS_AS(TlsSession(nullptr), std::invalid_argument);
  TlsEngine client;
  CHECK_THROWS_AS(TlsSession(client.native()), std::invalid_argument);
}
