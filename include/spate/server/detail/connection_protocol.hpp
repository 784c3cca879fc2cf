// ConnectionProtocol: another protocol than HTTP/1 that connections of a server may speak. What it is made of is an
// optional part of Spate; the server begins it, and it serves the server's routes.
#pragma once

#include <string_view>

#include <spate/http/host_policy.hpp>
#include <spate/server/detail/connection_facts.hpp>
#include <spate/server/detail/server_core.hpp>
#include <spate/stream/detail/shard.hpp>
#include <spate/transport/detail/peer.hpp>
#include <spate/wire/detail/ref.hpp>

namespace spate::detail {

class ConnectionProtocol {
 public:
  virtual ~ConnectionProtocol() = default;

  /// By what clients ask for it while they shake hands. (RFC 7301)
  virtual std::string_view alpn() const noexcept = 0;

  /// What a client sends first that has not shaken hands, and knows that the server speaks this.
  virtual std::string_view preface() const noexcept = 0;

  /// Begins with `peer`, of whom `read` was read already: all that there is, or more is told of. Shard only. It has the
  /// peer when nothing was thrown.
  virtual void begin(const Ref<Shard>& shard, const Ref<ServerCore>& server, const HostPolicy& hosts, Peer&& peer,
                     ConnectionFacts facts, std::string_view read) = 0;
};

}  // namespace spate::detail
