// One connection over TLS, in memory.
//
//   s…   after a handshake both sides send, and take in pieces, as the input says: two bytes for each step. What
//        arrives is what was sent, once and in order.
//   g…   after a handshake the client's bytes are the input
//   …    the input is all that the client sends. However it is cut, the same comes of it
//
// OpenSSL's random numbers are its own, so that runs differ in what is encrypted, and in nothing else.
#include <algorithm>
#include <string>
#include <string_view>

#include <asio/buffer.hpp>
#include <asio/error.hpp>

#include <spate/tls/tls_src.hpp>
#include "fuzz/fuzz.hpp"
#include "fuzz/tls_handshake.hpp"
#include "support/held_loop.hpp"
#include "support/memory_transport.hpp"
#include "support/tls_client.hpp"

using namespace spate;
using namespace spate::test;
using Handshake = detail::SecureTransport::Handshake;

namespace {

struct World {
  World() : tls(loop.shard(), below, tls_core(), {"http/1.1"}) {
    below.connect();
    peer = tls.accept(0);
    peer.set_resident(detail::make_ref<detail::Resident>());
  }
  World(const World&) = delete;
  World& operator=(const World&) = delete;
  ~World() { peer.close(); }

  // Reads until nothing is left.
  std::string read(std::error_code& error) {
    std::string all;
    for (;;) {
      char data[700];
      const std::size_t size = peer.read(data, sizeof data, error);
      if (error) return all;
      all.append(data, size);
    }
  }

  HeldLoop loop;
  MemoryTransport below;
  detail::TlsTransport tls;
  detail::Peer peer;
};

std::string outcome(const Pieces& pieces) {
  World world;
  Handshake handshake = Handshake::under_way;
  for (const Piece& piece : pieces) {
    if (handshake != Handshake::under_way) break;
    world.below.client().send(piece.view());
    handshake = world.tls.shake_hands(0);
  }
  require(handshake != Handshake::done, "nobody shakes hands by chance");
  return std::to_string(static_cast<int>(handshake));
}

void take_garbage(std::string_view input) {
  World world;
  TlsEngine client;
  shake_hands(client, world.below, world.tls);
  for (const char c : input) {
    world.below.client().send({&c, 1});
    std::error_code error;
    require(world.read(error).empty(), "nothing is read that was not encrypted");
    require(static_cast<bool>(error), "there is nothing, or an error");
    const char text[] = "still here";
    const std::error_code before = error;
    world.peer.write(asio::const_buffer(text, sizeof text), error);
    require(before == asio::error::would_block || error, "after a failure nothing is written");
  }
}

// The text that each side sends.
std::string text(std::size_t from, std::size_t size) {
  std::string made(size, ' ');
  for (std::size_t i = 0; i < size; ++i) made[i] = static_cast<char>('a' + (from + i) * 7 % 26);
  return made;
}

void play(std::string_view script) {
  World world;
  TlsEngine client({.max_version = script.size() % 2 == 0 ? TLS1_3_VERSION : TLS1_2_VERSION});
  shake_hands(client, world.below, world.tls);
  std::string to_server, to_client;  // encrypted, on its way
  std::size_t asked = 0, answered = 0, read_by_server = 0, read_by_client = 0;
  const auto deliver = [&](std::size_t most) {
    to_server += client.output();
    const std::string piece = to_server.substr(0, most);
    to_server.erase(0, piece.size());
    if (!piece.empty()) world.below.client().send(piece);
  };
  const auto take = [&](std::size_t most) {
    client.input(world.below.client().take(most));
    for (std::string some = client.read(); !some.empty(); some = client.read()) {
      require(some == text(read_by_client, some.size()), "the client reads what was written");
      read_by_client += some.size();
    }
    require(read_by_client <= answered + 1, "no more than was taken, but for the byte that is owed");
  };
  const auto read = [&] {
    std::error_code error;
    const std::string some = world.read(error);
    require(error == asio::error::would_block, "nothing more for now", error.message());
    require(some == text(read_by_server, some.size()), "the server reads what was written");
    read_by_server += some.size();
  };
  const auto write = [&](std::size_t size) {
    const std::string offered = text(answered, size), behind = text(answered + size, 3);
    const asio::const_buffer buffers[] = {asio::buffer(offered), asio::buffer(behind)};
    std::error_code error;
    const std::size_t all = size + behind.size();
    const std::size_t taken = world.peer.write(buffers, 2, all, error);
    require(!error || error == asio::error::would_block, "writing fails", error.message());
    require(taken == all || error == asio::error::would_block, "all is taken, or the socket is full");
    if (error) world.peer.await_writable();
    answered += taken;
  };
  for (; script.size() >= 2; script.remove_prefix(2)) {
    const std::size_t amount = static_cast<unsigned char>(script[1]);
    switch (script[0] % 8) {
      case 0:
        client.write(text(asked, amount));
        asked += amount;
        break;
      case 1: deliver(amount); break;
      case 2: read(); break;
      case 3: write(amount * amount / 2 + 1); break;
      case 4: take(amount); break;
      case 5: world.below.client().limit_room(amount * 4); break;
      case 6: world.below.client().split_writes(amount + 1); break;
      case 7:
        if (SSL_version(client.native()) == TLS1_3_VERSION && asked > 0) {
          SSL_key_update(client.native(), amount % 2 == 0 ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED);
        }
        break;
    }
  }
  world.below.client().limit_room(MemoryTransport::unlimited);
  take(MemoryTransport::unlimited);
  write(1);
  deliver(MemoryTransport::unlimited);
  read();
  take(MemoryTransport::unlimited);
  require(read_by_server == asked, "all arrives at the server");
  require(read_by_client == answered, "all arrives at the client");
  std::error_code error;
  world.peer.shut_down();
  take(MemoryTransport::unlimited);
  require(client.saw_close_notify(), "the end is told");
}

}  // namespace

void fuzz(std::string_view input) {
  if (input.starts_with('s')) return play(input.substr(1));
  if (input.starts_with('g')) return take_garbage(input.substr(1));
  const std::string whole = outcome(cut(input, {}));
  for (const Pieces& pieces : some_cuts(input)) {
    const std::string other = outcome(pieces);
    require(other == whole, "cutting changes nothing", whole + " >< " + other);
  }
}
