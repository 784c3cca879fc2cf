// One encrypted connection, without sockets: what it writes, reads and tells, wherever the bytes are cut and whatever
// fails.
#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include <openssl/err.h>
#include <asio/buffer.hpp>
#include <asio/error.hpp>

#include <spate/tls/detail/certificates.hpp>
#include <spate/tls/detail/tls_config.hpp>
#include <spate/tls/detail/tls_connection.hpp>
#include <spate/tls/detail/tls_core.hpp>
#include <spate/tls/detail/tls_transport.hpp>
#include "support/catch.hpp"
#include "support/held_loop.hpp"
#include "support/memory_transport.hpp"
#include "support/tls_client.hpp"

using namespace spate;
using namespace spate::test;
using namespace std::chrono_literals;
using Handshake = detail::SecureTransport::Handshake;

namespace {

std::shared_ptr<detail::TlsCore> self_signed() {
  static const TlsCertificate made = detail::make_self_signed();
  TlsOptions options;
  options.certificate = made.certificate;
  options.key = made.key;
  return std::make_shared<detail::TlsCore>(options);
}

// Notes what it is told.
class Told final : public detail::Resident {
 public:
  bool on_readable() override { return note("readable"); }
  void on_writable() override { note("writable"); }
  void on_hangup() override { note("hangup"); }
  std::vector<std::string> take() { return std::exchange(told_, {}); }

 private:
  bool note(const char* what) {
    told_.emplace_back(what);
    return true;
  }
  std::vector<std::string> told_;
};

constexpr std::size_t unsplit = MemoryTransport::unlimited;

// A server's connection and its client.
struct Pair {
  explicit Pair(const TlsClientOptions& options = {}, std::shared_ptr<detail::TlsCore> with = self_signed())
      : core(std::move(with)), tls(own_loop.shard(), below, core, {"http/1.1"}), client(options) {
    begin();
  }
  // On a loop of others, whose time it shares.
  Pair(HeldLoop& on, const TlsClientOptions& options, std::shared_ptr<detail::TlsCore> with)
      : core(std::move(with)), tls(on.shard(), below, core, {"http/1.1"}), client(options) {
    begin();
  }
  Pair(const Pair&) = delete;
  Pair& operator=(const Pair&) = delete;
  ~Pair() {
    if (tls.count() > 0) peer.close();
  }

  void begin() {
    below.connect();
    peer = tls.accept(0);
    peer.set_resident(told);
  }

  // Passes on what either side has to say, in pieces of at most `split` bytes, until neither has.
  void pump(std::size_t split = unsplit) {
    for (bool more = true; more;) {
      more = false;
      for (std::string out = client.output(); !out.empty();) {
        more = true;
        below.client().send(out.substr(0, split));
        out.erase(0, split);
        if (!done && !failed) step();
      }
      while (!below.client().waiting().empty()) {
        more = true;
        client.input(below.client().take(split));
        if (!done) client.shake_hands();
      }
    }
  }
  void step() {
    outcome = tls.shake_hands(0);
    done = outcome == Handshake::done;
    failed = outcome == Handshake::failed || outcome == Handshake::plain_text;
  }
  void shake_hands(std::size_t split = unsplit) {
    client.shake_hands();
    pump(split);
    REQUIRE(done);
    REQUIRE(client.shake_hands());
    REQUIRE(read().empty());  // as whatever begins then does
    pump();
    told->take();
  }

  std::string read(std::error_code& error, std::size_t most = 64 * 1024) {
    std::string data(most, '\0');
    data.resize(peer.read(data.data(), data.size(), error));
    return data;
  }
  std::string read() {
    std::error_code error;
    std::string data = read(error);
    if (error) CHECK(error == asio::error::would_block);
    return data;
  }
  std::size_t write(const std::string& data, std::error_code& error) {
    return peer.write(asio::const_buffer(data.data(), data.size()), error);
  }
  // Everything that the client can read.
  std::string received() {
    std::string all;
    for (;;) {
      client.input(below.client().take());
      const std::string some = client.read();
      if (some.empty()) return all;
      all += some;
    }
  }

  HeldLoop own_loop;
  MemoryTransport below;
  std::shared_ptr<detail::TlsCore> core;
  detail::TlsTransport tls;
  detail::Ref<Told> told = detail::make_ref<Told>();
  detail::Peer peer;
  TlsEngine client;
  Handshake outcome = Handshake::under_way;
  bool done = false, failed = false;
};

std::string some_text(std::size_t size) {
  std::string text(size, ' ');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>('a' + i * 7 % 26);
  return text;
}

}  // namespace

TEST_CASE("hands are shaken however the bytes are cut") {
  const int version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
  const std::size_t split = GENERATE(std::size_t{1}, std::size_t{7}, std::size_t{1000}, unsplit);
  Pair pair({.max_version = version, .protocols = {"http/1.1"}});
  pair.shake_hands(split);
  CHECK(pair.tls.identity(0).protocol == "http/1.1");
  CHECK(pair.tls.identity(0).subject == nullptr);
  pair.client.write("asked");
  pair.pump(split);
  CHECK(pair.read() == "asked");
  std::error_code error;
  CHECK(pair.write("answered", error) == 8);
  CHECK(pair.received() == "answered");
}

TEST_CASE("what is written arrives, whatever its size and the size of the pieces that the socket takes") {
  const std::size_t size = GENERATE(1u, 100u, 16384u, 16385u, 100'000u);
  const std::size_t split = GENERATE(std::size_t{3}, std::size_t{5000}, unsplit);
  if (split == 3 && size > 20'000) return;
  Pair pair;
  pair.shake_hands();
  pair.below.client().split_writes(split);
  const std::string text = some_text(size);
  std::error_code error;
  CHECK(pair.write(text, error) == size);
  CHECK_FALSE(error);
  CHECK(pair.received() == text);
  pair.client.write(text);
  pair.pump();
  std::string arrived;
  for (std::string some = pair.read(); !some.empty(); some = pair.read()) arrived += some;
  CHECK(arrived == text);
}

TEST_CASE("several buffers leave as one record") {
  Pair pair;
  pair.shake_hands();
  std::error_code error;
  const std::string a = "id: 1\n", b = "data: one\n\n", c = "data: two\n\n";
  const asio::const_buffer buffers[] = {asio::buffer(a), asio::buffer(b), asio::buffer(c)};
  const std::size_t size = a.size() + b.size() + c.size();
  CHECK(pair.peer.write(buffers, 3, size, error) == size);
  const std::string sent(pair.below.client().waiting());
  constexpr std::size_t head = 5, tag = 16, type = 1;
  CHECK(sent.size() == head + size + type + tag);
  CHECK(pair.received() == a + b + c);
}

TEST_CASE("what the socket refuses of a record is sent before anything else, and once") {
  Pair pair;
  pair.shake_hands();
  std::error_code error;
  const std::string text = some_text(1000);
  const std::size_t room = GENERATE(0u, 1u, 5u, 500u, 1020u);
  pair.below.client().limit_room(room);
  // One byte counts as not taken, so that who writes goes on waiting.
  CHECK(pair.write(text, error) == text.size() - 1);
  CHECK(error == asio::error::would_block);
  CHECK(pair.peer.unacknowledged() == text.size() + 22);
  pair.peer.await_writable();
  CHECK(pair.write(text.substr(text.size() - 1) + "more", error) == 0);
  CHECK(error == asio::error::would_block);
  CHECK(pair.told->take().empty());
  // It leaves by itself, though nobody writes.
  std::string arrived;
  for (int i = 0; i < 2000 && pair.told->take().empty(); ++i) {
    pair.client.input(pair.below.client().take());
    arrived += pair.client.read();
    if (room == 0) pair.below.client().limit_room(100);
  }
  pair.below.client().limit_room(unsplit);
  arrived += pair.received();
  CHECK(arrived == text);
  CHECK(pair.write(text.substr(text.size() - 1) + "more", error) == 5);
  CHECK_FALSE(error);
  CHECK(pair.received() == "more");
}

TEST_CASE("a handshake goes on when the socket takes its flight late") {
  Pair pair;
  pair.below.client().limit_room(10);
  pair.client.shake_hands();
  pair.below.client().send(pair.client.output());
  pair.step();
  CHECK(pair.outcome == Handshake::under_way);
  std::string flight;
  for (int i = 0; i < 1000 && !pair.below.client().waiting().empty(); ++i) flight += pair.below.client().take();
  pair.client.input(flight);
  CHECK(pair.client.shake_hands());
  pair.below.client().limit_room(unsplit);
  pair.pump();
  CHECK(pair.done);
}

TEST_CASE("an end behind bytes is told in a turn of its own") {
  Pair pair;
  pair.shake_hands();
  pair.client.write("last words");
  pair.client.end();
  pair.below.client().send(pair.client.output());
  pair.told->take();
  std::error_code error;
  CHECK(pair.read(error) == "last words");
  CHECK_FALSE(error);
  CHECK(pair.told->take().empty());  // not inside the call
  pair.own_loop.turn();
  CHECK(pair.told->take() == std::vector<std::string>{"readable"});
  CHECK(pair.read(error).empty());
  CHECK(error == asio::error::eof);
  // The other side goes on.
  CHECK(pair.write("answered", error) == 8);
  CHECK(pair.received() == "answered");
}

TEST_CASE("a connection that ends without close_notify has ended like any other") {
  Pair pair;
  pair.shake_hands();
  pair.client.write("half a requ");
  pair.below.client().send(pair.client.output());
  pair.below.client().end();
  std::error_code error;
  CHECK(pair.read(error) == "half a requ");
  CHECK(pair.read(error).empty());
  CHECK(error == asio::error::eof);
  CHECK(pair.write("answered", error) == 8);
  CHECK_FALSE(error);
  CHECK(pair.received() == "answered");
}

TEST_CASE("what OpenSSL holds is told of though the socket has no more") {
  Pair pair;
  pair.shake_hands();
  pair.client.write(some_text(1000));
  pair.below.client().send(pair.client.output());
  std::error_code error;
  CHECK(pair.read(error, 10) == some_text(1000).substr(0, 10));
  pair.told->take();
  pair.peer.await_readable();
  CHECK(pair.told->take().empty());
  pair.own_loop.turn();
  CHECK(pair.told->take() == std::vector<std::string>{"readable"});
  CHECK(pair.read(error) == some_text(1000).substr(10));
}

TEST_CASE("a client may change its keys now and then, but not all the time") {
  Pair pair({.min_version = TLS1_3_VERSION});
  pair.shake_hands();
  std::error_code error;
  for (int i = 0; i < 300; ++i) {
    SSL_key_update(pair.client.native(), SSL_KEY_UPDATE_REQUESTED);
    pair.client.write("x");
    pair.below.client().send(pair.client.output());
    REQUIRE(pair.read(error) == "x");
    REQUIRE(pair.received().empty());
  }
  CHECK(pair.write("still here", error) == 10);
  CHECK(pair.received() == "still here");

  std::string flood;
  for (int i = 0; i < 3000; ++i) {
    SSL_key_update(pair.client.native(), SSL_KEY_UPDATE_NOT_REQUESTED);
    SSL_do_handshake(pair.client.native());
    flood += pair.client.output();
  }
  CHECK(flood.size() > 3000 * 20);
  pair.below.client().send(flood);
  CHECK(pair.read(error).empty());
  CHECK(error == std::errc::protocol_error);
}

TEST_CASE("a client that asks for new keys and reads nothing makes the server keep one answer") {
  Pair pair({.min_version = TLS1_3_VERSION});
  pair.shake_hands();
  std::error_code error;
  pair.below.client().limit_room(0);
  for (int i = 0; i < 50; ++i) {
    SSL_key_update(pair.client.native(), SSL_KEY_UPDATE_REQUESTED);
    SSL_do_handshake(pair.client.native());
    pair.below.client().send(pair.client.output());
    pair.read(error);
    REQUIRE(error == asio::error::would_block);
  }
  CHECK(pair.peer.unacknowledged() < 100);
  pair.client.write("asked");
  pair.below.client().send(pair.client.output());
  pair.told->take();
  pair.below.client().limit_room(unsplit);
  // Reading waited for that to leave, and is told when it has.
  const auto told = pair.told->take();
  CHECK(std::count(told.begin(), told.end(), "readable") == 1);
  CHECK(pair.read() == "asked");
  CHECK(pair.write("answered", error) == 8);
  CHECK(pair.received() == "answered");
}

TEST_CASE("nobody shakes hands a second time") {
  Pair pair({.max_version = TLS1_2_VERSION});
  pair.shake_hands();
  std::error_code error;
  REQUIRE(SSL_renegotiate(pair.client.native()) == 1);
  pair.client.shake_hands();
  const std::string hello = pair.client.output();
  REQUIRE(hello.size() > 100);
  pair.below.client().send(hello);
  CHECK(pair.read(error).empty());
  CHECK(error == asio::error::would_block);
  CHECK(pair.write("still here", error) == 10);
  pair.client.input(pair.below.client().take());
  CHECK_THROWS_WITH(pair.client.read(), Catch::Matchers::ContainsSubstring("no renegotiation"));
}

// OpenSSL forgets a refusal that the socket does not take, and the client could decrypt nothing behind it.
TEST_CASE("who asks to shake hands again and reads nothing loses the connection") {
  Pair pair({.max_version = TLS1_2_VERSION});
  pair.shake_hands();
  std::error_code error;
  pair.below.client().limit_room(100);
  CHECK(pair.write(some_text(1000), error) == 999);
  REQUIRE(error == asio::error::would_block);
  REQUIRE(SSL_renegotiate(pair.client.native()) == 1);
  pair.client.shake_hands();
  pair.below.client().send(pair.client.output());
  CHECK(pair.read(error).empty());
  CHECK(error == std::errc::protocol_error);
  CHECK(pair.write("lost", error) == 0);
  CHECK(error == std::errc::protocol_error);
  CHECK(pair.peer.unacknowledged() == pair.below.client().waiting().size());
}

TEST_CASE("who does not encrypt is recognised by the first byte") {
  Pair pair;
  pair.below.client().send("GET / HTTP/1.1\r\n\r\n");
  pair.step();
  CHECK(pair.outcome == Handshake::plain_text);
  pair.tls.release(0);
  CHECK(pair.tls.count() == 0);
  CHECK(pair.below.client().waiting().empty());
  CHECK_FALSE(pair.below.client().is_gone());
}

TEST_CASE("a client that does not trust the certificate ends the handshake") {
  Pair pair({.trusted = "nobody"});
  CHECK_THROWS_AS((pair.client.shake_hands(), pair.pump()), Failure);
  pair.below.client().send(pair.client.output());
  pair.step();
  CHECK(pair.outcome == Handshake::failed);
  pair.peer.close();
  CHECK(pair.below.client().is_gone());
}

TEST_CASE("a hello without end is not read for ever") {
  Pair pair;
  // Records of a hello that says it has 100 kB.
  std::string hello("\x16\x03\x01\x40\x00\x01\x01\x86\xA0", 9);
  hello += std::string(16384 - 4, 'x');
  std::size_t sent = 0;
  while (!pair.failed && sent < 200'000) {
    pair.below.client().send(hello);
    sent += hello.size();
    hello = std::string("\x16\x03\x01\x40\x00", 5) + std::string(16384, 'x');
    pair.step();
  }
  CHECK(pair.outcome == Handshake::failed);
  CHECK(sent < 100'000);
}

TEST_CASE("a record that was changed on its way ends the connection, and the client is told why") {
  Pair pair;
  pair.shake_hands();
  pair.client.write("asked");
  std::string record = pair.client.output();
  record.back() = static_cast<char>(record.back() ^ 1);
  pair.below.client().send(record);
  std::error_code error;
  CHECK(pair.read(error).empty());
  CHECK(error == std::errc::protocol_error);
  CHECK(pair.write("x", error) == 0);
  CHECK(error == std::errc::protocol_error);
  pair.client.input(pair.below.client().take());
  CHECK_THROWS_WITH(pair.client.read(), Catch::Matchers::ContainsSubstring("bad record mac"));
  pair.peer.close();
  CHECK(pair.below.client().waiting().empty());  // no close_notify behind it
}

TEST_CASE("an alert of the client is a connection that it has reset") {
  Pair pair({.max_version = TLS1_2_VERSION});
  pair.shake_hands();
  // What the client makes of a record that was changed.
  std::error_code error;
  pair.write("answered", error);
  std::string record = pair.below.client().take();
  record.back() = static_cast<char>(record.back() ^ 1);
  pair.client.input(record);
  CHECK_THROWS_AS(pair.client.read(), Failure);
  pair.below.client().send(pair.client.output());
  CHECK(pair.read(error).empty());
  CHECK(error == std::errc::connection_reset);
}

TEST_CASE("a side that has ended says so, behind all that it wrote") {
  Pair pair;
  pair.shake_hands();
  std::error_code error;
  pair.below.client().limit_room(10);
  pair.write(some_text(100), error);
  CHECK(error == asio::error::would_block);
  pair.peer.shut_down();
  CHECK_FALSE(pair.below.client().saw_end());
  pair.below.client().limit_room(unsplit);
  CHECK(pair.below.client().saw_end());
  CHECK(pair.received() == some_text(100));
  CHECK(pair.client.saw_close_notify());
  // What the client still sends can be read.
  pair.client.write("more");
  pair.below.client().send(pair.client.output());
  CHECK(pair.read() == "more");
  pair.peer.close();
  CHECK(pair.below.client().waiting().empty());  // it has been said already
}

TEST_CASE("closing says so, and aborting does not") {
  const bool closes = GENERATE(true, false);
  Pair pair;
  pair.shake_hands();
  closes ? pair.peer.close() : pair.peer.abort();
  CHECK(pair.received().empty());
  CHECK(pair.client.saw_close_notify() == closes);
  CHECK(pair.below.client().saw_break() != closes);
  CHECK(pair.below.client().is_gone());
  CHECK(pair.tls.count() == 0);
}

TEST_CASE("closing never waits for a client that does not read") {
  Pair pair;
  pair.shake_hands();
  std::error_code error;
  pair.below.client().limit_room(3);
  pair.write(some_text(100), error);
  pair.peer.close();
  CHECK(pair.below.client().is_gone());
}

TEST_CASE("a socket that fails is told as plain sockets tell it") {
  Pair pair;
  pair.shake_hands();
  std::error_code error;
  SECTION("in a write") {
    pair.below.client().fail_write(0, std::make_error_code(std::errc::host_unreachable));
    CHECK(pair.write("x", error) == 0);
    CHECK(error == std::errc::host_unreachable);
  }
  SECTION("by a reset, which reading sees") {
    pair.below.client().reset();
    CHECK(pair.told->take() == std::vector<std::string>{"hangup"});
    CHECK(pair.read(error).empty());
    CHECK(error == asio::error::connection_reset);
    CHECK(pair.peer.broken() == asio::error::connection_reset);
  }
  SECTION("while a record waits") {
    pair.below.client().limit_room(3);
    pair.write(some_text(100), error);
    pair.below.client().fail_write(0, std::make_error_code(std::errc::broken_pipe));
    CHECK(pair.write("x", error) == 0);
    CHECK(error == std::errc::broken_pipe);
  }
}

TEST_CASE("what others left in OpenSSL's queue of errors is nobody's fault") {
  const auto leave = [] { ERR_raise(ERR_LIB_SSL, SSL_R_BAD_RECORD_TYPE); };
  Pair pair;
  pair.client.shake_hands();
  std::string out = pair.client.output();
  pair.below.client().send(out);
  leave();
  pair.step();
  REQUIRE(pair.outcome == Handshake::under_way);
  pair.client.input(pair.below.client().take());
  pair.client.shake_hands();
  pair.below.client().send(pair.client.output());
  leave();
  pair.step();
  REQUIRE(pair.outcome == Handshake::done);
  std::error_code error;
  leave();
  CHECK(pair.read(error).empty());
  CHECK(error == asio::error::would_block);
  leave();
  pair.below.client().limit_room(2);
  CHECK(pair.write("answered", error) == 7);
  CHECK(error == asio::error::would_block);
  leave();
  pair.below.client().limit_room(unsplit);
  CHECK(pair.received() == "answered");
  pair.client.end();
  pair.below.client().send(pair.client.output());
  leave();
  CHECK(pair.read(error).empty());
  CHECK(error == asio::error::eof);
  pair.peer.close();
  ERR_clear_error();
}

TEST_CASE("nothing is left in OpenSSL's queue of errors") {
  Pair pair;
  pair.shake_hands();
  pair.client.write("asked");
  std::string record = pair.client.output();
  record.back() = static_cast<char>(record.back() ^ 1);
  pair.below.client().send(record);
  std::error_code error;
  pair.read(error);
  CHECK(ERR_peek_error() == 0);
  Pair other;
  other.below.client().send(std::string("\x16\x03\x01\x00\x05nonsense", 13));
  other.step();
  CHECK(other.outcome == Handshake::failed);
  CHECK(ERR_peek_error() == 0);
}

TEST_CASE("a ticket is good on every loop, and for two lifetimes of its key") {
  const int version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
  const auto core = self_signed();
  HeldLoop loop;
  const auto come = [&](const TlsTicket& ticket) {
    Pair pair(loop, {.max_version = version, .ticket = ticket}, core);
    pair.shake_hands();
    pair.received();
    return std::pair(pair.client.resumed(), pair.client.ticket());
  };
  const auto [first_resumed, ticket] = come(nullptr);
  CHECK_FALSE(first_resumed);
  REQUIRE(ticket);
  CHECK(come(ticket).first);
  loop.let_pass(13h);
  const auto [resumed, renewed] = come(ticket);
  CHECK(resumed);
  REQUIRE(renewed);
  loop.let_pass(12h);
  CHECK_FALSE(come(ticket).first);
  CHECK(come(renewed).first);
}

TEST_CASE("a client of TLS 1.3 that comes back gets a ticket for the next time") {
  const auto core = self_signed();
  HeldLoop loop;
  TlsTicket ticket;
  for (int i = 0; i < 4; ++i) {
    Pair pair(loop, {.min_version = TLS1_3_VERSION, .ticket = ticket}, core);
    pair.shake_hands();
    CHECK(pair.client.resumed() == (i > 0));
    CHECK(pair.received().empty());
    REQUIRE(pair.client.tickets().size() == 1);
    ticket = pair.client.tickets().front();
  }
}

TEST_CASE("a ticket leaves with the first answer, or when there is nothing to read") {
  Pair pair({.min_version = TLS1_3_VERSION});
  pair.client.shake_hands();
  pair.below.client().send(pair.client.output());
  pair.step();
  pair.client.input(pair.below.client().take());
  REQUIRE(pair.client.shake_hands());
  const std::size_t writes = pair.below.client().writes();
  std::error_code error;
  const auto begin = [&] {
    pair.below.client().send(pair.client.output());
    pair.step();
    REQUIRE(pair.done);
    REQUIRE(pair.below.client().writes() == writes);
  };
  SECTION("with the answer, whenever that comes") {
    pair.client.write("asked");
    begin();
    CHECK(pair.read() == "asked");
    CHECK(pair.below.client().waiting().empty());
    CHECK(pair.write("answered", error) == 8);
    CHECK(pair.below.client().writes() == writes + 1);
    CHECK(pair.received() == "answered");
  }
  SECTION("by itself when nothing was asked") {
    begin();
    CHECK(pair.read().empty());
    CHECK(pair.below.client().writes() == writes + 1);
    CHECK(pair.received().empty());
  }
  SECTION("in pieces, before the answer") {
    const std::size_t room = GENERATE(0u, 1u, 100u);
    pair.client.write("asked");
    begin();
    CHECK(pair.read() == "asked");
    pair.below.client().limit_room(room);
    CHECK(pair.write("answered", error) == 7);
    CHECK(error == asio::error::would_block);
    pair.below.client().limit_room(unsplit);
    CHECK(pair.write("d", error) == 1);
    CHECK(pair.received() == "answered");
  }
  SECTION("before the end") {
    begin();
    pair.peer.close();
    CHECK(pair.received().empty());
    CHECK(pair.client.saw_close_notify());
  }
  CHECK(pair.client.tickets().size() == 1);
}

TEST_CASE("a ticket that the socket does not take is a failure like any other") {
  Pair pair({.min_version = TLS1_3_VERSION});
  pair.client.shake_hands();
  pair.pump();
  REQUIRE(pair.done);
  pair.below.client().fail_write(0, std::make_error_code(std::errc::host_unreachable));
  std::error_code error;
  CHECK(pair.read(error).empty());
  CHECK(error == std::errc::host_unreachable);
}

TEST_CASE("of the ciphers that both have the client chooses") {
  const bool modern = GENERATE(true, false);
  const std::vector<std::string> names =
      modern
          ? std::vector<std::string>{"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"}
          : std::vector<std::string>{"ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384",
                                     "ECDHE-ECDSA-CHACHA20-POLY1305"};
  for (std::size_t wanted = 0; wanted < names.size(); ++wanted) {
    std::string offered = names[wanted];
    for (std::size_t i = 1; i < names.size(); ++i) offered += ":" + names[(wanted + i) % names.size()];
    Pair pair({.max_version = modern ? TLS1_3_VERSION : TLS1_2_VERSION});
    SSL* const client = pair.client.native();
    REQUIRE((modern ? SSL_set_ciphersuites(client, offered.c_str()) : SSL_set_cipher_list(client, offered.c_str())) ==
            1);
    pair.shake_hands();
    CHECK(SSL_get_cipher_name(client) == names[wanted]);
  }
}

TEST_CASE("a connection takes little besides what OpenSSL holds") {
  CHECK(sizeof(detail::TlsConnection) <= 144);
}
