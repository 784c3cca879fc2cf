// A connection that another library has handed over, on a loop whose allocations fail: its client is answered, or sees
// the end of the connection.
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <new>
#include <string>
#include <system_error>
#include <utility>

#include <asio/io_context.hpp>

#include <spate/connection/detail/framing.hpp>
#include <spate/http/request.hpp>
#include <spate/loop/detail/owned_socket.hpp>
#include <spate/stream/detail/adopted_socket.hpp>
#include <spate/stream/detail/shard.hpp>
#include <spate/stream/detail/stream_core.hpp>
#include <spate/stream/detail/transport_choice.hpp>
#include <spate/stream/stream_options.hpp>
#include "fault/calls/failing_calls.hpp"
#include "support/catch.hpp"

using namespace spate;
using namespace spate::detail;
using namespace spate::test;

namespace {

/// One stream on one connection, and its client. The loop turns when the test says so. (Not a StreamHost's: that has a
/// strand, and Asio ends the process when it has no memory for one.)
class Adopted {
 public:
  explicit Adopted(const std::string& method, const std::string& target) {
    int sockets[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0);
    client_ = sockets[0];
    const Request request(method, target);
    const auto sink = make_ref<AdoptedSocket>(*shard_, request, HeaderFields(), settings_, false);
    const Framing framing = method == "HEAD" ? Framing::none : framing_for(request);
    core_ = make_ref<StreamCore>(shard_, settings_, framing, Ref<AnswerSink>(sink),
                                 std::make_shared<const Request>(request), HeaderFields(), choose_transport(request));
    std::error_code error;
    OwnedSocket owned = OwnedSocket::from(sockets[1], error);
    REQUIRE_FALSE(error);
    shard_->run([this, sink, owned = std::move(owned)]() mutable {
      sink->begin(std::move(owned), nullptr, core_, {});
      core_->handler_finished();
    });
    turn();
  }
  Adopted(const Adopted&) = delete;
  Adopted& operator=(const Adopted&) = delete;
  ~Adopted() {
    shard_->stop();
    turn();
    ::close(client_);
  }

  void open() { core_->open(); }
  void turn() {
    for (;;) {
      io_.restart();
      try {
        io_.poll();
        return;
      } catch (const std::bad_alloc&) {  // told to whoever runs the loop; it goes on
      }
    }
  }
  /// Whether an answer, or an end, has come.
  bool has_heard() const {
    pollfd look{client_, POLLIN, 0};
    return ::poll(&look, 1, 0) > 0;
  }

 private:
  asio::io_context io_{1};
  const Ref<Shard> shard_ = make_ref<Shard>(io_.get_executor());
  const Ref<StreamSettings> settings_ = make_ref<StreamSettings>(StreamOptions());
  Ref<StreamCore> core_;
  int client_ = -1;
};

}  // namespace

TEST_CASE("no allocation that fails once leaves the client of an adopted connection waiting", "[fault][host]") {
  mark_this_thread();
  for (const char* const method : {"HEAD", "GET"}) {
    const std::string target = method == std::string("HEAD") ? "/" : "/?transport=poll&timeout=0";
    long struck = 0;
    for (long skip = 0;; ++skip) {
      CAPTURE(method, skip);
      Adopted adopted(method, target);
      adopted.open();
      bool hit = false;
      {
        const FailingAllocation failing(skip);
        adopted.turn();
        hit = failing.struck();
      }
      adopted.turn();
      CHECK(adopted.has_heard());
      if (!hit) break;
      ++struck;
    }
    CHECK(struck > 5);
  }
}
