// EmitterOptions and SubscribeOptions: what an emitter keeps and allows, and what one subscription asks for.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <asio/any_io_executor.hpp>

#include <spate/history/replay_store.hpp>
#include <spate/registry/bus.hpp>
#include <spate/wire/event.hpp>

namespace spate {

/// Why a client will never get some events.
enum class GapReason : std::uint8_t {
  trimmed,  // the store may have discarded an event for this user after the cursor, or a bus may have lost one
  unknown,  // the cursor is no id that this history gave out: from before a restart, or made up
};

constexpr std::string_view to_string(GapReason reason) noexcept {
  return reason == GapReason::trimmed ? "trimmed" : "unknown";
}

/// Told to EmitterOptions::on_gap when a client resumes and events for it are, or may be, missing.
struct Gap {
  std::string user;
  std::string requested;  // the cursor that the client presented: text from outside, as EventStream::last_event_id
  std::string oldest;     // id of the first event that follows, or empty when none does
  GapReason reason;
};

struct EmitterOptions {
  /// What was sent, for clients that return. Without a store events carry no ids of the emitter's, and nothing is
  /// replayed. A store serves one emitter at a time. Beside a bus that keeps a log it mirrors the log, and is a
  /// MemoryReplayStore by default.
  std::shared_ptr<ReplayStore> replay;

  /// What joins this emitter to those of other processes. Null: it is alone. A bus serves one emitter at a time.
  std::shared_ptr<Bus> bus;

  /// Whether `async_send` waits for a bus that relays, too. Without it waits for this process alone: for a store that
  /// keeps later, and for room. That a bus refuses an event is told either way.
  bool await_relay = true;

  /// With a bus that keeps a log: how long a client that resumes, and whose cursor is ahead of this node or cannot be
  /// looked up yet, waits in its open stream. Then its cursor counts as unknown.
  std::chrono::milliseconds resume_wait = std::chrono::seconds(5);

  /// Streams that one user may have; a newer one replaces the oldest, which ends with EndReason::replaced, so that a
  /// tab that was forgotten never keeps its user out. Polls within their grace count, and go first. Zero: no limit.
  std::size_t max_streams_per_user = 0;

  /// Topics that one stream may have joined, those that it named when it came included: joining is often the choice of
  /// a client, and kept as long as its stream. `Emitter::join` of one more is Errc::too_many_topics; with more of them
  /// in SubscribeOptions::topics `Emitter::add` throws std::invalid_argument. Zero: no limit.
  std::size_t max_topics_per_stream = 1024;

  /// Bytes that may wait for a loop before `async_send` waits too. Publishers that await it cannot outrun delivery.
  /// Bytes that wait for a client do not count, so that slow clients hold nobody back; unless there are 16 or more of
  /// them in a loop with a quarter of their queues full: then the network is too slow for what is published, and they
  /// are waited for rather than ended, at most that part of a second which they are of the loop's streams.
  /// (Overflow::close only.)
  std::size_t max_backlog_bytes = 256 * 1024;

  /// How long a client that polls stays registered after an answer, until it asks again: users do not flicker between
  /// coming and going, and it counts as reached, whatever its filter. What it is sent meanwhile is in the store, so
  /// without a store it is lost to it. All polls of a user are one stream unless `?client=` tells them apart. Of an
  /// answered poll nothing is kept but its user and its client's name, some 200 bytes. Zero: not at all.
  std::chrono::milliseconds poll_grace = std::chrono::seconds(10);

  /// Clients of one user who may poll, waiting or within `poll_grace`: names cost a client nothing. A further one
  /// replaces the one whose grace ends first, or else the one that waits longest, which gets an empty answer. Zero: no
  /// limit.
  std::size_t max_polls_per_user = 64;

  /// Called when the first stream of a user is added and when the last one is gone. All hooks of an emitter run one at
  /// a time, in the order of what happened, on the executor of one of the streams concerned.
  std::function<void(const std::string& user)> on_join;
  std::function<void(const std::string& user)> on_leave;

  /// Called when the first stream of a user joins a topic, and when the last one leaves it or is gone. A poll that is
  /// graced counts. They run like the hooks above.
  std::function<void(const std::string& topic, const std::string& user)> on_topic_join;
  std::function<void(const std::string& topic, const std::string& user)> on_topic_leave;

  /// Called when a client resumes with a gap. Runs like the hooks above.
  std::function<void(const Gap& gap)> on_gap;

  /// Where `async_send`, `async_room`, `async_cluster_users` and `async_cluster_counts` complete when the handler has
  /// no executor of its own. Empty: they throw std::invalid_argument for such a handler.
  asio::any_io_executor executor;
};

/// What one subscription asks for.
struct SubscribeOptions {
  /// The most names that `events` takes, and the most bytes that they take together: what clients ask for is kept as
  /// long as their streams.
  static constexpr std::size_t max_event_names = 32;
  static constexpr std::size_t max_event_name_bytes = 1024;

  /// Names of the events to deliver; "message" stands for events without a name. Empty: all. Applies to replay too.
  /// With more than the two limits above `Emitter::add` throws std::invalid_argument: answer 400 where the names are a
  /// client's.
  std::vector<std::string> events;

  /// The most topics that `topics` takes, and the most bytes that they take together.
  static constexpr std::size_t max_topics = 256;
  static constexpr std::size_t max_topic_bytes = 16 * 1024;

  /// Topics that the stream joins: it hears what is sent to them, and what they were sent after its cursor is replayed
  /// with everything else it missed, in one order. A client names them again when it comes back; whether it may is for
  /// the route's `authorize` to say. With more than the two limits above or than
  /// EmitterOptions::max_topics_per_stream, or an empty name, `Emitter::add` throws std::invalid_argument: answer 400
  /// where the names are a client's.
  std::vector<std::string> topics;

  /// Without a cursor: the newest so many kept events that the subscription is owed, after its filter, come first,
  /// oldest first. A client that polls is answered at once. A cursor, the client's or `after`, goes before it.
  std::optional<std::size_t> last;

  /// The id after which to begin, in place of the one that the client presents, which is then not looked at; "earliest"
  /// for all that is kept, the empty text for what comes from now on. For a program that knows what its client has, for
  /// instance because it rendered a page at `Emitter::position()`:
  ///
  ///   if (stream.last_event_id().empty()) options.after = rendered_at;   // a client that comes back knows better
  std::optional<std::string> after;

  /// Makes the first event of the subscription. It is given the stream's position as its id, so that a client which
  /// drops before any other event resumes without loss. `resumed` is true when the client presented a cursor and
  /// nothing after it is missing. Without it a frame with only the id goes out.
  ///
  /// Called inside `add`, before that takes any lock: once with false and, when there is a cursor or `last`, once more
  /// with true, as only later it shows which of the two events goes out; the other is thrown away. Where the emitter
  /// gives ids neither may have one of its own: `add` throws std::invalid_argument.
  std::function<Event(bool resumed)> greeting;
};

/// What a stream gets of a topic that it joins while it is open, of what the topic was sent before: by default nothing.
/// It comes before anything newer of that topic, and without ids, so that the client's position does not go back: one
/// that drops meanwhile goes on after its position, and may ask for the rest as it did before.
struct JoinOptions {
  /// The newest so many that are kept.
  std::optional<std::size_t> last;
  /// Or what came after this id; "earliest" for all that is kept. If something is missing after it the client is told
  /// of a gap.
  std::optional<std::string> after;
};

/// Which processes a change is for.
enum class Scope : std::uint8_t {
  node,    // this one
  cluster  // all that the bus joins; without a bus this one
};

/// What a change to the streams of a user came to.
struct ChangeReport {
  /// The user's streams of this process, polls that are graced among them.
  std::size_t streams = 0;
  /// With a bus: why it refused to tell the other nodes. Else Errc::too_many_topics when a stream of this process has
  /// no room for a topic; the others have joined.
  std::error_code error;
};

}  // namespace spate
