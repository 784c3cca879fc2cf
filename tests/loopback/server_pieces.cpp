// Ordinary answers that are written in pieces.
#include <atomic>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>

#include <spate/server/streamed_response.hpp>
#include "support/catch.hpp"
#include "support/one_stream.hpp"
#include "support/refusal.hpp"
#include "support/texts.hpp"

using namespace spate;
using namespace spate::test;
using namespace std::chrono_literals;

namespace {

asio::awaitable<void> three_rows(const Request&, StreamedResponse response) {
  response.begin(Response(200).content_type("text/csv").header("X-Mine", "yes").body("a,"));
  for (const char* row : {"b", "", "\r\nc\0d"}) {
    std::string piece(row);
    co_await response.async_write(std::move(piece), asio::use_awaitable);
  }
}

}  // namespace

TEST_CASE("an answer in pieces is one answer, and the connection goes on", "[loopback][server][pieces]") {
  Serving serving([](Server& server) {
    server.get("/rows", three_rows);
    server.get("/plain", [](const Request&) { return Response::text(200, "plain"); });
  });
  Client client(serving.port());
  client.get("/rows");
  client.get("/plain");
  const Reply reply = client.read_reply();
  CHECK(reply.status == 200);
  CHECK(reply.field("Content-Type") == "text/csv");
  CHECK(reply.field("X-Mine") == "yes");
  CHECK(reply.field("Transfer-Encoding") == "chunked");
  CHECK(reply.count("Content-Length") == 0);
  CHECK(reply.body == "a,b\r\nc");
  CHECK(client.read_reply().body == "plain");
  CHECK(serving.stats().streams_opened == 0);
}

TEST_CASE("to HTTP/1.0 the end of the connection is the end of the pieces", "[loopback][server][pieces]") {
  Serving serving([](Server& server) { server.get("/rows", three_rows); });
  Client client(serving.port());
  client.get("/rows", "Connection: keep-alive\r\n", "HTTP/1.0");
  const Reply reply = client.read_reply();
  CHECK(reply.count("Transfer-Encoding") == 0);
  CHECK(reply.field("Connection") == "close");
  CHECK(reply.body == "a,b\r\nc");
  CHECK(client.how_ended() == End::closed);
}

TEST_CASE("after HEAD no piece follows, and the connection goes on", "[loopback][server][pieces]") {
  Journal journal;
  Serving serving([&](Server& server) {
    server.get("/rows", [&](const Request&, StreamedResponse response) -> asio::awaitable<void> {
      response.begin(Response(200).content_type("text/csv").body("first"));
      std::error_code error;
      std::string piece("x");
      co_await response.async_write(std::move(piece), asio::redirect_error(asio::use_awaitable, error));
      journal.add(error == Errc::stream_closed ? "closed" : "written");
    });
  });
  Client client(serving.port());
  for (int i = 0; i < 2; ++i) {
    client.send("HEAD /rows HTTP/1.1\r\nHost: localhost\r\n\r\n");
    const Reply reply = client.read_reply(Client::Method::head);
    CHECK(reply.status == 200);
    CHECK(reply.field("Content-Type") == "text/csv");
    CHECK(reply.count("Content-Length") == 0);
  }
  CHECK(journal.wait_for(2) == Texts{"closed", "closed"});
}

TEST_CASE("who awaits each piece goes at the client's pace", "[loopback][server][pieces]") {
  std::atomic<std::size_t> written{0};
  const std::size_t pieces = 64, size = 64 * 1024;
  Serving serving(
      [&](Server& server) {
        server.get("/large", [&](const Request&, StreamedResponse response) -> asio::awaitable<void> {
          for (std::size_t i = 0; i < pieces; ++i) {
            std::string piece(size, static_cast<char>('a' + i % 26));
            co_await response.async_write(std::move(piece), asio::use_awaitable);
            ++written;
          }
        });
      },
      {}, Serving::small_buffer);
  Client client(serving.port(), Serving::small_buffer);
  client.get("/large");
  const Head head = client.read_head();
  CHECK(head.status == 200);
  serving.loop.settle();
  CHECK(written < pieces);
  std::size_t got = 0;
  for (std::string chunk; client.read_chunk(chunk);) got += chunk.size();
  CHECK(got == pieces * size);
  CHECK(written == pieces);
}

TEST_CASE("a client that leaves ends the coroutine that writes for it", "[loopback][server][pieces]") {
  struct Gone {
    Journal& journal;
    ~Gone() { journal.add("gone"); }
  };
  Journal journal;
  ServerOptions options;
  options.on_exception = [&](const std::exception_ptr&) { journal.add("exception"); };
  Serving serving(
      [&](Server& server) {
        server.get("/slow", [&](const Request&, StreamedResponse response) -> asio::awaitable<void> {
          const Gone gone{journal};
          response.begin(Response::text(200, "begun"));
          asio::steady_timer timer(response.get_executor(), 24h);
          co_await timer.async_wait(asio::use_awaitable);
        });
      },
      options);
  Client client(serving.port());
  client.get("/slow");
  client.read_until("begun");
  client.reset();
  CHECK(journal.wait_for(1) == Texts{"gone"});
  serving.loop.settle();
  CHECK(journal.size() == 1);
}

TEST_CASE("an answer that breaks is never taken for a whole one", "[loopback][server][pieces]") {
  Journal exceptions;
  ServerOptions options;
  options.on_exception = [&](const std::exception_ptr&) { exceptions.add("told"); };
  Serving serving(
      [&](Server& server) {
        server.get("/thrown", [](const Request&, StreamedResponse response) -> asio::awaitable<void> {
          response.begin(Response::text(200, "begun"));
          throw std::runtime_error("broken");
          co_return;
        });
        server.get("/dropped", [](const Request&, const StreamedResponse& response) {
          response.begin(Response::text(200, "begun"));
        });
        server.get("/early", [](const Request&, StreamedResponse) -> asio::awaitable<void> {
          throw std::runtime_error("broken");
          co_return;
        });
        server.get("/unanswered", [](const Request&, const StreamedResponse&) {});
      },
      options);
  SECTION("after its head") {
    Client client(serving.port());
    client.get(GENERATE(as<std::string>{}, "/thrown", "/dropped"));
    CHECK(client.read_head().status == 200);
    CHECK(client.read_to_end().find("0\r\n\r\n") == std::string::npos);
  }
  SECTION("after its head, where the end of the connection would be that of the answer") {
    Client client(serving.port());
    client.get(GENERATE(as<std::string>{}, "/thrown", "/dropped"), {}, "HTTP/1.0");
    CHECK(client.read_head().status == 200);
    CHECK(client.read_to_end() == "begun");
    CHECK(client.how_ended() == End::reset);
  }
  SECTION("before it") {
    Client client(serving.port());
    client.get(GENERATE(as<std::string>{}, "/early", "/unanswered"));
    CHECK(client.read_reply().status == 500);
  }
}

TEST_CASE("pieces may be written from any thread, and finished there", "[loopback][server][pieces]") {
  Awaited<StreamedResponse> opened;
  Serving serving([&](Server& server) {
    server.get("/x", [&](const Request&, StreamedResponse response) { opened.set(std::move(response)); });
  });
  Client client(serving.port());
  client.get("/x");
  const StreamedResponse response = opened.take();
  Journal journal;
  for (const char* piece : {"one,", "two,", "three"}) {
    response.async_write(piece, [&](std::error_code error) { journal.add(error.message()); });
  }
  response.finish();
  CHECK(client.read_reply().body == "one,two,three");
  CHECK(journal.wait_for(3).size() == 3);
  CHECK_FALSE(response.is_open());
  CHECK_FALSE(response.begin(Response(200)));
  response.async_write("late", [&](std::error_code error) { journal.add(error.message()); });
  CHECK(journal.wait_for(4).back() == make_error_code(Errc::stream_closed).message());
  CHECK(refusal([&] { response.begin(Response(204)); }).find("204") != std::string::npos);
}

TEST_CASE("nothing goes before the head, whatever threads do at once", "[loopback][server][pieces]") {
  Awaited<StreamedResponse> opened;
  Serving serving([&](Server& server) {
    server.get("/x", [&](const Request&, StreamedResponse response) { opened.set(std::move(response)); });
  });
  const auto at_once = [](auto one, auto other) {
    std::atomic<int> ready{0};
    const auto meet = [&] {
      ++ready;
      while (ready < 2) continue;
    };
    std::thread thread([&] {
      meet();
      other();
    });
    meet();
    one();
    thread.join();
  };
  const auto end = std::chrono::steady_clock::now() + 10s;
  const auto goes_on = [&](int round) { return round < 2000 && std::chrono::steady_clock::now() < end; };
  SECTION("two first pieces are both written") {
    std::atomic<int> told{0}, refused{0};
    Client client(serving.port());
    int rounds = 0;
    for (; goes_on(rounds); ++rounds) {
      client.get("/x");
      const StreamedResponse response = opened.take();
      const auto write = [&](const char* piece) {
        response.async_write(piece, [&](std::error_code error) {
          refused += error ? 1 : 0;
          ++told;
        });
      };
      at_once([&] { write("one"); }, [&] { write("two"); });
      response.finish();
      const std::string body = client.read_reply().body;
      if (body != "onetwo" && body != "twoone") FAIL("in round " << rounds << ": " << body);
    }
    CHECK(eventually([&] { return told == 2 * rounds; }));
    CHECK(refused == 0);
  }
  SECTION("a client always hears of the end") {
    for (int round = 0; goes_on(round); ++round) {
      Client client(serving.port());
      client.get("/x");
      const StreamedResponse response = opened.take();
      bool begun = false;
      at_once([&] { begun = response.begin(Response(200)); }, [&] { response.abort(); });
      if (begun) {
        const std::string all = client.read_to_end();
        if (all.find("0\r\n\r\n") != std::string::npos) FAIL("in round " << round << ": " << all);
      } else if (client.read_reply().status != 500) {
        FAIL("in round " << round);
      }
    }
  }
}

TEST_CASE("a shutdown waits for an answer in pieces until its deadline", "[loopback][server][pieces]") {
  Awaited<StreamedResponse> opened;
  Awaited<std::size_t> done;
  Serving serving([&](Server& server) {
    server.get("/x", [&](const Request&, StreamedResponse response) {
      response.begin(Response::text(200, "begun"));
      opened.set(std::move(response));
    });
  });
  Client client(serving.port());
  client.get("/x");
  const StreamedResponse response = opened.take();
  client.read_until("begun");
  SECTION("it ends") {
    serving.server().shutdown(20s, [&](std::size_t cut) { done.set(cut); });
    serving.loop.settle();
    CHECK_FALSE(done.is_set());
    response.finish();
    CHECK_THAT(client.read_to_end(), Catch::Matchers::EndsWith("0\r\n\r\n"));
    CHECK(done.get() == 0);
  }
  SECTION("it is cut") {
    Client old(serving.port());
    old.get("/x", {}, "HTTP/1.0");
    old.read_until("begun");
    serving.server().shutdown(20ms, [&](std::size_t cut) { done.set(cut); });
    CHECK(done.get() == 2);
    CHECK_FALSE(response.is_open());
    CHECK(old.read_end() == End::reset);
  }
}
