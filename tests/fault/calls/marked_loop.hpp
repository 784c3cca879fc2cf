// Lets the calls of a server's thread fail.
#pragma once

#include <asio/post.hpp>

#include <spate/server/server.hpp>
#include "fault/calls/failing_calls.hpp"
#include "support/eventually.hpp"

namespace spate::test {

/// Marks the thread of `server`, which has started and has one. Returns when that is done.
inline void mark_loop_of(Server& server) {
  Awaited<bool> is_marked;
  asio::post(server.get_executor(), [&] {
    mark_this_thread();
    is_marked.set(true);
  });
  is_marked.get();
}

}  // namespace spate::test
