// How a connection begins: as what it is spoken to be, or with a refusal. Every connection comes in here, whoever has
// accepted it. Shard only.
#pragma once

#include <memory>
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
#include <spate/transport/detail/secure_transport.hpp>

namespace spate::detail {

/// Answers over HTTP/1 with `refusal` whatever was or will be asked, and lets go of the socket. `asked` is the request,
/// if one was read.
SPATE_DECL void refuse_connection(Shard& shard, const ServerCore& server, const ConnectionFacts& facts, Peer& peer,
                                  Response refusal, const Request* asked = nullptr);

/// Begins HTTP/1 with `peer`, of whom `read` was read already. They are the session's when nothing was thrown.
SPATE_DECL void begin_http1(const Ref<Shard>& shard, const Ref<ServerCore>& server, const HostPolicy& hosts,
                            Peer&& peer, ConnectionFacts facts, std::string_view read = {});

/// Begins what `protocol` says that both sides have agreed on while they shook hands; HTTP/1 when they have not.
SPATE_DECL void begin_agreed(const Ref<Shard>& shard, const Ref<ServerCore>& server, const HostPolicy& hosts,
                             Peer&& peer, ConnectionFacts facts, std::string_view protocol);

/// What somebody else has done on a connection before it came to the server.
struct DoneBefore {
  std::unique_ptr<EstablishedSecurity> security;  // its handshake, and what follows it; null: it is not encrypted
  std::optional<Request> read;                    // the request that was read from it, and not answered
};

/// Begins on `shard` with a connection that was let in, where `hosts` of `server` may be asked for; or refuses it, as
/// `entry` says. One of which a request was read goes on as that came: encrypted or in the clear.
SPATE_DECL void begin_connection(const Ref<Shard>& shard, const Ref<ServerCore>& server, OwnedSocket accepted,
                                 const HostPolicy& hosts, ConnectionLimits::Entry entry, DoneBefore before = {});

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/server/impl/begin_connection.ipp>
#endif
