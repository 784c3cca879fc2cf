// TlsConnection: one encrypted connection, over another transport that has its socket. It is told what happens to the
// socket, and tells the resident of the connection what that means for it.
//
// OpenSSL reads and writes through it. While something is encrypted for the client, what the socket refuses is kept
// here, less than a record as a rule, so that OpenSSL never has to be asked again for the same bytes; everything else
// it writes has to wait then, and so has what makes it write. All members run on the loop's executor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <system_error>

#include <asio/buffer.hpp>

#include <spate/config.hpp>
#include <spate/loop/detail/clock.hpp>
#include <spate/loop/detail/resident.hpp>
#include <spate/tls/detail/openssl.hpp>
#include <spate/transport/detail/secure_transport.hpp>
#include <spate/wire/detail/ref.hpp>

namespace spate::detail {

class TlsConfig;
class TlsTransport;

class TlsConnection final : public Resident {
 public:
  /// A connection that begins: `ssl` is a new one of `config`.
  TlsConnection(TlsTransport& transport, int number, Ref<TlsConfig> config, OpensslOwned<SSL> ssl);
  /// One that has shaken hands already; `input` was read from its socket and is not decrypted yet.
  TlsConnection(TlsTransport& transport, int number, OpensslOwned<SSL> ssl, std::string input);
  SPATE_DECL ~TlsConnection() override;

  /// The one that OpenSSL works for; `ssl` is not adopted.
  static TlsConnection& of(const SSL* ssl) noexcept;
  static void set_modes(SSL_CTX& context) noexcept;
  static void set_modes(SSL& adopted) noexcept;
  const TlsConfig& config() const noexcept { return *config_; }
  const std::string& protocols() const noexcept;
  TimePoint now() const;

  // ---- as resident of the socket ----

  SPATE_DECL bool on_readable() override;
  SPATE_DECL void on_writable() override;
  SPATE_DECL void on_hangup() override;
  SPATE_DECL void on_drain() override;
  SPATE_DECL std::size_t on_cut() override;
  SPATE_DECL void on_failure(std::error_code error) override;
  /// Tells of input that lies in OpenSSL, of which the socket will not tell.
  SPATE_DECL Remaining flush(int& budget) override;

  // ---- for the transport, whose members say what these do ----

  void set_resident(Ref<Resident> resident) { std::swap(resident_, resident); }
  SecureTransport::Handshake shake_hands();
  PeerIdentity identity() const;
  std::size_t read(char* data, std::size_t size, std::error_code& error);
  std::size_t write(const asio::const_buffer* buffers, std::size_t size, std::error_code& error);
  void prefetch() const noexcept;
  void await_readable();
  std::size_t unacknowledged() const;
  std::error_code broken();
  void shut_down();

  enum class Farewell : std::uint8_t { close_notify, none };
  /// The last of it: the socket is closed, or somebody else's, from now on.
  void end(Farewell farewell);

 private:
  // Buffers of records only while a record is in them.
  static constexpr long modes =
      SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER;

  // Bytes that a client may send until its handshake is done: hello and certificates fit.
  static constexpr std::uint32_t max_handshake = 64 * 1024;
  // And then between two pieces of data: a whole record fits, and a new key now and then; no flood of those, of empty
  // records or of alerts. (RFC 8446 4.6.3)
  static constexpr std::uint32_t max_without_data = 17 * 1024;

  // Handshakes that a client of TLS 1.2 may ask for besides the first, all of which are refused.
  static constexpr std::uint8_t max_refusals = 8;

  enum class Writes : std::uint8_t {
    at_once,      // data, or the end: what the socket refuses is kept
    if_possible,  // what comes of reading: refused while something is kept, or the end of the connection
    later,        // a flight of the handshake: kept, to be written whole
  };

  // How OpenSSL reads and writes; see BIO_meth_new(3).
  static BIO_METHOD* bio_method();
  static int bio_read(BIO* bio, char* data, std::size_t size, std::size_t* count);
  static int bio_write(BIO* bio, const char* data, std::size_t size, std::size_t* count);
  static long bio_control(BIO* bio, int command, long number, void* pointer);

  template <typename Call>
  int attempt(Writes writes, Call call);

  void set_bio();
  // Whether what comes of reading may be written now.
  bool may_answer();
  // Reads for OpenSSL; would_block and all other errors are left in `socket_error_`.
  std::size_t read_below(char* data, std::size_t size);
  bool write_below(const char* data, std::size_t size);
  // Writes as much as it can of what is kept, and `more`; keeps the rest. Returns false when the socket has failed.
  bool push_out(asio::const_buffer more = {});

  // Why OpenSSL has failed, when it does not have to wait.
  std::error_code reason_of_failure() const;
  void fail(std::error_code error);
  void say_goodbye();
  void end_output();
  // Tells the resident to read again, in a turn that follows.
  void wake();

  TlsTransport& transport_;
  Ref<TlsConfig> config_;  // null when it was adopted
  OpensslOwned<SSL> ssl_;  // null after the end
  Ref<Resident> resident_;
  std::unique_ptr<std::string> kept_;   // encrypted, and not with the socket yet
  std::unique_ptr<std::string> input_;  // read before the connection was ours
  std::error_code failure_;             // it has failed; nothing is encrypted any more
  std::error_code socket_error_;        // of the last read or write below
  const int number_;
  std::uint32_t without_data_ = 0;  // bytes that have come
  Writes writes_ = Writes::at_once;
  std::uint8_t owed_ = 0;      // bytes of the resident's that were encrypted and reported as not taken
  std::uint8_t refusals_ = 0;  // of another handshake
  bool blocked_ = false;       // the socket has refused what is kept
  bool read_waits_ = false;    // for what is kept to leave
  bool ends_output_ = false;   // when what is kept has left
  bool shaken_ = false;        // the handshake is done
  bool heard_ = false;         // bytes have come
  bool plain_text_ = false;    // and they are no handshake
  bool drained_ = false;       // the socket had no more when it was read last, and has told of nothing since
  bool hung_up_ = false;       // it has told of its end, which may lie behind what there is to read
  bool socket_ended_ = false;  // by the client
  bool ended_ = false;         // the client sends no more
  bool awake_ = false;         // `flush` comes
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/tls/impl/tls_connection.ipp>
#endif
