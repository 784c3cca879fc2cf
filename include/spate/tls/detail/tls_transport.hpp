// TlsTransport: the encrypted connections of one loop, over another transport of the same numbers. Those are the
// sockets of the loop; in a test, memory.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <asio/buffer.hpp>

#include <spate/config.hpp>
#include <spate/loop/detail/loop.hpp>
#include <spate/tls/detail/openssl.hpp>
#include <spate/transport/detail/secure_transport.hpp>

namespace spate::detail {

class TlsConnection;
class TlsCore;

class TlsTransport final : public SecureTransport {
 public:
  /// Records have at most so many bytes of data. (RFC 8446 5.1)
  static constexpr std::size_t record_size = 16 * 1024;

  /// `core` is what connections begin with; null when all of them are established already.
  TlsTransport(Loop& loop, ByteTransport& below, std::shared_ptr<TlsCore> core,
               const std::vector<std::string>& protocols);

  SPATE_DECL Peer accept(SocketId socket) override;
  /// Goes on with a connection whose hands are shaken; `input` was read from it and is not decrypted yet.
  Peer go_on(SocketId socket, OpensslOwned<SSL> ssl, std::string input);

  SPATE_DECL Handshake shake_hands(int peer) override;
  SPATE_DECL PeerIdentity identity(int peer) const override;
  SPATE_DECL void release(int peer) override;
  std::size_t count() const noexcept override { return count_.load(std::memory_order_relaxed); }

  SPATE_DECL void set_resident(int peer, Ref<Resident> resident) override;
  SPATE_DECL std::size_t read(int peer, char* data, std::size_t size, std::error_code& error) override;
  SPATE_DECL std::size_t write(int peer, const asio::const_buffer* buffers, std::size_t count, std::size_t size,
                               std::error_code& error) override;
  SPATE_DECL void prefetch(int peer) const noexcept override;
  SPATE_DECL void await_writable(int peer) override;
  SPATE_DECL void await_readable(int peer) override;
  SPATE_DECL std::size_t unacknowledged(int peer) const override;
  SPATE_DECL std::error_code broken(int peer) override;
  SPATE_DECL void shut_down(int peer) override;
  SPATE_DECL void close(int peer) override;
  SPATE_DECL void abort(int peer) override;

  // ---- for its connections ----

  Loop& loop() const noexcept { return loop_; }
  ByteTransport& below() const noexcept { return below_; }
  /// Names with their lengths before them, as ALPN has them.
  const std::string& protocols() const noexcept { return protocols_; }
  /// A place for one record, for the length of a call.
  char* scratch() const noexcept { return scratch_.get(); }
  /// A connection is gone.
  void forget(int peer) noexcept;

 private:
  TlsConnection& at(int peer) const noexcept { return *connections_[static_cast<std::size_t>(peer)]; }
  void make_room(SocketId socket);
  Peer begin(SocketId socket, const Ref<TlsConnection>& connection);
  // Takes it out: it holds itself no more.
  Ref<TlsConnection> take(int peer) noexcept;

  Loop& loop_;
  ByteTransport& below_;
  const std::shared_ptr<TlsCore> core_;
  std::string protocols_;
  const std::unique_ptr<char[]> scratch_ = std::make_unique<char[]>(record_size);
  std::vector<TlsConnection*> connections_;  // by number; the transport below holds them
  std::atomic<std::size_t> count_{0};        // changed by the loop alone
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/tls/impl/tls_transport.ipp>
#endif
