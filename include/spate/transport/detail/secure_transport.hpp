// SecureTransport: a ByteTransport that encrypts, over the sockets of one loop. Who serves it knows no more of it than
// what stands here: what it is made of is an optional part of Spate.
//
//   Peer peer = transport.accept(socket);
//   peer.set_resident(...);                                    // who calls shake_hands, now and when told so
//   transport.shake_hands(socket) == Handshake::done           // from now on it is a peer like any other
//
// All members run on the loop's executor, unless they say "any thread".
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <spate/loop/detail/poller.hpp>
#include <spate/transport/detail/byte_transport.hpp>
#include <spate/transport/detail/peer.hpp>

namespace spate::detail {

class Loop;

/// What a peer has agreed to and proved while it shook hands.
struct PeerIdentity {
  std::string protocol;                        // by ALPN; empty when the client offered none
  std::shared_ptr<const std::string> subject;  // of its certificate, which was verified; null without one
};

class SecureTransport : public ByteTransport {
 public:
  virtual ~SecureTransport() = default;

  /// Begins on `socket`, of which nothing was read yet. The number of the peer is that of the socket. Until it has
  /// shaken hands nothing else is done with it but `set_resident`, `release`, `close` and `abort`.
  virtual Peer accept(SocketId socket) = 0;

  enum class Handshake : std::uint8_t {
    done,
    under_way,   // to be called again when the resident is told anything
    plain_text,  // the client does not encrypt: `release`
    failed,      // `close`; the client has been told why where it can be
  };

  /// Does what can be done now. It costs the processor up to some milliseconds: whoever calls it lets others have their
  /// turn in between.
  virtual Handshake shake_hands(int peer) = 0;

  /// After the handshake.
  virtual PeerIdentity identity(int peer) const = 0;

  /// Lets go of a socket whose client does not encrypt, so that it is told so in the clear. What it has sent is gone.
  virtual void release(int peer) = 0;

  /// Any thread. Peers that are not closed.
  virtual std::size_t count() const noexcept = 0;
};

/// What a program has chosen for encryption: it gives each loop its transport.
class TransportSecurity {
 public:
  virtual ~TransportSecurity() = default;

  /// One over the `sockets` of `loop`, both of which outlive its connections. `protocols` are what clients may agree
  /// on, by their names in ALPN, the most wanted first. (RFC 7301 6)
  virtual std::unique_ptr<SecureTransport> transport_on(Loop& loop, ByteTransport& sockets,
                                                        const std::vector<std::string>& protocols) = 0;
};

/// The encryption of one connection for which the program has shaken hands itself.
class EstablishedSecurity {
 public:
  virtual ~EstablishedSecurity() = default;

  /// A transport for such connections, on a loop that has none yet.
  virtual std::unique_ptr<SecureTransport> transport_on(Loop& loop, ByteTransport& sockets) = 0;

  /// Goes on over `socket`, on a transport of the kind that `transport_on` makes.
  virtual Peer begin_on(SecureTransport& transport, SocketId socket) = 0;
};

}  // namespace spate::detail
