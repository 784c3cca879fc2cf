// Http2Connection: one connection that speaks HTTP/2, with all streams on it.
//
// To whoever answers on it, it is a ByteTransport like a socket is, whose peers are its streams, each in a channel of
// its own: a stream of events, or the exchange that collects a request and answers it. What they write becomes frames
// at once, as long as the client takes them; one write of the connection follows behind everybody else's in the turn.
// When it has enough to write, channels have to wait, and are asked by their priority when there is room again
// (RFC 9218).
//
// What the client may do to a server is bounded: by FrameWatch; by reading nothing while it does not read; by the
// window of the connection, which is all that bodies of requests may take together. Shard only.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <asio/buffer.hpp>
#include <asio/error.hpp>

#include <spate/config.hpp>
#include <spate/http/host_policy.hpp>
#include <spate/http2/detail/frame_watch.hpp>
#include <spate/http2/detail/http2_exchange.hpp>
#include <spate/http2/detail/http2_framing.hpp>
#include <spate/loop/detail/insist.hpp>
#include <spate/server/detail/connection_facts.hpp>
#include <spate/server/detail/server_core.hpp>
#include <spate/stream/detail/shard.hpp>
#include <spate/transport/detail/byte_transport.hpp>
#include <spate/transport/detail/lingering_close.hpp>
#include <spate/transport/detail/peer.hpp>
#include <spate/transport/detail/timed_writer.hpp>

namespace spate::detail {

class Http2Connection final : public Resident, public ByteTransport, private Http2Framing::Events {
 public:
  using Channel = Http2Framing::Channel;

  Http2Connection(Ref<Shard> shard, Ref<ServerCore> server, const HostPolicy& hosts, ConnectionFacts facts,
                  std::uint32_t max_streams);
  SPATE_DECL ~Http2Connection() override;

  /// Begins with `peer`, of whom `read` was read already: all that there is, or more is told of; without it, reads by
  /// itself.
  void start(Peer&& peer, std::string_view read);

  // ---- for its exchanges ----

  Shard& shard() const noexcept { return *shard_; }
  ServerCore& server() const noexcept { return *server_; }
  const HostPolicy& hosts() const noexcept { return hosts_; }
  const ConnectionFacts& facts() const noexcept { return facts_; }

  void put_head(Channel channel, int status, const HeaderFields& fields, Http2Framing::Body body,
                std::uint32_t urgency);
  /// What is written next of the answer is the rest of it: its last byte ends it.
  void expect_last(Channel channel) noexcept { slot(channel).last = true; }
  /// So much of what the client has sent as bodies takes no room any more.
  void consume(std::size_t size);
  /// Takes no more requests, and closes when those that it has are answered.
  void retire();
  /// Ends it now, behind a GOAWAY with `code`.
  void end(std::uint32_t code);

  // ---- as the resident of its socket ----

  SPATE_DECL bool on_readable() override;
  SPATE_DECL void on_writable() override;
  SPATE_DECL void on_hangup() override;
  SPATE_DECL void on_drain() override;
  SPATE_DECL std::size_t on_cut() override;
  SPATE_DECL void on_failure(std::error_code error) override;
  SPATE_DECL void on_timer(TimePoint now) override;
  SPATE_DECL Remaining flush(int& budget) override;

  // ---- as the transport of its channels ----

  SPATE_DECL void set_resident(int channel, Ref<Resident> resident) override;
  SPATE_DECL std::size_t read(int channel, char* data, std::size_t size, std::error_code& error) override;
  SPATE_DECL std::size_t write(int channel, const asio::const_buffer* buffers, std::size_t count, std::size_t size,
                               std::error_code& error) override;
  SPATE_DECL int cost_of_write(std::size_t size) noexcept override;
  SPATE_DECL void prefetch(int channel) const noexcept override;
  SPATE_DECL void await_writable(int channel) override;
  void await_readable(int) override {}  // all of a request has been read before anybody else has its channel
  std::size_t unacknowledged(int) const override { return 0; }
  SPATE_DECL std::error_code broken(int channel) override;
  SPATE_DECL void shut_down(int channel) override;
  SPATE_DECL void close(int channel) override;
  SPATE_DECL void abort(int channel) override;

 private:
  static constexpr std::size_t read_size = 16 * 1024;
  // Reads in a row, before other connections have their turn.
  static constexpr int max_reads = 4;
  // What may wait to be written. With more nothing is read either: what is read is answered.
  static constexpr std::size_t max_output = 64 * 1024;
  // What is written without waiting for more: a record of TLS.
  static constexpr std::size_t good_write = 16 * 1024;
  // What is kept of the memory for it while nothing waits.
  static constexpr std::size_t max_kept = 1024;
  // Bodies of so many requests of the largest size may be on their way at once.
  static constexpr std::size_t bodies_at_once = 4;
  // Bytes of one block of header fields on the wire: those of a client that obeys the limit are far fewer.
  static constexpr std::size_t max_block = 256 * 1024;
  // Writes of channels, which are no system calls, that cost as much as one that is.
  static constexpr int writes_at_once = 8;
  // Half a write timeout lies between two looks. Who waits at so many, and at one more, has waited for a whole one.
  static constexpr std::uint8_t looks_of_timeout = 2;
  // How long what a client had sent before it was told of a reset may take to come.
  static constexpr std::chrono::seconds grace_of_reset{10};

  // Bytes of bodies that may be on their way.
  static std::size_t window_for(const RequestLimits& limits) noexcept;

  /// A channel. It is free again when the stream is over and nobody has its peer any more.
  struct Slot {
    Ref<Resident> resident;
    Http2Framing::Stream stream = 0;
    bool collecting = false;  // the resident is an exchange whose request has not been answered or handed on
    bool answered = false;    // a head has been put
    bool waits = false;       // for room to write, or to end
    bool ready = false;       // is in `ready_`
    bool due = false;         // is in `due_`
    bool last = false;        // what is written next is the last of the answer
    bool shut = false;        // the resident writes nothing more
    bool over = false;        // the stream
    bool released = false;    // nobody has the peer
    std::uint8_t looks = 0;   // at which it waited, one after the other
  };

  /// What a channel wants to have written.
  struct Offer {
    Channel channel = Http2Framing::no_channel;
    const asio::const_buffer* buffers = nullptr;
    std::size_t count = 0;
    std::size_t at = 0;  // in the first of them
    std::size_t taken = 0;

    std::size_t copy_to(std::uint8_t* out, std::size_t size) noexcept;
  };

  // ---- of the framing ----

  SPATE_DECL void on_frame_head(const Http2Framing::FrameHead& head) noexcept override;
  SPATE_DECL Channel on_request(Http2Framing::Stream stream) noexcept override;
  SPATE_DECL void on_field(Channel channel, std::string_view name, std::string_view value) noexcept override;
  SPATE_DECL void on_head_end(Channel channel, bool body_follows) noexcept override;
  SPATE_DECL void on_body(Channel channel, std::string_view bytes) noexcept override;
  SPATE_DECL void on_body_end(Channel channel) noexcept override;
  SPATE_DECL void on_answer_end(Channel channel) noexcept override;
  SPATE_DECL void on_stream_end(Channel channel, std::uint32_t code) noexcept override;
  SPATE_DECL void on_fault() noexcept override;
  SPATE_DECL Http2Framing::Piece on_piece(Channel channel, std::uint8_t* out, std::size_t size) noexcept override;

  Slot& slot(Channel channel) noexcept { return slots_[static_cast<std::size_t>(channel)]; }
  Http2Exchange* collecting(Channel channel) noexcept;
  void free(Channel channel) noexcept;

  void read();
  void take(std::string_view bytes);
  // Requests whose bodies come at once may wait for each other for ever when the window is used up.
  void make_room_for_bodies();
  // Tells residents whose streams have ended.
  void tell_ended();
  // Lets exchanges do what they can with what has come in.
  void serve(int& budget);
  bool has_requests() const noexcept { return !ending_ && next_ready_ < ready_.size(); }

  // Runs `step` for `resident`; what it throws ends that one alone.
  template <typename Step>
  void run(Resident& resident, Step step) noexcept {
    try {
      run_for(resident, failure_, step);
    } catch (...) {
      if (!failure_) failure_ = std::current_exception();
    }
  }
  // Tells whoever runs the loop what has been thrown.
  void pass_on_failure();

  void make_ready(Channel channel) noexcept;
  void make_due(Channel channel) noexcept;

  // Has what `channel` offers made frames, with everything else that nobody has to be asked for; returns how much.
  std::size_t offer(Channel channel, const asio::const_buffer* buffers, std::size_t count);
  // Makes frames as far as there is room.
  void put_frames();
  // The same, of what waits as well.
  void fill();
  // Writes until nothing is left, the peer takes no more, or the budget is spent. Returns whether more can be done.
  bool write_out(int& budget);
  bool is_full() const noexcept { return output_.size() - sent_ >= max_output; }
  void mark_dirty();
  bool is_idle() const noexcept { return open_ == 0 && output_.empty(); }
  const WriteLimits& write_limits() const noexcept { return server_->stream_settings->limits.write; }
  TimePoint next_moment() const noexcept;
  void come_back_at(TimePoint at);
  // A channel waits for room, or for the client to let its end come.
  void begin_wait(Slot& at);
  void look_for_stalled(TimePoint now);
  // A stream has ended because its client has given it no room for too long.
  void count_stalled_end();
  void let_go(Channel channel, std::uint32_t code);
  // All has been said: the socket closes in stages.
  void finish();
  // The socket is gone, or goes.
  void lose(std::error_code error);
  void let_go_of_streams();

  const Ref<Shard> shard_;
  const Ref<ServerCore> server_;
  const HostPolicy& hosts_;
  const ConnectionFacts facts_;
  const std::uint32_t max_streams_;
  Peer peer_;
  Http2Framing framing_;
  FrameWatch watch_;
  TimedWriter writer_;
  std::string output_;  // frames
  std::size_t sent_ = 0;
  std::size_t waited_with_ = 0;  // so much output at the last flush
  std::vector<Slot> slots_;
  std::vector<Channel> free_;   // of them
  std::vector<Channel> ready_;  // whose requests have something new, from `next_ready_` on
  std::size_t next_ready_ = 0;
  std::vector<Channel> ended_;  // whose residents are to be told
  std::vector<Channel> due_;    // that wait for room, and are to be asked
  std::uint32_t open_ = 0;      // channels that are not free
  std::uint32_t over_ = 0;      // among them: whose stream is
  std::uint32_t waiting_ = 0;   // among them: for room to write
  std::uint32_t stalled_ends_ = 0;
  std::size_t bodies_ = 0;  // bytes of the window that they take
  int cheap_writes_ = 0;
  std::uint32_t fault_ = NGHTTP2_NO_ERROR;  // of the client, for which it loses the connection
  Http2Framing::Stream last_stream_ = 0;    // that was begun
  TimePoint last_reset_{};                  // of a stream, by this side
  std::size_t block_size_ = 0;              // of header fields, so far

  // What is being written to right now: of a channel that offers bytes, or of one that is asked for some.
  Offer offered_;
  Channel asked_ = Http2Framing::no_channel;
  std::uint8_t* room_ = nullptr;
  std::size_t room_size_ = 0;
  std::size_t room_used_ = 0;

  TimePoint idle_since_{};
  TimePoint look_at_ = never;
  std::exception_ptr failure_;
  std::error_code error_;        // why the connection has broken
  Ref<Http2Connection> itself_;  // as long as somebody has a peer of it
  bool ends_wait_ = false;       // the last answer may not have left yet: idle time has not begun
  bool served_ = false;          // a request has been complete
  bool dirty_ = false;
  bool blocked_ = false;   // the socket takes no more
  bool paused_ = false;    // reads nothing, as too much waits to be written
  bool in_block_ = false;  // of header fields, which goes on
  bool in_framing_ = false;
  bool flooded_ = false;
  bool ending_ = false;  // nothing is read any more
  bool retired_ = false;
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/http2/impl/http2_channels.ipp>
#include <spate/http2/impl/http2_connection.ipp>
#include <spate/http2/impl/http2_exchange.ipp>
#include <spate/http2/impl/http2_input.ipp>
#endif
