// A short stream that ends: nine words, one a second, then a full stop. Once with callbacks on a worker thread, once as
// a coroutine. Each word has its number as its id, so a client that was cut off goes on with the word after its last.
//
//   curl -N http://127.0.0.1:8080/words
//   curl -N http://127.0.0.1:8080/words/coroutine
//   curl -N -H 'Last-Event-ID: 4' http://127.0.0.1:8080/words
#include <array>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <asio/thread_pool.hpp>
#include <asio/use_awaitable.hpp>

#include <spate/program.hpp>
#include <spate/spate.hpp>

#include "common/pages.hpp"
#include "pages/words_index_html.hpp"

namespace {

constexpr std::array<std::string_view, 9> words = {"The",  "quick", "brown", "fox", "jumps",
                                                   "over", "the",   "lazy",  "dog."};

spate::Event word(std::size_t index) {
  return spate::Event(words[index]).id(std::to_string(index + 1));
}

/// How many words the client has heard: none when its id is not one of ours.
std::size_t words_heard(const spate::EventStream& stream) {
  const std::string id = stream.last_event_id();
  const char* const end = id.data() + id.size();
  std::size_t heard = 0;
  const auto [stop, error] = std::from_chars(id.data(), end, heard);
  return error == std::errc() && stop == end && heard <= words.size() ? heard : 0;
}

// A client that has heard everything is told to stay away: after 204 an EventSource does not come back. (WHATWG 9.2.2)
void nothing_more(const spate::EventStream& stream) {
  stream.reject(spate::Response(204));
}

/// Says the words to one client, each from the callback of a timer.
class Recital : public std::enable_shared_from_this<Recital> {
 public:
  Recital(spate::EventStream stream, std::size_t next, asio::steady_timer timer, std::chrono::milliseconds interval)
      : stream_(std::move(stream)), next_(next), timer_(std::move(timer)), interval_(interval) {}

  void say() {
    if (stream_.send(word(next_++)) == spate::SendResult::closed) return;  // the client has gone, and so is this
    if (next_ == words.size()) return stream_.complete();
    timer_.expires_after(interval_);
    timer_.async_wait([self = shared_from_this()](std::error_code error) {
      if (!error) self->say();
    });
  }

 private:
  const spate::EventStream stream_;
  std::size_t next_;
  asio::steady_timer timer_;
  const std::chrono::milliseconds interval_;
};

}  // namespace

int main(int argc, char** argv) {
  std::chrono::milliseconds interval = std::chrono::seconds(1);
  spate::Program program("says nine words and stops");
  program.option("--interval-ms", "N", "time between two words", interval);
  program.parse(argc, argv);

  asio::io_context io;
  asio::thread_pool worker(1);  // one thread for all recitals; a stream may be used from any
  spate::Server server(io, program.options);
  examples::add_page(server, pages::words_index_html);

  server.stream("/words", [&](const spate::EventStream& stream) {
    const std::size_t heard = words_heard(stream);
    if (heard == words.size()) return nothing_more(stream);
    // The first word is said here, the others on the worker.
    std::make_shared<Recital>(stream, heard, asio::steady_timer(worker), interval)->say();
  });

  server.stream("/words/coroutine", [&](spate::EventStream stream) -> asio::awaitable<void> {
    std::size_t next = words_heard(stream);
    if (next == words.size()) {
      nothing_more(stream);
      co_return;
    }
    asio::steady_timer timer(stream.get_executor());
    for (;;) {
      const spate::Event event = word(next++);
      co_await stream.async_send(event, asio::use_awaitable);  // throws when the client has gone
      if (next == words.size()) co_return;                     // which completes the stream
      timer.expires_after(interval);
      co_await timer.async_wait(asio::use_awaitable);
    }
  });

  return program.serve(io, server);
}
