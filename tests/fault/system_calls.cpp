// System calls that fail, one at a time, while a client listens and others ask.
#include <sys/epoll.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <system_error>
#include <vector>

#include "fault/calls/scenario.hpp"

using namespace spate;
using namespace spate::test;
using namespace std::chrono_literals;

namespace {

enum class Told {
  nobody,         // it is tried again
  accept_errors,  // the connection is lost before it began
  on_error,       // an open stream ends with that error; a connection without a stream is just closed
};

struct Row {
  Fault fault;
  Told told;
};

const std::vector<Row> rows = {
    {{"accept4", EINTR}, Told::nobody},
    {{"accept4", EAGAIN}, Told::nobody},
    {{"accept4", ECONNABORTED}, Told::nobody},
    {{"accept4", EMFILE}, Told::accept_errors},
    {{"accept4", ENFILE}, Told::accept_errors},
    {{"accept4", ENOBUFS}, Told::accept_errors},
    {{"accept4", ENOMEM}, Told::accept_errors},
    {{"accept4", EPROTO}, Told::accept_errors},
    {{"epoll_ctl_add", ENOMEM}, Told::accept_errors},
    {{"epoll_ctl_add", ENOSPC}, Told::accept_errors},
    {{"epoll_wait", EINTR}, Told::nobody},
    {{"recv", EINTR}, Told::nobody},
    {{"recv", ECONNRESET}, Told::on_error},
    {{"recv", EHOSTUNREACH}, Told::on_error},
    {{"recv", ENOMEM}, Told::on_error},
    {{"send", EINTR}, Told::nobody},
    {{"send", EAGAIN}, Told::nobody},
    {{"send", 0, 0, 1, 1}, Told::nobody},
    {{"send", 0, 0, 1, 7}, Told::nobody},
    {{"send", ENOBUFS}, Told::on_error},
    {{"send", ENOMEM}, Told::on_error},
    {{"send", ECONNRESET}, Told::on_error},
    {{"send", EPIPE}, Told::on_error},
    {{"sendmsg", EINTR}, Told::nobody},
    {{"sendmsg", EAGAIN}, Told::nobody},
    {{"sendmsg", 0, 0, 1, 1}, Told::nobody},
    {{"sendmsg", ENOBUFS}, Told::on_error},
    {{"sendmsg", ECONNRESET}, Told::on_error},
    {{"shutdown", ENOTCONN}, Told::nobody},
    {{"close", EINTR}, Told::nobody},
    {{"close", EIO}, Told::nobody},
};

}  // namespace

TEST_CASE("no system call that fails once costs an event, or the server", "[fault]") {
  for (const Row& row : rows) {
    int struck = 0;
    // The first such call, the second, ... until there are no more.
    for (Fault fault = row.fault;; ++fault.skip) {
      INFO(fault.call << " " << std::strerror(fault.error) << " after " << fault.skip);
      const std::size_t descriptors = open_descriptors();
      bool hit = false;
      {
        Scenario scenario;
        {
          const FailingCall failing(fault);
          scenario.run();
          hit = failing.struck() > 0;
        }
        const auto told = scenario.told.entries();
        const bool broke = scenario.connects > 1;
        if (row.told == Told::nobody) {
          CHECK_FALSE(broke);
          CHECK(scenario.asks == 2);
        }
        if (row.told != Told::on_error) CHECK(told.empty());
        CHECK(scenario.stats().accept_errors == (hit && row.told == Told::accept_errors ? 1 : 0));
        // A client that closes its connection is no error, nor is a pipe without a reader.
        for (const std::string& each : told) CHECK(each == std::generic_category().message(fault.error));
        if (row.told == Told::on_error && fault.error != EPIPE && scenario.stats().streams_opened > 1) {
          CHECK(told.size() == 1);
        }
        scenario.go_on();
      }
      CHECK(eventually([&] { return open_descriptors() == descriptors; }));
      if (!hit) break;
      ++struck;
    }
    // A row that never strikes shows nothing. Writes of one piece go through send: few scenarios gather several.
    if (row.fault.call != "sendmsg") CHECK(struck > 0);
  }
}
