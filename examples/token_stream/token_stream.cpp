// A language model's answer, word by word, as OpenAI's clients expect it. The model here says the last message back.
//
//   url=http://127.0.0.1:8080/v1/chat/completions
//   curl $url -d '{"model":"echo","messages":[{"role":"user","content":"Hello there"}]}'
//   curl -N $url -d '{"model":"echo","stream":true,"messages":[{"role":"user","content":"Hello there"}]}'
//   curl http://127.0.0.1:8080/stats
//
// One POST route answers with JSON or with a stream, as the body asks. What goes wrong before the first byte is a real
// status ("model":"refuse"), what goes wrong after it is an event ("model":"fail"). When the client leaves, the model
// stops, unless --keep-going says that the answer is wanted all the same.
#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>

#include <spate/program.hpp>
#include <spate/spate.hpp>

#include "common/pages.hpp"
#include "pages/token_stream_index_html.hpp"
#include "token_stream/chat.hpp"

namespace token_stream {
namespace {

enum class WhenClientLeaves { stop, keep_going };

/// Answers being produced now, and words produced in all. On the server's loop only.
struct Stats {
  std::size_t producing = 0;
  std::size_t produced = 0;
};

class Model {
 public:
  Model(Stats& stats, WhenClientLeaves when) : stats_(stats), when_client_leaves_(when) {}

  asio::awaitable<void> answer(spate::EventStream stream) const {
    std::optional<Answer> answer;
    try {
      answer.emplace(read_question(stream.request()->body()));
      if (answer->question().model == "refuse") throw BadRequest("this model refuses every request");
    } catch (const BadRequest& error) {
      stream.reject(spate::Response::json(400, error_json(error.what(), "invalid_request_error", error.field)));
      co_return;
    }
    if (answer->question().stream) stream.open();

    const bool fails = answer->question().model == "fail";
    std::vector<std::string> words = words_of(answer->question().last_message);
    if (fails) words = {"So", " far", " so"};
    if (answer->question().stream && words.empty()) stream.send(spate::Event(answer->opening_chunk()));
    const bool complete = co_await say(stream, *answer, words);
    if (!complete) co_return;
    if (fails) {
      const std::string error = error_json("the model failed in the middle of its answer", "server_error");
      if (answer->question().stream) {
        stream.complete_with_error(spate::Errc::completed_with_error, spate::Event(error).name("error"));
      } else {
        stream.reject(spate::Response::json(500, error));
      }
      co_return;
    }
    if (!answer->question().stream) {
      std::string text;
      for (const std::string& word : words) text += word;
      stream.reject(spate::Response::json(200, answer->whole(text, words.size())));
      co_return;
    }
    stream.send(spate::Event(answer->last_chunk()));
    if (answer->question().include_usage) stream.send(spate::Event(answer->usage_chunk()));
    stream.send(spate::Event("[DONE]"));
  }

 private:
  /// Counts an answer as long as it is being produced, however that ends.
  class Producing {
   public:
    explicit Producing(Stats& stats) : stats_(stats) { ++stats_.producing; }
    Producing(const Producing&) = delete;
    Producing& operator=(const Producing&) = delete;
    ~Producing() { --stats_.producing; }

   private:
    Stats& stats_;
  };

  /// Produces `words`, and sends them if a stream is wanted. Returns whether all of them were produced.
  asio::awaitable<bool> say(const spate::EventStream& stream, Answer& answer,
                            const std::vector<std::string>& words) const {
    constexpr std::chrono::milliseconds thinking{20};
    // The server cancels a coroutine whose client has left.
    if (when_client_leaves_ == WhenClientLeaves::keep_going) {
      co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    }
    const Producing producing(stats_);
    asio::steady_timer timer(stream.get_executor());
    for (const std::string& word : words) {
      timer.expires_after(thinking);
      co_await timer.async_wait(asio::use_awaitable);
      if (!stream.is_open() && when_client_leaves_ == WhenClientLeaves::stop) co_return false;
      ++stats_.produced;
      if (!answer.question().stream) continue;
      const spate::Event event(answer.chunk(word));
      std::error_code error;  // if the client has gone meanwhile, the next round sees to it
      // A client that reads slowly slows its model down.
      co_await stream.async_send(event, asio::redirect_error(asio::use_awaitable, error));
    }
    co_return true;
  }

  Stats& stats_;
  const WhenClientLeaves when_client_leaves_;
};

int run(int argc, char** argv) {
  WhenClientLeaves when = WhenClientLeaves::stop;
  spate::Program program("answers like a language model, word by word");
  program.flag("--keep-going", "produce the whole answer even when its client has left",
               [&] { when = WhenClientLeaves::keep_going; });
  program.parse(argc, argv);
  // Clients of language models have no use for heartbeats, and some take every line for a chunk.
  program.options.stream.heartbeat = std::chrono::milliseconds(0);

  Stats stats;  // outlives the io_context, which may still hold answers when it goes
  const Model model(stats, when);
  asio::io_context io;
  spate::Server server(io, program.options);
  examples::add_page(server, pages::token_stream_index_html);
  server.stream("POST", "/v1/chat/completions",
                [&](spate::EventStream stream) { return model.answer(std::move(stream)); });
  server.get("/stats", [&](const spate::Request&) {
    return spate::Response::json(200, "{\"producing\":" + std::to_string(stats.producing) +
                                          ",\"produced\":" + std::to_string(stats.produced) + "}");
  });
  return program.serve(io, server);
}

}  // namespace
}  // namespace token_stream

int main(int argc, char** argv) {
  return token_stream::run(argc, argv);
}
