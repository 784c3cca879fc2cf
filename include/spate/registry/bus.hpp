// A Bus joins the emitters of several processes, so that the same calls reach a user wherever their streams are.
//
//   spate::EmitterOptions options;
//   options.bus = std::make_shared<spate::RedisBus>(io.get_executor(), redis);   // <spate/cluster/redis_bus.hpp>
//   spate::Emitter emitter(std::move(options));
//
// There are two kinds. One that keeps a log puts all events into one order, the same on every node, and gives them
// their ids: an event is delivered, also here, when it comes back through the log, and a client may drop from one node
// and resume on another. One that only relays leaves ids to each node: an event is delivered here at once, and what the
// others lose is lost to them.
//
// A bus serves one emitter at a time. Threads: any may call it. It calls its listener from a thread of its choice, one
// call at a time, and never inside a call to the bus.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <spate/history/audience.hpp>
#include <spate/history/detail/sole_use.hpp>
#include <spate/wire/event.hpp>

namespace spate {

namespace detail {
class EmitterCore;
}

/// A user and how many streams they have.
using UserStreams = std::pair<std::string, std::size_t>;

/// What all nodes are to do with the streams of one user.
struct UserCommand {
  /// Which of them: the streams end, or join topics, or leave them.
  enum class Kind : std::uint8_t { remove, join, leave };

  Kind kind = Kind::remove;
  std::string user;                 // not empty
  std::vector<std::string> topics;  // to join or to leave, none of them empty

  bool operator==(const UserCommand&) const = default;
};

/// Users and streams at one moment.
struct UserCounts {
  std::size_t users = 0;
  std::size_t streams = 0;
};

/// How a bus is, at one moment. A command counts as an event.
struct BusStatus {
  bool connected = false;
  /// Why it is not connected, or not quite well; empty when all is well. It says what is wrong and never where, neither
  /// host nor port nor path, so that a program may show it to anybody.
  std::string reason;
  std::size_t queued = 0;        // events that were accepted and not yet confirmed
  std::size_t queued_bytes = 0;  // theirs
  std::uint64_t published = 0;   // events that the bus has confirmed
  std::uint64_t received = 0;    // events that came from it, one's own excepted
  std::uint64_t refused = 0;     // events that it refused, because too many were queued
  std::uint64_t reconnects = 0;  // connections made again after one was lost
  std::uint64_t skipped = 0;     // messages that could not be read: garbage, or of a newer version
};

/// What a bus tells an emitter.
class BusListener {
 public:
  virtual ~BusListener() = default;

  // ---- from a bus that relays ----

  /// Another node sent this. It may be one that is not to be kept.
  virtual void relayed(const Audience& audience, const Event& event) = 0;
  /// Some of what others sent did not come here and will not: the bus was away.
  virtual void missed() = 0;

  // ---- from a bus that keeps a log ----

  /// Another log begins, whose ids begin with `epoch`: visible ASCII without '-', at most 32 bytes. What was known of
  /// an earlier one is void. What the log still has follows by `appended`, then `reached_end`.
  virtual void restarted(std::string_view epoch) = 0;
  /// What the log had up to `sequence` and has not been told is gone from it.
  virtual void trimmed(std::uint64_t sequence) = 0;
  /// The next entry of the log. Sequence numbers grow from call to call, not always by one. They make the ids: one that
  /// `event` has of its own is left out. One that is not to be kept takes a number as well, which is nobody's to miss.
  ///
  /// For how long `event` is kept counts from now: of one that has been in the log for a while it is what is left. When
  /// that is over it has expired, and comes as one that is not to be kept: streams that were here all the time have yet
  /// to get it. In place of a command, which takes a number too, comes an event without data for no users.
  virtual void appended(std::uint64_t sequence, const Audience& audience, const Event& event) = 0;
  /// All that the log has now, has been told; `newest` is the last sequence number that it gave out.
  virtual void reached_end(std::uint64_t newest) = 0;

  // ---- from both ----

  /// Another node, and beside a log this one too, wants this done. With a log it comes in its place among the events,
  /// after the number that it took. What a log had before its end was reached for the first time is old and not told;
  /// what came there while the bus was away, and is still there, is told when it is back.
  virtual void commanded(const UserCommand& command) = 0;

  /// The users who have streams here, in the order of their ids' bytes: of those after `after` the first `limit`.
  virtual std::vector<UserStreams> users_here(std::string_view after, std::size_t limit) const = 0;
  /// How many users and streams are here.
  virtual UserCounts counts_here() const = 0;
};

class Bus {
 public:
  virtual ~Bus() = default;

  /// Whether it keeps a log, else it relays.
  virtual bool keeps_log() const noexcept = 0;

  /// Tells an event's fate: no error, and with a log its sequence number, once the bus has it; else why it will not.
  using Published = std::function<void(std::error_code, std::uint64_t sequence)>;

  /// Queues `event` for all other nodes, and with a log for this one too. Returns an error at once when it is refused:
  /// then `done`, which may be empty, is not called and nobody gets the event from the bus. Otherwise `done` is called
  /// once, like the listener.
  virtual std::error_code publish(const Audience& audience, const Event& event, Published done) = 0;

  /// Queues `command` for all other nodes, and with a log for this one too, in its place among the events that are
  /// published. Returns an error at once when it is refused, as `publish` does, or when this bus takes no commands.
  /// Nothing tells when it has arrived; to a node that a relay cannot reach at that moment it is lost, as events are.
  virtual std::error_code command(const UserCommand& command) {
    static_cast<void>(command);
    return std::make_error_code(std::errc::operation_not_supported);
  }

  /// Begins to tell `listener`; there is one at a time.
  virtual void attach(std::shared_ptr<BusListener> listener) = 0;
  /// Ends it. A call that is on its way still comes.
  virtual void detach() = 0;

  /// `user` now has `streams` streams here. Called in the order of what happens, under the emitter's lock.
  virtual void changed(std::string_view user, std::size_t streams) = 0;

  /// Asks for the newest sequence number that the log has given out, at this moment or later. Called under the
  /// emitter's lock.
  virtual void ask_newest(Published done) = 0;

  /// Asks for the users of all other nodes, in the order of their ids' bytes; a user who is on two nodes comes once,
  /// with the streams of both. Costs what there are; an emitter asks once for all who want to know within a second.
  virtual void ask_users(std::function<void(std::error_code, std::vector<UserStreams>)> done) = 0;

  /// Asks how many users and streams there are on all nodes, this one among them; a user who is on two nodes counts
  /// once. Costs the same whatever there are.
  virtual void ask_counts(std::function<void(std::error_code, UserCounts)> done) = 0;

  /// Leaves the others for good and gives up what is queued. A program that ends calls it and lets the bus's executor
  /// run until it has nothing more to do: so the others know at once that this node is gone.
  virtual void close() {}

  virtual BusStatus status() const = 0;

 private:
  friend class detail::EmitterCore;
  detail::SoleUse use_;  // of the emitter that it serves
};

}  // namespace spate
