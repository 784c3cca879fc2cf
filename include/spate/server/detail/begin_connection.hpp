// How a connection begins: as what it is spoken to be, or with a refusal. Every connection comes in here, whoever has
// accepted it. Shard only.
#pragma once

#include <optional>
#include <string_view>

#include <spate/config.hpp>
#include <spate/http/host_policy.hpp>
#include <spate/http/request.hpp>
#include <spate/http/response.hpp>
#include <spate/loop/detail/owned_socket.hpp>
#include <spate/server/detail/connection_facts.hpp>
#include <spate/server/detail/connection_limits.hpp>
#include <spate/server/detail/server_core.hpp>
#include <spate/stream/detail/shard.hpp>
#include <spate/transport/detail/peer.hpp>

namespace spate::detail {

/// Answers over HTTP/1 with `refusal` whatever was or will be asked, and lets go of the socket.
SPATE_DECL void refuse_connection(Shard& shard, Peer& peer, Response refusal);

/// Begins HTTP/1 with `peer`, of whom `read` was read already. They are the session's when nothing was thrown.
SPATE_DECL void begin_http1(const Ref<Shard>& shard, const Ref<ServerCore>& server, const HostPolicy& hosts,
                            Peer&& peer, ConnectionFacts facts, std::string_view read = {});

/// Begins on `shard` with a connection that was let in, where `hosts` of `server` may be asked for; or refuses it, as
/// `entry` says. `read` is the request that was read from it already, if one was: in the clear, like what follows.
SPATE_DECL void begin_connection(const Ref<Shard>& shard, const Ref<ServerCore>& server, OwnedSocket accepted,
                                 const HostPolicy& hosts, ConnectionLimits::Entry entry,
                                 std::optional<Request> read = std::nullopt);

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/server/impl/begin_connection.ipp>
#endif
