// A server's end of TLS in memory, and the handshake of a client with it.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include <spate/tls/tls_src.hpp>
#include "fuzz/fuzz.hpp"
#include "support/memory_transport.hpp"
#include "support/tls_client.hpp"

namespace spate::test {

/// What the server begins with; its certificate is made once.
inline std::shared_ptr<detail::TlsCore> tls_core() {
  static const auto one = [] {
    const TlsCertificate made = detail::make_self_signed();
    TlsOptions options;
    options.certificate = made.certificate;
    options.key = made.key;
    return std::make_shared<detail::TlsCore>(options);
  }();
  return one;
}

/// Shakes hands on the first connection of `server`, which is over `below`. Where the client may speak before the
/// server has answered its last message, it says `first` with that. Returns whether it has.
inline bool shake_hands(TlsEngine& client, MemoryTransport& below, detail::TlsTransport& server,
                        std::string_view first = {}) {
  using Handshake = detail::SecureTransport::Handshake;
  Handshake outcome = Handshake::under_way;
  bool said = false;
  for (int round = 0; round < 8 && outcome == Handshake::under_way; ++round) {
    if (client.shake_hands() && !said) {
      client.write(first);
      said = true;
    }
    below.client().send(client.output());
    outcome = server.shake_hands(0);
    client.input(below.client().take());
  }
  require(outcome == Handshake::done, "hands are shaken");
  client.shake_hands();
  return said;
}

}  // namespace spate::test
