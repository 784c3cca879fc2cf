// The functions of http2.hpp.
#pragma once

#include <stdexcept>
#include <utility>

#include <spate/config.hpp>
#include <spate/http2/detail/http2_connection.hpp>
#include <spate/http2/http2.hpp>

namespace spate {

SPATE_DECL Http2::Http2(Http2Options options) : options_(options) {
  if (options_.max_streams_per_connection == 0) {
    throw std::invalid_argument("spate::Http2Options::max_streams_per_connection must be at least 1, not 0");
  }
}

SPATE_DECL void Http2::begin(const detail::Ref<detail::Shard>& shard, const detail::Ref<detail::ServerCore>& server,
                             const HostPolicy& hosts, detail::Peer&& peer, detail::ConnectionFacts facts,
                             std::string_view read) {
  const auto connection = detail::make_ref<detail::Http2Connection>(shard, server, hosts, std::move(facts),
                                                                    options_.max_streams_per_connection);
  try {
    connection->start(std::move(peer), read);
  } catch (...) {
    connection->on_cut();
    throw;
  }
}

}  // namespace spate
