// A chat. A room is a topic: whoever has joined it hears what is said there, and is told its last fifty messages on
// coming in. Who is there and who is typing is pushed and never kept. A client that was away resumes where it was,
// after a restart of the program as well when that keeps its history in a file.
//
//   curl -N 'http://127.0.0.1:8080/events?name=anna&room=tea'                 listens; `room` may be repeated
//   curl -d 'Milk?' 'http://127.0.0.1:8080/rooms/tea/messages?name=bob'
//   curl -X POST 'http://127.0.0.1:8080/rooms/tea/typing?name=bob'
//   curl -X POST 'http://127.0.0.1:8080/rooms/garden/join?name=anna'          for her open streams; likewise `leave`
//   curl 'http://127.0.0.1:8080/events?name=anna&room=tea&transport=poll&timeout=0'       only the last messages
//   curl http://127.0.0.1:8080/rooms/tea/people
//   curl http://127.0.0.1:8080/rooms                                          the rooms with people in them
//
// Events: `message` {"room","name","text","time","key"}, `typing` {"room","name"}, `presence` {"room","name","here"},
// and `people` {"room","people"} when a stream has caught up. The key is whatever the sender gave as `?key=`: a client
// that does not know whether its message has arrived sends it again under the same key, and who reads shows it once.
//
// People are taken at their word here; a real service would ask who they are in RouteOptions::authorize.
#include <chrono>
#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>

#include <spate/program.hpp>
#include <spate/spate.hpp>

#include "chat/history.hpp"
#include "chat/names.hpp"
#include "common/pages.hpp"
#include "pages/chat_index_html.hpp"

namespace {

constexpr std::size_t messages_on_joining = 50;
constexpr std::size_t max_text_bytes = 4'000;
constexpr std::size_t max_key_bytes = 64;

spate::Event message(std::string_view room, std::string_view name, std::string_view text, std::string_view key) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
  return spate::Event("{\"room\":" + spate::json_string(room) + ",\"name\":" + spate::json_string(name) +
                      ",\"text\":" + spate::json_string(text) + ",\"time\":" + std::to_string(milliseconds) +
                      ",\"key\":" + spate::json_string(key) + "}");
}

spate::Event typing(std::string_view room, std::string_view name) {
  return spate::Event("{\"room\":" + spate::json_string(room) + ",\"name\":" + spate::json_string(name) + "}")
      .name("typing")
      .keep(false);
}

spate::Event presence(std::string_view room, std::string_view name, bool here) {
  return spate::Event("{\"room\":" + spate::json_string(room) + ",\"name\":" + spate::json_string(name) +
                      ",\"here\":" + (here ? "true" : "false") + "}")
      .name("presence")
      .keep(false);
}

std::string json_list(const std::vector<std::string>& names) {
  std::string json;
  for (const std::string& name : names) json += (json.empty() ? "" : ",") + spate::json_string(name);
  return "[" + json + "]";
}

/// Why `request` carries no message, if it carries none.
std::optional<spate::Response> refuse_message(const spate::Request& request) {
  if (!spate::is_valid_utf8(request.body())) return spate::Response::error(400, "the message is not valid UTF-8");
  const bool blank = request.body().find_first_not_of(" \t\r\n") == std::string_view::npos;
  if (blank) return spate::Response::error(400, "the message is empty");
  const std::string key = request.query("key").value_or("");
  if (key.size() <= max_key_bytes && spate::is_valid_utf8(key)) return std::nullopt;
  return spate::Response::error(400, "a key is at most " + std::to_string(max_key_bytes) + " bytes of UTF-8");
}

}  // namespace

int main(int argc, char** argv) {
  std::string history;
  spate::Program program("rooms in which people talk");
  program.option("--history", "FILE", "keep the messages in this file, over restarts of the program", history);
  program.parse(argc, argv);
  program.options.limits.max_body_bytes = max_text_bytes;

  asio::io_context io;  // one thread runs everything here, so that nothing below needs a lock
  std::optional<spate::Emitter> emitter;
  std::map<std::string, std::size_t> rooms;  // those with people in them, and how many
  spate::EmitterOptions options;
  options.replay = chat::open_history(program, history);
  // Whoever has asked for a room's last messages is about to listen to it, or has left again.
  options.poll_grace = std::chrono::seconds(3);
  options.on_topic_join = [&](const std::string& room, const std::string& name) {
    ++rooms[room];
    emitter->send_topic(room, presence(room, name, true));
  };
  options.on_topic_leave = [&](const std::string& room, const std::string& name) {
    if (--rooms[room] == 0) rooms.erase(room);
    emitter->send_topic(room, presence(room, name, false));
  };
  emitter.emplace(options);

  spate::Server server(io, program.options);
  examples::add_page(server, pages::chat_index_html);
  spate::RouteOptions listener, speaker, looker;
  listener.authorize = spate::all_of(chat::refuse_without_person, chat::refuse_without_rooms);
  speaker.authorize = spate::all_of(chat::refuse_without_person, chat::refuse_without_room);
  looker.authorize = chat::refuse_without_room;

  server.stream(
      "/events",
      [&](const spate::EventStream& stream) {
        const auto request = stream.request();
        spate::SubscribeOptions wanted;
        wanted.topics = request->query_all("room");
        wanted.last = messages_on_joining;  // of those who come without a cursor
        // An event, and not only an id, so that a page knows from the first moment where it is.
        wanted.greeting = [](bool resumed) {
          return spate::Event(resumed ? R"({"resumed":true})" : R"({"resumed":false})").name("connected");
        };
        emitter->add(*request->query("name"), stream, wanted);
        if (stream.transport() == spate::Transport::poll) return;
        // From now on it hears who comes and goes, so this is the moment to say who is there.
        emitter->async_caught_up(stream, [&, stream, rooms = wanted.topics](std::error_code error) {
          if (error) return;
          for (const std::string& room : rooms) {
            stream.send(spate::Event("{\"room\":" + spate::json_string(room) +
                                     ",\"people\":" + json_list(emitter->topic_users(room)) + "}")
                            .name("people"));
          }
        });
      },
      listener);

  server.post(
      "/rooms/{room}/messages",
      [&](const spate::Request& request) -> asio::awaitable<spate::Response> {
        if (auto refusal = refuse_message(request)) co_return std::move(*refusal);
        const std::string room(request.param("room"));
        const spate::Audience everybody_there = spate::Audience::topic(room);
        const spate::Event said =
            message(room, *request.query("name"), request.body(), request.query("key").value_or(""));
        std::error_code error;
        // Whoever is told that it was sent may rely on it: it waits until the message is kept.
        const spate::SendReport report =
            co_await emitter->async_send(everybody_there, said, asio::redirect_error(asio::use_awaitable, error));
        if (error) co_return spate::Response::error(503, "not kept: " + error.message()).header("Retry-After", "1");
        co_return spate::Response::json(202, "{\"id\":" + spate::json_string(report.id) + "}");
      },
      speaker);

  server.post(
      "/rooms/{room}/typing",
      [&](const spate::Request& request) {
        emitter->send_topic(request.param("room"), typing(request.param("room"), *request.query("name")));
        return spate::Response(204);
      },
      speaker);

  server.post(
      "/rooms/{room}/join",
      [&](const spate::Request& request) {
        const std::size_t streams = emitter->join(*request.query("name"), request.param("room")).streams;
        return spate::Response::json(200, "{\"streams\":" + std::to_string(streams) + "}");
      },
      speaker);

  server.post(
      "/rooms/{room}/leave",
      [&](const spate::Request& request) {
        const std::size_t streams = emitter->leave(*request.query("name"), request.param("room")).streams;
        return spate::Response::json(200, "{\"streams\":" + std::to_string(streams) + "}");
      },
      speaker);

  server.get(
      "/rooms/{room}/people",
      [&](const spate::Request& request) {
        return spate::Response::json(200, json_list(emitter->topic_users(request.param("room"))));
      },
      looker);

  server.get("/rooms", [&](const spate::Request&) {
    std::string json;
    for (const auto& [room, people] : rooms) {
      json += json.empty() ? "" : ",";
      json += "{\"room\":" + spate::json_string(room) + ",\"people\":" + std::to_string(people) + "}";
    }
    return spate::Response::json(200, "[" + json + "]");
  });

  return program.serve(io, server);
}
