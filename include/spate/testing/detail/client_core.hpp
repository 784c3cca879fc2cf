// ClientCore: what is behind a testing::Client: its request, its connection, and what it has read.
//
// "In a turn" is in one of the server's loop, as for any resident; the rest is for the test's own thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <spate/config.hpp>
#include <spate/loop/detail/resident.hpp>
#include <spate/server/detail/server_core.hpp>
#include <spate/stream/detail/stream_core.hpp>
#include <spate/testing/client.hpp>
#include <spate/testing/detail/answer_reader.hpp>
#include <spate/testing/detail/fallback_reader.hpp>
#include <spate/testing/detail/memory_transport.hpp>
#include <spate/wire/decoder.hpp>

namespace spate::detail {

class ClientCore;

/// Whose clients they are: what has the server, and lets things happen.
class ClientHost {
 public:
  // ---- calls of the test ----

  /// Lets everything happen that is due, unless that is what goes on already.
  virtual void settle_unless_running() = 0;
  /// Lets `step` happen in a turn, and what follows from it. Throws std::logic_error, in which `what` is called, if
  /// something goes on already.
  virtual void act(std::string_view what, std::function<void()> step) = 0;
  /// Lets `step` happen in a turn that comes soon; at once when there are no turns any more.
  virtual void in_turn(std::function<void()> step) = 0;

  // ---- in a turn ----

  /// A connection from `address` to `server`; nothing when there is no place for one more. `subject` is of the
  /// client's certificate, null without one.
  virtual std::optional<int> connect(const Ref<ServerCore>& server, const std::string& address,
                                     const std::shared_ptr<const std::string>& subject, ClientCore& client) = 0;
  /// Its client closes it, and is told nothing of it any more.
  virtual void release(int connection) = 0;
  virtual void remove(const ClientCore& client) = 0;
  virtual MemoryTransport::Client& end_of(int connection) = 0;
  virtual Shard& loop() = 0;

 protected:
  ~ClientHost() = default;
};

class ClientCore final : public Resident {
 public:
  /// `server` is whom it asks.
  ClientCore(ClientHost& host, Ref<ServerCore> server, const Request& request, testing::ClientOptions options);

  /// Null once the server is gone.
  ClientHost* host() const noexcept { return host_; }
  /// The server is gone, and with it its handlers.
  void forget_host() noexcept {
    host_ = nullptr;
    server_ = nullptr;
  }

  // ---- what it has received ----

  const testing::Answer& answer() const noexcept { return reader_.answer(); }
  bool is_answered() const noexcept { return reader_.is_whole(); }
  bool is_open() const;
  bool was_cut() const noexcept { return reader_.is_broken(); }
  std::optional<EndReason> end_reason() const;
  const std::string& last_event_id() const noexcept { return last_event_id_; }

  testing::Events events;
  std::vector<std::string> comments;
  std::size_t heartbeats = 0;
  std::optional<std::chrono::milliseconds> retry;
  std::size_t connections = 0;

  // ---- in a turn ----

  void connect();
  /// Whether there is something to read, or an end to see.
  bool has_news() const;
  void read();
  void stall(std::size_t room);
  bool stalls() const noexcept { return stalls_; }
  /// Makes room for so many bytes more; `read_stalled` follows when they have come.
  void make_room(std::size_t bytes);
  void read_stalled(std::size_t bytes);
  void read_on();
  enum class How : std::uint8_t { leaves, breaks };
  void go(How how);
  void keep_reconnecting(std::chrono::milliseconds wait);
  void stay_away();
  /// Sets the moment, if it comes back by itself and has no connection.
  void come_back();
  /// Nobody looks at it any more.
  void drop();
  void on_timer(TimePoint now) override;

  /// Told of the stream that its connection now belongs to.
  void note_stream(StreamCore& stream) { stream_ = Ref<StreamCore>(&stream); }

 private:
  bool is_connected() const noexcept { return connection_ >= 0; }
  MemoryTransport::Client& end() const;
  std::string request_text() const;
  std::string target() const;
  void take(std::string_view bytes);
  void take_events(testing::Events&& more);
  // The answer is whole, or the connection has ended: this side closes it, too.
  void finish();

  ClientHost* host_;
  Ref<ServerCore> server_;  // null once it is gone
  const testing::ClientOptions options_;
  const std::string method_, target_, body_;
  const std::shared_ptr<const std::string> subject_;
  const int minor_version_;
  HeaderFields fields_;
  int connection_ = -1;  // none
  bool stalls_ = false;
  std::size_t room_ = 0;  // while it stalls
  std::optional<std::chrono::milliseconds> comes_back_after_;
  AnswerReader reader_;
  EventDecoder decoder_;
  FrameReader frames_;
  std::string last_event_id_;
  Ref<StreamCore> stream_;  // null for what is none, and for a poll
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/testing/impl/client_core.ipp>
#endif
