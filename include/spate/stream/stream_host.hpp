// A StreamHost opens streams on sockets that a server of another make accepted and parsed.
//
//   spate::StreamHost host(io.get_executor());
//   spate::Request request("GET", target);              // what the other server parsed
//   spate::EventStream stream = host.open(std::move(socket), std::move(request));
//   stream.send(spate::Event("hello"));
//
// It has no routes and no limits of its own: who accepts counts. `Server::adopt` takes such a connection with both.
//
// Threads: any, except construction and destruction. The host's streams live on the executor given; when several
// threads run it, the host puts a strand around it. Lifetime: destroying the host cuts its streams; destroy it before
// the io_context, while nobody runs it or on its only thread.
#pragma once

#include <atomic>
#include <memory>

#include <asio/any_io_executor.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/local/stream_protocol.hpp>

#include <spate/config.hpp>
#include <spate/http/header_fields.hpp>
#include <spate/http/request.hpp>
#include <spate/stream/event_stream.hpp>
#include <spate/stream/stream_options.hpp>
#include <spate/wire/detail/ref.hpp>

namespace spate {

namespace detail {
class Compression;
class EstablishedSecurity;
class Shard;
struct StreamSettings;
}  // namespace detail

class StreamHost {
 public:
  /// `compression`, a `Gzip` of <spate/zlib/gzip.hpp>, compresses the streams of those who ask for it. Null: nothing is
  /// compressed.
  explicit StreamHost(asio::any_io_executor executor, StreamOptions options = {},
                      std::shared_ptr<const detail::Compression> compression = nullptr);

  StreamHost(const StreamHost&) = delete;
  StreamHost& operator=(const StreamHost&) = delete;
  ~StreamHost();

  /// Makes a stream of `socket`, on which `request` has been read and nothing answered. The head goes out as for every
  /// stream: with `open`, the first `send`, or not at all after `reject`. It ends at the request's expiry, if that has
  /// one. After HEAD it is never open: the head is the whole answer, and nothing that is sent follows it
  /// (RFC 9110 9.3.2). A client that ends its side of the connection meanwhile has left a stream, and still gets every
  /// other answer.
  ///
  /// `fields` are added to whatever is answered, unless `EventStream::header` has set one of the name.
  /// Throws       std::invalid_argument when the query asks for a transport that cannot be had: answer 400; or when a
  ///              field is none, which it quotes. std::system_error with Errc::shut_down after `drain`: answer 503. The
  ///              socket is still the caller's then
  /// Lifetime     the socket is the stream's from now on, also when it fails: `on_error` tells
  EventStream open(asio::ip::tcp::socket&& socket, Request request, HeaderFields fields = {});
#if defined(ASIO_HAS_LOCAL_SOCKETS)
  /// The same for a connection over a Unix socket.
  EventStream open(asio::local::stream_protocol::socket&& socket, Request request, HeaderFields fields = {});
#endif
  /// The same for a connected socket of the system, of either kind, as another library knows it.
  EventStream open(asio::ip::tcp::socket::native_handle_type socket, Request request, HeaderFields fields = {});

  /// The same for an encrypted connection, whose TLS handshake the program has done: `tls` is a `TlsSession`, of
  /// <spate/tls/tls_session.hpp>.
  using EstablishedTls = std::unique_ptr<detail::EstablishedSecurity>;
  EventStream open(asio::ip::tcp::socket&& socket, EstablishedTls tls, Request request, HeaderFields fields = {});
#if defined(ASIO_HAS_LOCAL_SOCKETS)
  EventStream open(asio::local::stream_protocol::socket&& socket, EstablishedTls tls, Request request,
                   HeaderFields fields = {});
#endif
  EventStream open(asio::ip::tcp::socket::native_handle_type socket, EstablishedTls tls, Request request,
                   HeaderFields fields = {});

  /// Ends every stream with EndReason::shutdown, its farewell included. From now on `open` refuses.
  void drain();

 private:
  template <typename TakeSocket>
  EventStream open_on(Request request, HeaderFields fields, EstablishedTls tls, TakeSocket take_socket);

  detail::Ref<detail::Shard> shard_;
  detail::Ref<detail::StreamSettings> settings_;
  // Shared with what is on its way to the loop.
  std::shared_ptr<std::atomic<bool>> draining_;
};

}  // namespace spate

#if defined(SPATE_HEADER_ONLY)
#include <spate/stream/impl/stream_host.ipp>
#endif
