// An Emitter knows who is listening, by user id, and sends to one user, to several, to a group, to a topic, or to
// everybody.
//
//   spate::Emitter emitter;
//   server.stream("/sse/{user}", [&](spate::EventStream stream) {
//     emitter.add(stream.request()->param("user"), stream);
//   });
//   emitter.send("alice", spate::Event("hello"));
//   emitter.send_group("team-", spate::Event("lunch"));
//
// A user may have many streams. A stream leaves by itself when it ends, by identity and never by key. With a replay
// store each event gets an id, and a client that presents one receives what it missed, then goes live: nothing is lost,
// nothing comes twice, in whatever order sends and connects interleave; and where history does not reach back, client
// and program are told. A stream is replayed only what its user was sent.
//
// Threads: any, at any time, also from inside callbacks. On every stream events arrive in the order of their ids. No
// call blocks on a socket, and none runs a callback, but that `add` has `SubscribeOptions::greeting` make an event.
// Lifetime: streams may outlive the emitter; they stay open and get nothing more from it. Those that were ending, or
// had been removed, still get what was accepted for them before.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

#include <asio/any_io_executor.hpp>
#include <asio/associated_executor.hpp>
#include <asio/async_result.hpp>
#include <asio/post.hpp>

#include <spate/config.hpp>
#include <spate/history/audience.hpp>
#include <spate/registry/bus.hpp>
#include <spate/registry/detail/sent_event.hpp>
#include <spate/registry/emitter_options.hpp>
#include <spate/registry/emitter_stats.hpp>
#include <spate/registry/send_report.hpp>
#include <spate/stream/detail/handler_waiter.hpp>
#include <spate/stream/event_stream.hpp>
#include <spate/wire/detail/core_ref.hpp>
#include <spate/wire/event.hpp>

namespace spate {

namespace detail {
class EmitterCore;
struct access;
}  // namespace detail

class Emitter {
 public:
  /// Throws std::invalid_argument when a duration is negative, when the store or the bus serves another emitter, and
  /// when the bus keeps a log that `options.replay` cannot mirror.
  explicit Emitter(EmitterOptions options = {});
  Emitter(const Emitter&) = delete;
  Emitter& operator=(const Emitter&) = delete;
  ~Emitter();

  /// Registers `stream` under `user` and opens it: greeting, gap notice if one is due, what the user missed, then live.
  ///
  /// Where to resume is the stream's `last_event_id()`, unless `SubscribeOptions::after` says otherwise; "earliest"
  /// asks for all that is kept. With `SubscribeOptions::events` and a long history the stream may open before its
  /// greeting comes: where it begins is looked for in the background.
  ///
  /// A stream has one place in the order of events: it is in an emitter once, whatever the user. Once removed it may be
  /// added again.
  ///
  /// After HEAD nobody is registered: the stream is opened, and that is all. A stream that has ended is no error: it
  /// leaves again at once, and `on_join` and `on_leave` run.
  ///
  /// Errors       Errc::already_added; Errc::shut_down, when the stream's server has stopped
  /// Throws       std::invalid_argument when `stream` is in this emitter already and the caller is its handler; when
  ///              `user` or a topic is empty; when `options.events` or `options.topics` is longer than its limits; when
  ///              the greeting has an id and the emitter gives the ids. What the greeting throws
  std::error_code add(std::string_view user, const EventStream& stream, const SubscribeOptions& options = {});

  /// Sends to all streams of `user`, whether or not there are any: the event is kept for replay.
  ///
  /// An event without data (a comment, a reconnection time), or with `keep(false)`, is not kept and gets no id: it
  /// reaches the streams that are open and moves no client's position; without data it wakes no poll. A stream that is
  /// still catching up gets it in its place, after what it is owed. Over a bus that relays it goes like the others;
  /// beside one that keeps a log an event without data stays in this process.
  ///
  /// Throws       std::invalid_argument when `user` is empty, or the emitter gives ids and `event` has one of its own
  /// Lifetime     `event` is encoded before the call returns
  SendReport send(std::string_view user, const Event& event);

  /// Sends to several users, under one id; a user named twice counts once.
  SendReport send(std::span<const std::string> users, const Event& event);
  SendReport send(std::span<const std::string_view> users, const Event& event);
  /// The same for users that are written down: `emitter.send({"ann", "bob"}, event)`.
  SendReport send(std::initializer_list<std::string_view> users, const Event& event);

  /// Sends to every user whose id begins with the bytes of `prefix`; costs what it matches, not what is registered.
  SendReport send_group(std::string_view prefix, const Event& event);

  /// Sends to any audience.
  SendReport send(const Audience& audience, const Event& event);

  /// The same to the streams of this process alone when `scope` says so.
  ///
  /// Throws       also std::invalid_argument when that is so, a bus keeps a log, and `event` is to be kept: only the
  ///              log gives ids
  SendReport send(const Audience& audience, const Event& event, Scope scope);

  /// Sends to every stream that has joined `topic`.
  SendReport send_topic(std::string_view topic, const Event& event);

  /// Sends to everybody.
  SendReport broadcast(const Event& event);

  /// Whether every loop keeps up: false once one is behind by more than `EmitterOptions::max_backlog_bytes`, or many
  /// of its clients are, as is said there.
  bool has_room() const;

  /// Completes when every loop keeps up: what a publisher awaits before it goes on, or is answered.
  ///
  /// Completes    void(std::error_code) on the handler's executor, else EmitterOptions::executor, never inside the call
  /// Throws       std::invalid_argument when the handler has neither, as it would never be called. One that is bound
  ///              to an executor of a server that has stopped is dropped uncalled
  /// Cancellation any type ends the wait
  template <typename CompletionToken>
  auto async_room(CompletionToken&& token) {
    return asio::async_initiate<CompletionToken, void(std::error_code)>(
        [core = core_](auto handler) {
          require_executor(core, handler);
          await_room(core, detail::make_handler_waiter(executor_of(core), std::move(handler)));
        },
        token);
  }

  /// Sends like the others and completes when no loop is behind by more than `EmitterOptions::max_backlog_bytes`, so
  /// that a publisher who awaits it cannot outrun delivery. One slow client never delays it.
  ///
  /// With a store that keeps later it completes when the event is kept, or with the error for which it is not. With a
  /// bus it completes when the bus has the event (`EmitterOptions::await_relay`), or with the error for which it will
  /// not. A bus that is away may take long: whoever gives up waiting must reckon with the event coming later, though
  /// never twice.
  ///
  /// Completes    void(std::error_code, SendReport) on the handler's executor, else EmitterOptions::executor, never
  ///              inside the call
  /// Throws       what `send` does; and std::invalid_argument when the handler has neither executor, as it would never
  ///              be called: before anything is sent, or, when the token only brings the handler, as asio::deferred
  ///              and asio::redirect_error do, once that is there. One that is bound to an executor of a server that
  ///              has stopped is dropped uncalled
  /// Cancellation any type ends the wait; the event is sent all the same
  template <typename CompletionToken>
  auto async_send(const Audience& audience, const Event& event, CompletionToken&& token) {
    // It is sent before the token is asked for its handler, which is the token itself most of the time.
    if constexpr (std::is_invocable_v<std::decay_t<CompletionToken>&&, std::error_code&, SendReport&&>) {
      require_executor<std::decay_t<CompletionToken>>(core_, token);
    }
    return asio::async_initiate<CompletionToken, void(std::error_code, SendReport)>(
        [core = core_](auto handler, detail::SentEvent sent) {
          require_executor(core, handler);
          const auto waiter = detail::make_result_waiter(executor_of(core), std::move(handler), sent.report);
          await_sent(core, waiter, std::move(sent));
        },
        token, send_awaited(audience, event));
  }

  /// Completes when everything that has been accepted for `stream` so far, its history included, is with the kernel: it
  /// has caught up. Meanwhile more may have been sent.
  ///
  /// Completes    void(std::error_code) like `EventStream::async_send`
  /// Cancellation any type ends the wait
  template <typename CompletionToken>
  auto async_caught_up(const EventStream& stream, CompletionToken&& token) const {
    return asio::async_initiate<CompletionToken, void(std::error_code)>(
        [stream](auto handler) { await_caught_up(stream, detail::make_handler_waiter(std::move(handler))); }, token);
  }

  /// Ends every stream of `user` with EndReason::closed, and the grace of every poll; returns how many there were. They
  /// are out of the registry at once, and get what was sent to them before, history included, before they end.
  std::size_t remove(std::string_view user);

  /// Takes one stream of `user` out of the registry and leaves it open; returns whether it was there.
  bool remove(std::string_view user, const EventStream& stream);

  /// The same on all nodes when `scope` says so. Beside a bus that keeps a log they end when the order comes through
  /// the log, after what was sent before it.
  ChangeReport remove(std::string_view user, Scope scope);

  /// Lets `stream` join `topic`: from now on it gets what is sent to `Audience::topic(topic)`, live and, as long as it
  /// is here, of its history. What it costs does not depend on how many have joined. Nothing happens when it has joined
  /// already.
  ///
  /// Errors       Errc::not_added, Errc::too_many_topics
  /// Throws       std::invalid_argument when `topic` is empty
  std::error_code join(const EventStream& stream, std::string_view topic, const JoinOptions& options = {});
  std::error_code leave(const EventStream& stream, std::string_view topic);

  /// The same for all streams of `user` that are open, on all nodes by default. What the topic was sent before is not
  /// replayed to them. Of several topics the other nodes are told at once.
  ChangeReport join(std::string_view user, std::string_view topic, Scope scope = Scope::cluster);
  ChangeReport join(std::string_view user, std::vector<std::string> topics, Scope scope = Scope::cluster);
  ChangeReport leave(std::string_view user, std::string_view topic, Scope scope = Scope::cluster);
  ChangeReport leave(std::string_view user, std::vector<std::string> topics, Scope scope = Scope::cluster);

  /// The users of this process who have joined `topic`, sorted by bytes.
  std::vector<std::string> topic_users(std::string_view topic) const;

  // Two names in braces would be taken for the two ends of one text.
  using Names = std::initializer_list<std::string_view>;
  void add(Names users, const EventStream& stream, const SubscribeOptions& options = {}) = delete;
  SendReport send_group(Names prefixes, const Event& event) = delete;
  SendReport send_topic(Names topics, const Event& event) = delete;
  ChangeReport join(std::string_view user, Names topics, Scope scope = Scope::cluster) = delete;
  ChangeReport leave(std::string_view user, Names topics, Scope scope = Scope::cluster) = delete;
  std::size_t remove(Names users) = delete;
  bool remove(Names users, const EventStream& stream) = delete;
  bool contains(Names users) const = delete;
  // The same; `{}` asks for everybody.
  template <std::size_t count>
  void users(const char* const (&prefixes)[count]) const = delete;
  template <std::size_t count, typename CompletionToken>
  void async_cluster_users(const char* const (&prefixes)[count], CompletionToken&& token) = delete;

  /// The users who have a stream, or those of a group, sorted by bytes.
  std::vector<std::string> users(std::string_view prefix = {}) const;

  /// Users and streams at one moment.
  using Counts = UserCounts;
  Counts counts() const;

  /// The users of all nodes, or those of a group, sorted by bytes. A node that died counts for some seconds yet. With a
  /// bus, whoever asks within a second of another is given the same answer.
  ///
  /// Completes    void(std::error_code, std::vector<std::string>) like `async_send`; with an error when the bus is away
  /// Throws       like `async_room`
  /// Cancellation any type ends the wait
  template <typename CompletionToken>
  auto async_cluster_users(std::string prefix, CompletionToken&& token) {
    using Users = std::vector<std::string>;
    return asio::async_initiate<CompletionToken, void(std::error_code, Users)>(
        [core = core_](auto handler, std::string wanted) {
          require_executor(core, handler);
          const auto executor = asio::get_associated_executor(handler, executor_of(core));
          const auto waiter = detail::make_result_waiter(executor_of(core), std::move(handler), Users());
          if (!waiter) return;
          ask_users(core, std::move(wanted), waiter, [executor](Step step) { asio::post(executor, std::move(step)); });
        },
        token, std::move(prefix));
  }

  /// Users and streams of all nodes. A user who is on two nodes counts once, with the streams of both. What it costs
  /// does not depend on how many there are.
  ///
  /// Completes    void(std::error_code, Counts), otherwise like `async_cluster_users`
  template <typename CompletionToken>
  auto async_cluster_counts(CompletionToken&& token) {
    return asio::async_initiate<CompletionToken, void(std::error_code, Counts)>(
        [core = core_](auto handler) {
          require_executor(core, handler);
          const auto waiter = detail::make_result_waiter(executor_of(core), std::move(handler), Counts());
          if (waiter) ask_counts(core, waiter);
        },
        token);
  }

  bool contains(std::string_view user) const;
  std::size_t user_count() const { return counts().users; }
  std::size_t stream_count() const { return counts().streams; }

  /// The newest id given out: where a page that renders a state begins to listen, so that it misses nothing that comes
  /// after. Before any event the position before the first. Empty without a store, and beside a bus that keeps a log as
  /// long as the log is not known.
  std::string position() const;
  /// Events sent so far.
  std::uint64_t event_count() const;
  /// All of that at one moment, and how the bus is: for metrics. Costs the same whatever there is.
  EmitterStats stats() const;

 private:
  friend struct detail::access;
  using Core = detail::CoreRef<detail::EmitterCore>;
  template <typename... Results>
  using Waiter = detail::Ref<detail::ResultWaiter<Results...>>;
  using Step = std::function<void()>;

  static const asio::any_io_executor& executor_of(const Core& core);
  template <typename Handler>
  static void require_executor(const Core& core, const Handler& handler) {
    if constexpr (!detail::does_nothing<Handler>) {
      if (!executor_of(core) && !detail::has_own_executor(handler)) refuse_handler();
    }
  }
  [[noreturn]] static void refuse_handler();
  static void await_room(const Core& core, const detail::Ref<detail::SendWaiter>& waiter);
  detail::SentEvent send_awaited(const Audience& audience, const Event& event);
  static void await_sent(const Core& core, const Waiter<SendReport>& waiter, detail::SentEvent sent);
  static void await_caught_up(const EventStream& stream, const detail::Ref<detail::CompletionWaiter>& waiter);
  // A long list is copied by `post`, where it is wanted, so that those who want it do not hold up the bus.
  static void ask_users(const Core& core, std::string prefix, const Waiter<std::vector<std::string>>& waiter,
                        std::function<void(Step)> post);
  static void ask_counts(const Core& core, const Waiter<Counts>& waiter);

  Core core_;
};

}  // namespace spate

#if defined(SPATE_HEADER_ONLY)
#include <spate/registry/impl/emitter.ipp>
#endif
