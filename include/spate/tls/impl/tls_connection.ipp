// The functions of tls_connection.hpp.
#pragma once

#include <algorithm>
#include <cstring>
#include <limits>
#include <new>
#include <utility>

#include <asio/error.hpp>

#include <spate/config.hpp>
#include <spate/detail/prefetch.hpp>
#include <spate/loop/detail/loop.hpp>
#include <spate/tls/detail/certificates.hpp>
#include <spate/tls/detail/tls_config.hpp>
#include <spate/tls/detail/tls_connection.hpp>
#include <spate/tls/detail/tls_transport.hpp>

namespace spate::detail {

SPATE_DECL TlsConnection::TlsConnection(TlsTransport& transport, int number, Ref<TlsConfig> config,
                                        OpensslOwned<SSL> ssl)
    : transport_(transport), config_(std::move(config)), ssl_(std::move(ssl)), number_(number) {
  set_bio();
}

SPATE_DECL TlsConnection::TlsConnection(TlsTransport& transport, int number, OpensslOwned<SSL> ssl, std::string input)
    : transport_(transport), ssl_(std::move(ssl)), number_(number) {
  if (!input.empty()) input_ = std::make_unique<std::string>(std::move(input));
  shaken_ = heard_ = true;
  set_bio();
}

SPATE_DECL TlsConnection::~TlsConnection() {
  if (ssl_) transport_.forget(number_);  // the poller has closed the socket itself, at its own end
}

SPATE_DECL TlsConnection& TlsConnection::of(const SSL* ssl) noexcept {
  return *static_cast<TlsConnection*>(BIO_get_data(SSL_get_rbio(ssl)));
}

SPATE_DECL void TlsConnection::set_modes(SSL_CTX& context) noexcept {
  SSL_CTX_set_mode(&context, modes);
  SSL_CTX_set_read_ahead(&context, 1);
}

SPATE_DECL void TlsConnection::set_modes(SSL& adopted) noexcept {
  SSL_set_mode(&adopted, modes);
  SSL_set_read_ahead(&adopted, 1);
  SSL_set_options(&adopted, SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF);
}

SPATE_DECL const std::string& TlsConnection::protocols() const noexcept {
  return transport_.protocols();
}

SPATE_DECL TimePoint TlsConnection::now() const {
  return transport_.loop().now();
}

SPATE_DECL bool TlsConnection::on_readable() {
  drained_ = false;
  const Ref<Resident> told = resident_;
  if (!told) return false;
  const Ref<Resident> alive(this);
  // Where another has taken over meanwhile, that one is to be told of more.
  return told->on_readable() || (resident_ && !(resident_ == told));
}

SPATE_DECL void TlsConnection::on_writable() {
  const Ref<Resident> alive(this);
  if (blocked_ && !push_out()) fail(socket_error_);
  if (blocked_) return;
  if (std::exchange(ends_output_, false)) end_output();
  if (const Ref<Resident> told = resident_) told->on_writable();
  if (!std::exchange(read_waits_, false)) return;
  if (const Ref<Resident> told = resident_) told->on_readable();
}

SPATE_DECL void TlsConnection::on_hangup() {
  hung_up_ = true;
  drained_ = false;
  const Ref<Resident> alive(this);
  if (const Ref<Resident> told = resident_) told->on_hangup();
}

SPATE_DECL void TlsConnection::on_drain() {
  const Ref<Resident> alive(this);
  if (const Ref<Resident> told = resident_) told->on_drain();
}

SPATE_DECL std::size_t TlsConnection::on_cut() {
  const Ref<Resident> alive(this), told = resident_;
  return told ? told->on_cut() : 0;
}

SPATE_DECL void TlsConnection::on_failure(std::error_code error) {
  const Ref<Resident> alive(this);
  if (const Ref<Resident> told = resident_) told->on_failure(error);
}

SPATE_DECL Remaining TlsConnection::flush(int& budget) {
  awake_ = false;
  --budget;
  if (const Ref<Resident> told = resident_) told->on_readable();
  return Remaining::nothing;
}

// Calls OpenSSL; returns what SSL_get_error says of it.
template <typename Call>
int TlsConnection::attempt(Writes writes, Call call) {
  ERR_clear_error();
  socket_error_.clear();
  writes_ = writes;
  const int result = call(ssl_.get());
  writes_ = Writes::at_once;
  return result > 0 ? SSL_ERROR_NONE : SSL_get_error(ssl_.get(), result);
}

SPATE_DECL SecureTransport::Handshake TlsConnection::shake_hands() {
  using Outcome = SecureTransport::Handshake;
  const int outcome = attempt(Writes::later, [](SSL* ssl) { return SSL_accept(ssl); });
  ERR_clear_error();
  if (plain_text_) return Outcome::plain_text;
  const bool done = outcome == SSL_ERROR_NONE;
  // After the handshake of TLS 1.3 this is a ticket, for which no client waits: it leaves with the first answer, or as
  // soon as there is nothing to read.
  const bool waits = done && SSL_version(ssl_.get()) == TLS1_3_VERSION;
  if (kept_ && !waits && !blocked_ && !push_out()) return Outcome::failed;
  if (outcome == SSL_ERROR_WANT_READ) return Outcome::under_way;
  if (!done) {
    fail(std::make_error_code(std::errc::protocol_error));
    return Outcome::failed;
  }
  shaken_ = true;
  without_data_ = 0;
  return Outcome::done;
}

SPATE_DECL PeerIdentity TlsConnection::identity() const {
  PeerIdentity identity;
  const unsigned char* protocol = nullptr;
  unsigned int size = 0;
  SSL_get0_alpn_selected(ssl_.get(), &protocol, &size);
  if (size > 0) identity.protocol.assign(reinterpret_cast<const char*>(protocol), size);
  X509* const certificate = SSL_get0_peer_certificate(ssl_.get());
  if (certificate != nullptr && SSL_get_verify_result(ssl_.get()) == X509_V_OK) {
    identity.subject = std::make_shared<const std::string>(subject_of(*certificate));
  }
  return identity;
}

SPATE_DECL std::size_t TlsConnection::read(char* data, std::size_t size, std::error_code& error) {
  error.clear();
  std::size_t taken = 0;
  for (bool more = true; more && taken < size && !ended_ && !failure_;) {
    std::size_t count = 0;
    const int outcome =
        attempt(Writes::if_possible, [&](SSL* ssl) { return SSL_read_ex(ssl, data + taken, size - taken, &count); });
    switch (outcome) {
      case SSL_ERROR_NONE:
        taken += count;
        without_data_ = 0;
        break;
      case SSL_ERROR_WANT_READ: more = false; break;
      case SSL_ERROR_WANT_WRITE:
        read_waits_ = true;
        more = false;
        break;
      case SSL_ERROR_ZERO_RETURN: ended_ = true; break;
      default: fail(reason_of_failure());
    }
  }
  if (taken > 0) {
    if (ended_ || failure_) wake();
    return taken;
  }
  if (kept_ && !blocked_ && !ended_ && !failure_ && !push_out()) fail(socket_error_);
  error = failure_ ? failure_ : ended_ ? std::error_code(asio::error::eof) : asio::error::would_block;
  return 0;
}

// The next record of `buffers`, from byte `at` on; from several of them it is put together in `scratch`.
SPATE_DECL asio::const_buffer next_record(const asio::const_buffer* buffers, std::size_t at, std::size_t left,
                                          char* scratch) {
  constexpr std::size_t most = TlsTransport::record_size;
  for (; at >= buffers->size(); ++buffers) at -= buffers->size();
  const asio::const_buffer first = *buffers + at;
  if (first.size() >= std::min(left, most)) return {first.data(), std::min(first.size(), most)};
  std::size_t filled = 0;
  for (asio::const_buffer part = first;; part = *++buffers) {
    const std::size_t size = std::min(part.size(), most - filled);
    std::memcpy(scratch + filled, part.data(), size);
    filled += size;
    if (filled == std::min(left, most)) return {scratch, filled};
  }
}

// OpenSSL's buffer is no larger than a record of `size` needs, which for most events is one that malloc has at hand.
SPATE_DECL void limit_fragments(SSL& ssl, std::size_t size) noexcept {
  constexpr std::size_t least = 512;
  const auto fragment = static_cast<long>(std::max(size, least));
  SSL_set_max_send_fragment(&ssl, fragment);
  SSL_set_split_send_fragment(&ssl, fragment);
}

SPATE_DECL std::size_t TlsConnection::write(const asio::const_buffer* buffers, std::size_t size,
                                            std::error_code& error) {
  error.clear();
  if (blocked_ && !push_out()) fail(socket_error_);
  if (blocked_) error = asio::error::would_block;
  if (failure_) error = failure_;
  if (error) return 0;
  std::size_t taken = std::exchange(owed_, std::uint8_t{0});
  while (taken < size) {
    const asio::const_buffer record = next_record(buffers, taken, size - taken, transport_.scratch());
    std::size_t count = 0;
    limit_fragments(*ssl_, record.size());
    const int outcome =
        attempt(Writes::at_once, [&](SSL* ssl) { return SSL_write_ex(ssl, record.data(), record.size(), &count); });
    limit_fragments(*ssl_, TlsTransport::record_size);  // for what OpenSSL writes by itself, whose buffer may stay
    if (outcome != SSL_ERROR_NONE) {
      fail(reason_of_failure());
      error = failure_;
      return 0;
    }
    taken += count;
    if (!blocked_) continue;
    // The rest of this record waits for the socket. Its last byte counts as not taken, so that whoever writes waits as
    // well, and does not take for sent what is not.
    owed_ = 1;
    error = asio::error::would_block;
    return taken - owed_;
  }
  return taken;
}

SPATE_DECL void TlsConnection::prefetch() const noexcept {
  detail::prefetch(&transport_);
  detail::prefetch(&blocked_);
}

SPATE_DECL void TlsConnection::await_readable() {
  if (SSL_has_pending(ssl_.get()) == 1 || input_ || ended_ || failure_) wake();
  transport_.below().await_readable(number_);
}

SPATE_DECL std::size_t TlsConnection::unacknowledged() const {
  return transport_.below().unacknowledged(number_) + (blocked_ ? kept_->size() : 0);
}

SPATE_DECL std::error_code TlsConnection::broken() {
  return failure_ ? failure_ : transport_.below().broken(number_);
}

SPATE_DECL void TlsConnection::shut_down() {
  blocked_ ? static_cast<void>(ends_output_ = true) : end_output();
}

SPATE_DECL void TlsConnection::end(Farewell farewell) {
  // Who has closed their socket reads no more.
  if (farewell == Farewell::close_notify && !blocked_ && !socket_ended_) say_goodbye();
  ssl_.reset();
  kept_.reset();
  input_.reset();
  const Ref<Resident> last = std::move(resident_);
}

SPATE_DECL BIO_METHOD* TlsConnection::bio_method() {
  static const OpensslOwned<BIO_METHOD> method = [] {
    auto fresh = made(BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "spate"));
    BIO_meth_set_read_ex(fresh.get(), &TlsConnection::bio_read);
    BIO_meth_set_write_ex(fresh.get(), &TlsConnection::bio_write);
    BIO_meth_set_ctrl(fresh.get(), &TlsConnection::bio_control);
    return fresh;
  }();
  return method.get();
}

SPATE_DECL int TlsConnection::bio_read(BIO* bio, char* data, std::size_t size, std::size_t* count) {
  TlsConnection& self = *static_cast<TlsConnection*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  *count = self.read_below(data, size);
  if (*count > 0) return 1;
  if (self.socket_error_ == asio::error::would_block) BIO_set_retry_read(bio);
  return self.socket_ended_ ? 0 : -1;
}

SPATE_DECL int TlsConnection::bio_write(BIO* bio, const char* data, std::size_t size, std::size_t* count) {
  TlsConnection& self = *static_cast<TlsConnection*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  if (self.writes_ == Writes::if_possible && !self.may_answer()) {
    BIO_set_retry_write(bio);
    return -1;
  }
  if (self.failure_) return -1;
  *count = size;
  return self.write_below(data, size) ? 1 : -1;
}

// With TLS 1.2 what comes of reading is the refusal of another handshake. When that finds no place OpenSSL goes on
// without it, and the client could decrypt nothing behind it; and whoever asks again and again has the server work for
// nothing.
SPATE_DECL bool TlsConnection::may_answer() {
  if (SSL_version(ssl_.get()) == TLS1_3_VERSION) return !blocked_;
  if (!blocked_ && refusals_ < max_refusals) {
    ++refusals_;
    return true;
  }
  fail(std::make_error_code(std::errc::protocol_error));
  SSL_set_shutdown(ssl_.get(), SSL_RECEIVED_SHUTDOWN);  // what came with it OpenSSL throws away, unread
  return false;
}

SPATE_DECL long TlsConnection::bio_control(BIO* bio, int command, long, void*) {
  switch (command) {
    case BIO_CTRL_FLUSH: return 1;
    case BIO_CTRL_EOF: return static_cast<TlsConnection*>(BIO_get_data(bio))->socket_ended_ ? 1 : 0;
    default: return 0;
  }
}

SPATE_DECL void TlsConnection::set_bio() {
  auto bio = made(BIO_new(bio_method()));
  BIO_set_data(bio.get(), this);
  BIO_set_init(bio.get(), 1);
  BIO* const both = bio.release();
  SSL_set_bio(ssl_.get(), both, both);
}

SPATE_DECL std::size_t TlsConnection::read_below(char* data, std::size_t size) {
  std::size_t count = 0;
  if (input_) {
    count = input_->copy(data, size);
    input_->erase(0, count);
    if (input_->empty()) input_.reset();
  } else if (socket_ended_) {
    socket_error_ = asio::error::eof;
  } else if (drained_) {
    socket_error_ = asio::error::would_block;
  } else {
    count = transport_.below().read(number_, data, size, socket_error_);
    drained_ = count < size && !hung_up_;  // what comes later, it tells of
    socket_ended_ = socket_error_ == asio::error::eof;
  }
  if (count == 0) return 0;
  // Every connection begins with a record of the handshake. (RFC 8446 5.1)
  constexpr char handshake = 0x16;
  if (!std::exchange(heard_, true) && *data != handshake) plain_text_ = true;
  if (without_data_ > (shaken_ ? max_without_data : max_handshake)) {
    socket_error_ = std::make_error_code(std::errc::protocol_error);
    return 0;
  }
  without_data_ += static_cast<std::uint32_t>(count);
  return plain_text_ ? 0 : count;
}

SPATE_DECL bool TlsConnection::write_below(const char* data, std::size_t size) {
  try {
    if (writes_ != Writes::later) return push_out({data, size});
    if (!kept_) kept_ = std::make_unique<std::string>();
    kept_->append(data, size);
    return true;
  } catch (const std::bad_alloc&) {  // not through OpenSSL
    socket_error_ = std::make_error_code(std::errc::not_enough_memory);
    return false;
  }
}

SPATE_DECL bool TlsConnection::push_out(asio::const_buffer more) {
  socket_error_.clear();
  const std::size_t kept = kept_ ? kept_->size() : 0, all = kept + more.size();
  std::size_t sent = 0;
  while (sent < all && !socket_error_) {
    asio::const_buffer buffers[2];
    std::size_t count = 0;
    if (sent < kept) buffers[count++] = {kept_->data() + sent, kept - sent};
    if (more.size() > 0) buffers[count++] = more + (sent < kept ? 0 : sent - kept);
    sent += transport_.below().write(number_, buffers, count, all - sent, socket_error_);
  }
  if (sent == all) {
    kept_.reset();
    blocked_ = false;
    return true;
  }
  if (socket_error_ != asio::error::would_block) return false;
  const auto rest = [](asio::const_buffer left) {
    return std::string_view(static_cast<const char*>(left.data()), left.size());
  };
  if (sent < kept) {
    kept_->erase(0, sent);
    kept_->append(rest(more));
  } else {
    kept_ = std::make_unique<std::string>(rest(more + (sent - kept)));
  }
  transport_.below().await_writable(number_);
  blocked_ = true;
  return true;
}

SPATE_DECL std::error_code TlsConnection::reason_of_failure() const {
  const int reason = ERR_GET_REASON(ERR_peek_error());
  ERR_clear_error();
  if (socket_error_ && socket_error_ != asio::error::would_block) return socket_error_;
  // The client has said that it breaks off.
  if (reason >= SSL_AD_REASON_OFFSET) return std::make_error_code(std::errc::connection_reset);
  return std::make_error_code(std::errc::protocol_error);
}

SPATE_DECL void TlsConnection::fail(std::error_code error) {
  failure_ = error;
  kept_.reset();
  blocked_ = false;
}

// Once, and not after a failure, after which OpenSSL would only spoil the session.
SPATE_DECL void TlsConnection::say_goodbye() {
  if (!shaken_ || failure_ || (SSL_get_shutdown(ssl_.get()) & SSL_SENT_SHUTDOWN) != 0) return;
  attempt(Writes::at_once, [](SSL* ssl) { return SSL_shutdown(ssl); });
  ERR_clear_error();
}

SPATE_DECL void TlsConnection::end_output() {
  say_goodbye();
  blocked_ ? static_cast<void>(ends_output_ = true) : transport_.below().shut_down(number_);
}

SPATE_DECL void TlsConnection::wake() {
  if (awake_) return;
  transport_.loop().mark_dirty(Ref<Resident>(this));
  awake_ = true;
}

}  // namespace spate::detail
