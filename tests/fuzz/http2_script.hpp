// One connection that speaks HTTP/2, in memory, with all that its routes can do: what the input of a fuzz target means.
//
//   s…   after the preface the client does as the input says, two bytes for each step: it asks, sends bodies, resets,
//        gives room, reads a little or nothing, breaks rules, leaves. Streams send events, answers come late or in
//        pieces, time passes.
//   …    the input is all that the client sends, cut in several ways, and in between its last byte says what happens
//
// Whatever it was, what came is HTTP/2, no more waits to be written than may, each request of a client that has obeyed
// the rules has its answer, and nothing of the connection stays when its client has left, or says nothing more.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <map>
#include <numeric>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <nghttp2/nghttp2.h>

#include <spate/http2/http2_src.hpp>
#include <spate/wire/event.hpp>
#include "fuzz/fuzz.hpp"
#include "support/held_http2.hpp"

namespace spate::test {

// As much as a connection has waiting at most, a frame that goes beyond included.
inline constexpr std::size_t http2_max_write = (64 + 17) * 1024;

// Small limits, so that they are reached.
inline ServerOptions http2_options() {
  ServerOptions options;
  options.limits.max_header_bytes = 1024;
  options.limits.max_header_count = 16;
  options.limits.max_body_bytes = 4096;
  options.stream.max_queued_bytes = 32 * 1024;
  options.on_exception = [](const std::exception_ptr&) {};  // of /fails
  return options;
}

// What the program does by itself, or what happens to it.
inline void go_on(HeldHttp2& one, std::size_t what, std::size_t amount) {
  const std::string text(amount * amount / 2, 'e');
  switch (what % 7) {
    case 0:
      for (const EventStream& stream : one.streams) stream.send(Event(text));
      break;
    case 1:
      if (one.streams.empty()) break;
      one.streams[amount % one.streams.size()].complete();
      break;
    case 2:
      if (one.pieces) one.pieces->async_write(text, [](std::error_code) {});
      break;
    case 3:
      if (one.pieces && amount % 2 == 0) one.pieces->finish();
      one.pieces.reset();
      break;
    case 4:
      if (one.pending && amount % 2 == 0) one.pending->respond(Response::text(200, text));
      one.pending.reset();
      break;
    case 5: one.decide(amount % 2 == 0 ? std::optional<Response>() : Response::error(403, "you may not")); break;
    case 6:  // in parts, so that the client can read meanwhile
      for (int i = 0; i < 8; ++i) one.let_pass(std::chrono::milliseconds(amount * amount / 8));
      break;
  }
  one.turn();
}

// From here on the program owes nobody anything.
inline void finish(HeldHttp2& one) {
  one.peer().limit_room(MemoryTransport::unlimited);
  one.peer().split_writes(MemoryTransport::unlimited);
  one.reads = true;
  one.turn();
  one.decide(std::nullopt);
  if (one.pending) one.pending->respond(Response::text(200, "late"));
  one.pending.reset();
  if (one.pieces) one.pieces->finish();
  one.pieces.reset();
  for (const EventStream& stream : one.streams) stream.complete();
  one.turn();
}

// Ends the connection in one of four ways, and requires that nothing is left of it. Who was slow to read may have lost
// it within a frame.
inline void leave(HeldHttp2& one, std::size_t way, bool slow) {
  finish(one);
  switch (way % 4) {
    case 0: break;  // and says nothing more
    case 1: one.end(); break;
    case 2: one.peer().reset(); break;
    case 3: one.cut(); break;
  }
  one.let_pass(std::chrono::hours(1));
  require(one.peer().is_gone(), "the connection is closed");
  const bool reads_all = !slow && !one.is_broken();
  require(!reads_all || one.client.is_whole(), "what comes is whole frames");
  // Who reads all, and has not ended or lost the connection, is told of its end.
  require(!reads_all || way % 4 != 0 || one.has_ended() || one.heard_end(), "the end is told");
  require(one.peer().largest_write() <= http2_max_write, "what waits to be written is bounded");
  require(one.shard().next_moment() == detail::never, "nobody waits for anything");
  require(one.shard().expiries().empty(), "nobody is to expire");
  const auto& counters = one.shard().counters();
  const std::uint64_t ended =
      std::accumulate(counters.ended.begin(), counters.ended.end(), std::uint64_t{0},
                      [](std::uint64_t sum, const detail::Counter& each) { return sum + each.get(); });
  require(counters.opened.get() == ended, "each stream that began has ended");
  for (std::size_t i = 0; i < one.streams.size(); ++i) {
    require(!one.streams[i].is_open(), "no stream is open");
    const std::string told = "complete " + std::to_string(i);
    require(std::count(one.notes.begin(), one.notes.end(), told) == 1, "each is told that it is complete, once", told);
  }
}

/// `play(one)` is one connection from its beginning on.
template <typename Play>
void connect_http2(const HeldHttp2::Ways& ways, const Play& play) {
  detail::Ref<detail::ServerCore> server;
  try {
    HeldHttp2 one(http2_options(), ways);
    server = detail::Ref<detail::ServerCore>(&one.server());
    play(one);
  } catch (const std::exception& failure) {
    require(false, "nothing fails", failure.what());
  }
  require(server->http2_connections == 0 && server->encrypted_http2_connections == 0, "no connection is left");
}

class Http2Script {
 public:
  Http2Script(HeldHttp2& one, std::string_view steps) : one_(one), steps_(steps) {}

  void run() {
    const std::size_t way = steps_.size();
    while (steps_.size() >= 2) {
      const auto what = static_cast<unsigned char>(steps_[0]);
      amount_ = static_cast<unsigned char>(steps_[1]);
      steps_.remove_prefix(2);
      say(step(what & 0x3F));
      if ((what & 0x80) != 0) continue;  // more comes with it
      if ((what & 0x40) != 0) deliver(amount_ * said_.size() / 256);
      deliver(said_.size());
    }
    deliver(said_.size());
    end_in_peace();
    leave(one_, way / 2, slow_);
    for (const Stream stream : lost_) {
      require(one_.client.at(stream).status == 0, "what comes behind a change is not read", std::to_string(stream));
    }
  }

 private:
  using H2 = HeldHttp2Client;
  using Stream = H2::Stream;
  static constexpr std::uint8_t priority_update = 0x10;  // RFC 9218 7.1

  void say(std::string_view bytes) { said_ += bytes; }
  void deliver(std::size_t size) {
    one_.say(Piece(std::string_view(said_).substr(0, size)).view());
    said_.erase(0, size);
  }

  Stream next() {
    last_ += 2;
    if (one_.is_broken()) lost_.push_back(last_);
    return last_;
  }
  Stream any(const std::vector<Stream>& of) const { return of.empty() ? 0 : of[amount_ % of.size()]; }
  void forget(Stream stream) { std::erase(posts_, stream); }

  std::string ask() {
    static constexpr const char* paths[] = {"/hello",  "/large",  "/cookie", "/later",
                                            "/pieces", "/events", "/events", "/events?transport=poll&timeout=500"};
    static constexpr const char* methods[] = {"GET", "GET", "HEAD", "OPTIONS"};
    asked_.push_back(next());
    return H2::head(last_, H2::request(methods[amount_ / 8 % 4], paths[amount_ % 8],
                                       {{"priority", "u=" + std::to_string(amount_ / 32)}, {"cookie", "a=1"}}));
  }

  std::string post() {
    static constexpr const char* paths[] = {"/echo", "/refused", "/asked", "/asked"};
    H2::Fields more;
    if ((amount_ & 4) != 0) more.emplace_back("expect", "100-continue");
    if ((amount_ & 8) != 0) more.emplace_back("content-length", std::to_string(amount_ * 20));
    asked_.push_back(next());
    posts_.push_back(last_);
    return H2::post(last_, paths[amount_ % 4], more);
  }

  // One that is rarely asked for, or wrong. The second and those behind it take names and values from the table.
  std::string ask_oddly() {
    asked_.push_back(next());
    const std::string block = (in_table_ ? "\x82\x86\x84\xBE" : "\x82\x86\x84\x41\x09localhost");
    if (amount_ % 4 == 0) return H2::get(last_, "/fails");
    if (amount_ % 4 == 1) return H2::get(last_, "/last");
    if (amount_ % 4 == 2) return H2::get(last_, "/" + std::string(amount_ * 8, 'x'), {{"X-Capital", "no"}});
    in_table_ = true;
    const std::size_t half = amount_ % block.size();
    return H2::frame(NGHTTP2_HEADERS, H2::end_stream, last_, std::string_view(block).substr(0, half)) +
           H2::frame(NGHTTP2_CONTINUATION, H2::end_headers, last_, std::string_view(block).substr(half));
  }

  std::string body() {
    const Stream stream = any(posts_);
    if (stream == 0) return {};
    const bool ends = amount_ % 2 == 1;
    if (ends) forget(stream);
    if (amount_ % 16 == 15) return H2::head(stream, {{"x-trailer", "1"}});
    return H2::data(stream, std::string(amount_ * 8, 'b'), ends);
  }

  std::string reset() {
    const Stream stream = any(asked_);
    if (stream == 0) return {};
    forget(stream);
    taken_back_.insert(stream);
    return H2::reset(stream, amount_ % 16);
  }

  std::string give_room(Stream stream, std::uint32_t size) {
    room_[stream] += size;
    return H2::more_room(stream, size);
  }

  std::string set_window(std::uint32_t size) {
    window_ = std::max(window_, size);
    return H2::settings(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, size);
  }

  std::string often(const std::string& frame) const {
    std::string all;
    for (std::size_t i = 0; i < amount_; ++i) all += frame;
    return all;
  }

  std::string raw() {
    const std::string_view bytes = steps_.substr(0, amount_);
    steps_.remove_prefix(bytes.size());
    obeys_ = obeys_ && bytes.empty();
    return std::string(bytes);
  }

  std::string step(std::size_t what) {
    const std::size_t square = amount_ * amount_;
    const auto amount = static_cast<std::uint32_t>(amount_);
    switch (what % 32) {
      case 0:
      case 1:
      case 2: return ask();
      case 3: return post();
      case 4:
      case 5: return body();
      case 6: return reset();
      case 7: return asked_.empty() ? std::string() : give_room(any(asked_), amount * 64 + 1);
      case 8: return give_room(0, amount * 64 + 1);
      case 9: return set_window(amount * 256);
      case 10: return H2::settings(NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, amount * 16);
      case 11: return H2::settings(NGHTTP2_SETTINGS_MAX_FRAME_SIZE, 16384 + amount);
      case 12: return often(H2::ping());
      case 13: return H2::frame(priority_update, 0, 0, H2::number(amount, 4) + "u=" + std::to_string(amount % 8));
      case 14: return H2::frame(NGHTTP2_PRIORITY, 0, any(asked_) + 2, H2::number(0, 4) + "x");
      case 15: return raw();
      case 16: return ask_oddly();
      case 17: return asked_.empty() ? std::string() : often(H2::data(any(asked_), ""));
      case 18:
        one_.reads = amount_ % 2 == 0;
        slow_ = true;
        return {};
      case 19: one_.hear(square); return {};
      case 20:
        one_.peer().limit_room(square * 4);
        slow_ = true;
        return {};
      case 21: one_.peer().split_writes(square + 1); return {};
      case 22: return often(H2::settings(NGHTTP2_SETTINGS_ENABLE_PUSH, amount % 2));
      case 23:
        if (amount_ > 250) one_.drain();
        return {};
      case 24:
        if (amount_ > 250) end();
        return {};
      default: go_on(one_, what % 32 - 25, amount_); return {};
    }
  }

  void end() {
    deliver(said_.size());
    obeys_ = false;
    one_.end();
  }

  // Gives all room there is, and sends what was promised: then each request that was not taken back has its answer.
  void end_in_peace() {
    if (!obeys_) return;
    one_.peer().limit_room(MemoryTransport::unlimited);
    one_.peer().split_writes(MemoryTransport::unlimited);
    one_.reads = true;
    one_.turn();
    std::string rest = set_window(1 << 25) + give_room(0, 1 << 27) + H2::ping();
    for (const Stream stream : posts_) rest += H2::data(stream, "", true);
    const std::size_t pings = one_.client.pings;
    one_.say(rest);
    finish(one_);
    if (one_.is_broken()) return;
    const bool lives = !one_.client.goodbye && !one_.peer().saw_end() && !one_.peer().is_gone();
    require(!lives || one_.client.pings > pings, "a ping is answered");
    std::size_t all = 0;
    for (const Stream stream : asked_) {
      const H2::Answer& answer = one_.client.at(stream);
      all += answer.body.size();
      require(answer.body.size() <= window_ + room_[stream], "no more comes than the stream has room for");
      // Who was slow may have been let go of within what was left.
      const bool promised = lives || (!slow_ && one_.client.goodbye == std::uint32_t{NGHTTP2_NO_ERROR} &&
                                      stream <= static_cast<Stream>(one_.client.last_stream));
      require(!promised || taken_back_.contains(stream) || answer.ended || answer.reset, "each request has its answer",
              std::to_string(stream));
    }
    require(all <= NGHTTP2_INITIAL_CONNECTION_WINDOW_SIZE + room_[0], "no more comes than the connection has room for");
  }

  HeldHttp2& one_;
  std::string_view steps_;
  std::size_t amount_ = 0;
  std::string said_;  // and not delivered
  Stream last_ = -1;
  std::vector<Stream> asked_, posts_;  // posts: whose bodies have not ended
  std::vector<Stream> lost_;           // asked when nobody was understood any more
  std::set<Stream> taken_back_;
  std::map<Stream, std::size_t> room_;  // that was given; on 0, for the connection
  std::uint32_t window_ = NGHTTP2_INITIAL_WINDOW_SIZE;
  bool in_table_ = false;
  bool obeys_ = true;  // the rules, as far as is known here
  bool slow_ = false;
};

// The client sends `pieces`, in between the last byte says what happens.
template <typename Connect>
void take_http2(const Pieces& pieces, const Connect& connect) {
  std::string first(pieces.front().view());
  if (first.empty()) return;
  const auto last = static_cast<unsigned char>(pieces.back().view().back());
  connect(HeldHttp2::Ways{.max_streams = 8, .first = first}, [&](HeldHttp2& one) {
    for (std::size_t i = 1; i < pieces.size(); ++i) {
      go_on(one, last + i, last);
      one.say(pieces[i].view());
    }
    leave(one, last, false);
  });
}

/// Plays `input` on connections that `connect` makes: it is called like `connect_http2`.
template <typename Connect>
void play_http2(std::string_view input, const Connect& connect) {
  if (input.starts_with('s')) {
    connect(HeldHttp2::Ways{.max_streams = 8}, [&](HeldHttp2& one) { Http2Script(one, input.substr(1)).run(); });
    return;
  }
  take_http2(cut(input, {}), connect);
  for (const Pieces& pieces : some_cuts(input)) take_http2(pieces, connect);
}

}  // namespace spate::test
