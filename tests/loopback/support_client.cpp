// The tests' own client, against a peer that sends what the test says.
#include <chrono>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/write.hpp>

#include "support/catch.hpp"
#include "support/event_client.hpp"
#include "support/serving.hpp"
#include "support/texts.hpp"

using namespace spate;
using namespace spate::test;
using namespace std::chrono_literals;

namespace {

/// The other end of a client's connection.
class Peer {
 public:
  Peer()
      : acceptor_(listening(io_.get_executor())),
        client(acceptor_.local_endpoint().port()),
        socket_(acceptor_.accept()) {}

  void send(std::string_view bytes) { asio::write(socket_, asio::buffer(bytes)); }
  void close() { socket_.close(); }
  void reset() {
    socket_.set_option(asio::socket_base::linger(true, 0));
    socket_.close();
  }

 private:
  asio::io_context io_;
  asio::ip::tcp::acceptor acceptor_;

 public:
  Client client;

 private:
  asio::ip::tcp::socket socket_;
};

constexpr std::string_view stream_head =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";

}  // namespace

TEST_CASE("eventually gives up at its deadline", "[support]") {
  int asked = 0;
  CHECK_FALSE(eventually([&] { return ++asked < 0; }, 20ms));
  CHECK(asked > 1);
  CHECK(eventually([&] { return --asked == 0; }));
  // A condition that holds is asked once, also when there is no time.
  CHECK(eventually([] { return true; }, 0ms));
}

TEST_CASE("what was noted is there in its order", "[support]") {
  Journal journal;
  std::thread other([&] {
    journal.add("a");
    journal.add("b");
  });
  CHECK(journal.wait_for(2) == Texts{"a", "b"});
  other.join();
  Awaited<int> value;
  CHECK_FALSE(value.is_set());
  value.set(1);
  value.set(2);
  CHECK(value.get() == 1);
}

TEST_CASE("a client reads up to a mark, wherever the bytes are cut", "[support][client]") {
  Peer peer;
  std::thread sender([&] {
    for (const char byte : std::string_view("ab\r\r\ncd\r\nrest")) peer.send({&byte, 1});
    peer.close();
  });
  CHECK(peer.client.read_until("\r\n") == "ab\r\r\n");
  CHECK(peer.client.read_exactly(1) == "c");
  CHECK(peer.client.read_until("\r\n") == "d\r\n");
  CHECK_THROWS_AS(peer.client.read_until("\r\n"), Failure);
  CHECK(peer.client.read_to_end() == "rest");
  CHECK(peer.client.how_ended() == End::closed);
  sender.join();
}

TEST_CASE("a client tells an end from a break", "[support][client]") {
  Peer peer;
  CHECK(peer.client.how_ended() == End::open);
  SECTION("end") {
    peer.close();
    CHECK(peer.client.read_end() == End::closed);
  }
  SECTION("break") {
    peer.reset();
    CHECK(peer.client.read_end() == End::reset);
  }
  SECTION("neither, but something more") {
    peer.send("x");
    peer.close();
    CHECK_THROWS_AS(peer.client.read_end(), Failure);
  }
}

TEST_CASE("a client reads an answer as long as its head says", "[support][client]") {
  Peer peer;
  SECTION("a length") {
    peer.send(
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nA: b\r\n\r\nabcHTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    const Reply reply = peer.client.read_reply();
    CHECK(reply.status == 200);
    CHECK(reply.body == "abc");
    CHECK(reply.field("a") == "b");
    CHECK(peer.client.read_reply().status == 404);
  }
  SECTION("chunks") {
    peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nA\r\n0123456789\r\n1\r\nx\r\n0\r\n\r\nnext");
    CHECK(peer.client.read_reply().body == "0123456789x");
    CHECK(peer.client.read_exactly(4) == "next");
  }
  SECTION("none, after HEAD") {
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n");
    CHECK(peer.client.read_reply(Client::Method::head).body.empty());
    CHECK(peer.client.read_reply().status == 204);
  }
  SECTION("the rest") {
    peer.send("HTTP/1.1 200 OK\r\n\r\nuntil the end");
    peer.close();
    CHECK(peer.client.read_reply().body == "until the end");
  }
}

TEST_CASE("a client refuses what is no HTTP", "[support][client]") {
  const std::string_view bad = GENERATE(as<std::string_view>(), "200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nno field\r\n\r\n",
                                        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
                                        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n",
                                        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;a\r\nx\r\n0\r\n\r\n",
                                        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxx\r\n0\r\n\r\n",
                                        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
                                        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nx");
  Peer peer;
  peer.send(bad);
  peer.close();
  CHECK_THROWS_AS(peer.client.read_reply(), Failure);
}

TEST_CASE("an event client tells a stream that was completed from one that was cut", "[support][client]") {
  const std::string body = "e\r\ndata: one\n\n: c\r\n3\r\n\n\nd\r\n9\r\nata: two\n\r\n1\r\n\n\r\n0\r\n\r\n";
  // Complete only if nothing is missing, not even the last byte.
  for (std::size_t size = 0; size <= body.size(); ++size) {
    Peer peer;
    peer.send(stream_head);
    peer.send(std::string_view(body).substr(0, size));
    peer.close();
    EventClient client(std::move(peer.client));
    const Texts events = client.rest();
    INFO(size);
    CHECK(client.completed() == (size == body.size()));
    CHECK(events.size() <= 2);
    if (size == body.size()) CHECK(events == Texts{"one", "two"});
  }
}

TEST_CASE("an event client gives events and comments each in their order", "[support][client]") {
  Peer peer;
  peer.send(stream_head);
  peer.send("12\r\n: c1\ndata: 1\n\n: c2\r\n9\r\n\ndata: 2\n\r\n1\r\n\n\r\n");
  EventClient client(std::move(peer.client));
  CHECK(client.next_comment() == "c1");
  CHECK(client.next_comment() == "c2");
  CHECK(client.next_data(2) == Texts{"1", "2"});
  peer.close();
  CHECK_THROWS_AS(client.next(), Failure);
  CHECK_FALSE(client.completed());
}

TEST_CASE("an event client wants an event stream", "[support][client]") {
  Peer peer;
  peer.send("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 0\r\n\r\n");
  CHECK_THROWS_AS(EventClient(std::move(peer.client)), Failure);
}
