// floor_http2: the least that a server can do over HTTP/2 by nghttp2, and so the reference for the cases that have it.
//
// An event is one DATA frame on each of its streams, and everything that a broadcast brings to the streams of one
// connection leaves in one write.
#include <nghttp2/nghttp2.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "floor_parts/common.hpp"
#include "floor_parts/tls.hpp"

namespace {

using namespace floors;

constexpr char usage[] = R"(floor_http2: the least an event stream server can do over HTTP/2

  --plain                without TLS, by prior knowledge
  --keep-buffers         connections keep the buffers of their records, instead of freeing them after each)";

template <typename Transport>
struct Http2Connection;

template <typename Transport>
struct Http2Stream {
  Http2Connection<Transport>* connection = nullptr;
  std::int32_t id = 0;
  bool streaming = false;
  bool posted = false;    // it brings an event, instead of asking for them
  bool given = false;     // the event being delivered is to be sent on it
  std::size_t slot = 0;   // its place among all streams
  std::size_t place = 0;  // its place among those of its connection
  std::string user;       // its path, until it is answered
  std::string queue;      // what its window did not let through; before the answer the body of its request
  std::string held;       // an event held back by --swap-every
};

template <typename Transport>
struct Http2Connection {
  explicit Http2Connection(int fd) : transport(fd) {}

  Transport transport;
  nghttp2_session* session = nullptr;
  bool waiting = false;   // for room in its socket: EPOLLOUT is armed
  bool dirty = false;     // it is among those to be written
  std::size_t given = 0;  // how many of its streams are to send the event
  std::vector<Http2Stream<Transport>*> streams;
  std::string pending;  // what the socket did not take
};

template <typename Transport>
class Http2Floor : public Server<Http2Floor<Transport>, Http2Connection<Transport>> {
  using Connection = Http2Connection<Transport>;
  using Stream = Http2Stream<Transport>;
  using Base = Server<Http2Floor, Connection>;
  friend Base;

 public:
  Http2Floor(const Options& options, const char* scheme) : Base(options, scheme), options_(options), faults_(options) {
    nghttp2_session_callbacks_new(&callbacks_);
    nghttp2_session_callbacks_set_on_begin_headers_callback(
        callbacks_, [](nghttp2_session*, const nghttp2_frame* frame, void* floor) {
          return self(floor).begin(frame->hd.stream_id), 0;
        });
    nghttp2_session_callbacks_set_on_header_callback(
        callbacks_, [](nghttp2_session* session, const nghttp2_frame* frame, const std::uint8_t* name,
                       std::size_t name_size, const std::uint8_t* value, std::size_t value_size, std::uint8_t, void*) {
          return header(stream_of(session, frame->hd.stream_id), text(name, name_size), text(value, value_size)), 0;
        });
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(
        callbacks_, [](nghttp2_session* session, std::uint8_t, std::int32_t id, const std::uint8_t* data,
                       std::size_t size, void*) { return stream_of(session, id).queue.append(text(data, size)), 0; });
    nghttp2_session_callbacks_set_on_frame_recv_callback(
        callbacks_, [](nghttp2_session* session, const nghttp2_frame* frame, void* floor) {
          const bool request = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;
          if (request && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
            self(floor).requests_.push_back(&stream_of(session, frame->hd.stream_id));
          }
          return 0;
        });
    nghttp2_session_callbacks_set_on_stream_close_callback(
        callbacks_, [](nghttp2_session* session, std::int32_t id, std::uint32_t, void* floor) {
          if (void* stream = nghttp2_session_get_stream_user_data(session, id)) {
            self(floor).end(*static_cast<Stream*>(stream));
          }
          return 0;
        });
    nghttp2_option_new(&settings_);
    // Streams that have ended are forgotten at once.
    nghttp2_option_set_no_closed_streams(settings_, 1);
  }

 private:
  static Http2Floor& self(void* floor) { return *static_cast<Http2Floor*>(floor); }
  static Stream& stream_of(nghttp2_session* session, std::int32_t id) {
    return *static_cast<Stream*>(nghttp2_session_get_stream_user_data(session, id));
  }
  static std::string_view text(const std::uint8_t* at, std::size_t size) {
    return {reinterpret_cast<const char*>(at), size};
  }

  void read(Connection& connection) {
    if (connection.transport.fd() < 0) return;
    do {
      char buffer[16384];
      const ssize_t n = connection.transport.read(buffer, sizeof buffer);
      if (n < 0 && errno == EAGAIN) break;
      // Not before the client's first bytes: over TLS nothing can be written until its handshake is done.
      if (connection.session == nullptr) {
        nghttp2_session_server_new2(&connection.session, callbacks_, this, settings_);
        // Without the tree of priorities that RFC 9113 has given up each frame costs a tenth less.
        const nghttp2_settings_entry own{NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1};
        nghttp2_submit_settings(connection.session, NGHTTP2_FLAG_NONE, &own, 1);
      }
      reading_ = &connection;
      if (n <= 0 || nghttp2_session_mem_recv(connection.session, reinterpret_cast<const std::uint8_t*>(buffer),
                                             static_cast<std::size_t>(n)) < 0) {
        close(connection);
        return;
      }
      // Not from within nghttp2's callbacks, because what is published may go to this connection as well.
      for (const auto requests = std::exchange(requests_, {}); Stream * stream : requests) serve(*stream);
    } while (connection.transport.fd() >= 0 && connection.transport.more());
    write(connection);
  }

  void begin(std::int32_t id) {
    auto* stream = new Stream;
    stream->id = id;
    stream->connection = reading_;
    stream->place = reading_->streams.size();
    reading_->streams.push_back(stream);
    nghttp2_session_set_stream_user_data(reading_->session, id, stream);
  }

  static void header(Stream& stream, std::string_view name, std::string_view value) {
    if (name == ":path") stream.user = value;
    if (name == ":method") stream.posted = value == "POST";
  }

  static nghttp2_nv field(std::string_view name, std::string_view value) {
    return {reinterpret_cast<std::uint8_t*>(const_cast<char*>(name.data())),
            reinterpret_cast<std::uint8_t*>(const_cast<char*>(value.data())), name.size(), value.size(),
            NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE};
  }

  void serve(Stream& stream) {
    nghttp2_data_provider body{};
    body.source.ptr = this;
    body.read_callback = [](nghttp2_session* session, std::int32_t id, std::uint8_t* out, std::size_t room,
                            std::uint32_t* flags, nghttp2_data_source* source,
                            void*) { return self(source->ptr).fill(stream_of(session, id), out, room, *flags); };
    auto* const session = stream.connection->session;
    if (stream.posted) {
      const std::string data = std::exchange(stream.queue, {});
      const std::size_t reached = publish(stream.user, data);
      stream.queue = "{\"id\":\"" + std::to_string(id_) + "\",\"streams\":" + std::to_string(reached) + "}";
      const nghttp2_nv head[] = {field(":status", "202"), field("content-type", "application/json")};
      nghttp2_submit_response(session, stream.id, head, std::size(head), &body);
      return;
    }
    stream.streaming = true;
    stream.user = std::string(stream.user.substr(stream.user.rfind('/') + 1));
    char first[32];
    std::snprintf(first, sizeof first, "id: 1-%010llu\n\n", static_cast<unsigned long long>(id_));
    stream.queue = first;
    registry_.add(stream);
    const nghttp2_nv head[] = {field(":status", "200"), field("content-type", "text/event-stream"),
                               field("cache-control", "no-store")};
    nghttp2_submit_response(session, stream.id, head, std::size(head), &body);
  }

  // The payload of the next DATA frame of a stream.
  ssize_t fill(Stream& stream, std::uint8_t* out, std::size_t room, std::uint32_t& flags) {
    if (stream.given && stream.queue.empty()) {
      stream.given = false;
      --stream.connection->given;
      const std::size_t size = event_.copy(reinterpret_cast<char*>(out), room);
      stream.queue.assign(event_, size);
      return static_cast<ssize_t>(size);
    }
    if (stream.queue.empty()) return NGHTTP2_ERR_DEFERRED;
    if (stream.streaming && options_.split != 0) room = std::min(room, options_.split);
    const std::size_t size = stream.queue.copy(reinterpret_cast<char*>(out), room);
    stream.queue.erase(0, size);
    if (stream.queue.empty()) std::string().swap(stream.queue);
    if (stream.queue.empty() && !stream.streaming) flags |= NGHTTP2_DATA_FLAG_EOF;
    return static_cast<ssize_t>(size);
  }

  std::size_t publish(std::string_view path, std::string_view data) {
    event_.assign("id: 1-").append(std::to_string(++id_)).append("\ndata: ").append(data).append("\n\n");
    const std::size_t reached = registry_.publish(
        path, [this](Stream& stream) { deliver(stream); },
        [this] {
          for (Stream* stream : registry_.all()) deliver(*stream);
        });
    for (const auto connections = std::exchange(dirty_, {}); Connection * connection : connections) {
      connection->dirty = false;
      write(*connection);
    }
    return reached;
  }

  void deliver(Stream& stream) {
    if (faults_.any()) {
      faults_.deliver(event_, stream.held, [&](std::string_view bytes) { stream.queue.append(bytes); });
    } else if (stream.queue.empty()) {
      stream.given = true;
      ++stream.connection->given;
    } else {
      stream.queue.append(event_);
    }
    Connection& connection = *stream.connection;
    // Fails when the stream waits for something else already.
    nghttp2_session_resume_data(connection.session, stream.id);
    if (!connection.dirty) {
      connection.dirty = true;
      dirty_.push_back(&connection);
    }
  }

  // Writes what the connection has, in one piece, and keeps what its windows did not let through.
  void write(Connection& connection) {
    if (connection.transport.fd() < 0 || connection.session == nullptr) return;
    out_.clear();
    for (;;) {
      const std::uint8_t* frame = nullptr;
      const ssize_t n = nghttp2_session_mem_send(connection.session, &frame);
      if (n <= 0) break;
      out_.append(text(frame, static_cast<std::size_t>(n)));
      if (options_.split != 0) send(connection);
    }
    for (std::size_t i = 0; connection.given != 0 && i < connection.streams.size(); ++i) {
      Stream& stream = *connection.streams[i];
      if (!stream.given) continue;
      stream.given = false;
      --connection.given;
      stream.queue.append(event_);
    }
    send(connection);
  }

  void send(Connection& connection) {
    if (out_.empty() || connection.transport.fd() < 0) return;
    if (connection.pending.empty()) {
      const ssize_t n = connection.transport.write(out_.data(), out_.size());
      if (n < 0 && errno != EAGAIN) {
        end_later(connection);
        return;
      }
      out_.erase(0, n < 0 ? 0 : static_cast<std::size_t>(n));
      if (out_.empty()) return;
      this->wait_for_room(connection, true);
    }
    connection.pending.append(out_);
    out_.clear();
    if (connection.pending.size() > options_.max_pending) end_later(connection);
  }

  // Its streams may be in the middle of a delivery: the end is noticed by reading.
  static void end_later(Connection& connection) { ::shutdown(connection.transport.fd(), SHUT_RDWR); }

  void flush(Connection& connection) {
    if (connection.transport.fd() < 0) return;
    const ssize_t n = connection.transport.write(connection.pending.data(), connection.pending.size());
    if (n < 0) {
      if (errno != EAGAIN) close(connection);
      return;
    }
    connection.pending.erase(0, static_cast<std::size_t>(n));
    if (!connection.pending.empty()) return;
    std::string().swap(connection.pending);
    this->wait_for_room(connection, false);
  }

  void end(Stream& stream) {
    Connection& connection = *stream.connection;
    if (stream.streaming) registry_.remove(stream);
    if (stream.given) --connection.given;
    connection.streams[stream.place] = connection.streams.back();
    connection.streams[stream.place]->place = stream.place;
    connection.streams.pop_back();
    std::erase(requests_, &stream);
    delete &stream;
  }

  void close(Connection& connection) {
    if (connection.transport.fd() < 0) return;
    connection.transport.close();
    this->bury(connection);
    while (!connection.streams.empty()) end(*connection.streams.back());
    nghttp2_session_del(connection.session);
  }

  const Options options_;
  Registry<Stream> registry_;
  Faults faults_;
  nghttp2_session_callbacks* callbacks_ = nullptr;
  nghttp2_option* settings_ = nullptr;
  Connection* reading_ = nullptr;
  std::vector<Stream*> requests_;   // those that are complete and not served yet
  std::vector<Connection*> dirty_;  // those that the event goes to
  std::string event_, out_;
  std::uint64_t id_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  const auto options =
      parse_options(argc, argv, usage, {{"--plain", &Options::plain}, {"--keep-buffers", &Options::keep_buffers}});
  if (options.plain) Http2Floor<PlainTransport>(options, "http").run();
  TlsTransport::context = make_tls_context(options, "\x02h2");
  Http2Floor<TlsTransport>(options, "https").run();
}
