// The functions of adopted_socket.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/connection/detail/compressed_answer.hpp>
#include <spate/stream/detail/adopted_socket.hpp>

namespace spate::detail {

SPATE_DECL AdoptedSocket::AdoptedSocket(Shard& shard, const Request& request, HeaderFields fields,
                                        Ref<StreamSettings> settings, bool admits_gzip)
    : shard_(shard),
      context_{request.version_minor(), false, request.method() == "HEAD"},
      fields_(std::move(fields)),
      settings_(std::move(settings)),
      admits_gzip_(admits_gzip) {}

SPATE_DECL void AdoptedSocket::begin(OwnedSocket socket, std::unique_ptr<EstablishedSecurity> security,
                                     Ref<StreamCore> stream, std::error_code error) {
  if (!error) {
    const SocketId attached = shard_.poller().attach(std::move(socket), error);
    if (!error) peer_ = shard_.peer(attached);
  }
  if (error) return stream->connection_lost(error);
  try {
    if (security) peer_ = shard_.established(*security, peer_.number());
  } catch (...) {
    peer_.close();
    throw;
  }
  stream_ = std::move(stream);
  peer_.set_resident(Ref<Resident>(this));
}

SPATE_DECL bool AdoptedSocket::on_readable() {
  if (!peer_ || ended_) return false;
  std::error_code error;
  if (discard_input(peer_, error)) return true;
  if (error) {
    lose(error);
  } else {
    await_departure();
  }
  return false;
}

SPATE_DECL void AdoptedSocket::on_hangup() {
  if (!peer_) return;
  if (!ended_) {
    on_readable();
  } else if (peer_.broken()) {
    lose({});  // to leave is no error, and only afterwards the connection broke
  }
}

SPATE_DECL void AdoptedSocket::on_timer(TimePoint now) {
  if (stream_) return probe();
  if (!writer_.keeps_up(peer_, now, settings_->limits.write)) return lose({});
  shard_.set_timer(*this, writer_.next(settings_->limits.write));
}

SPATE_DECL std::size_t AdoptedSocket::on_cut() {
  const Ref<StreamCore> stream = close();
  return stream ? stream->on_cut() : 1;
}

SPATE_DECL Channel AdoptedSocket::open_channel(const Request& request, const HeaderFields& fields) {
  // A client that has ended its side before its stream began has left it.
  if (ended_) {
    close();
    return {};
  }
  std::string head = http1_head(fields, framing_for(request), after_stream(request));
  stream_ = nullptr;
  return {std::move(peer_), std::move(head)};
}

SPATE_DECL void AdoptedSocket::answer(Response response) {
  put_or_close([&] {
    response.add_missing_headers(fields_);
    if (GzipPieces* gzip = shard_.gzip()) compress(response, *gzip, admits_gzip_);
    std::string bytes;
    serialize_head(bytes, response, context_);
    bytes += payload(response, context_);
    return bytes;
  });
}

SPATE_DECL void AdoptedSocket::answer_head(const Request&, const HeaderFields& fields, Framing framing) {
  put_or_close([&] { return http1_head(fields, framing, AfterStream::close); });
}

SPATE_DECL void AdoptedSocket::put(std::string bytes) {
  if (!peer_) return;
  stream_ = nullptr;
  shard_.set_timer(*this, never);
  answer_ = std::move(bytes);
  write();
}

SPATE_DECL void AdoptedSocket::await_departure() {
  ended_ = true;
  if (!stream_) return;
  stream_->input_ended();
  if (context_.http_minor_version >= 1) look_later(first_probe);
}

SPATE_DECL void AdoptedSocket::probe() {
  if (say_go_on(peer_)) return lose({});
  look_later(2 * probe_wait_);
}

SPATE_DECL void AdoptedSocket::look_later(std::chrono::seconds wait) {
  probe_wait_ = wait;
  shard_.set_timer(*this, shard_.now() + wait);
}

SPATE_DECL void AdoptedSocket::write() {
  std::error_code error;
  sent_ += writer_.write(peer_, {answer_.data() + sent_, answer_.size() - sent_}, shard_.now(), error);
  if (error == asio::error::would_block) return shard_.set_timer(*this, writer_.next(settings_->limits.write));
  if (error) return lose(error);
  const Ref<Resident> alive(this);
  shard_.set_timer(*this, never);
  linger(shard_, std::move(peer_));
}

SPATE_DECL Ref<StreamCore> AdoptedSocket::close() {
  const Ref<Resident> alive(this);
  shard_.set_timer(*this, never);
  peer_.close();
  return std::exchange(stream_, nullptr);
}

}  // namespace spate::detail
