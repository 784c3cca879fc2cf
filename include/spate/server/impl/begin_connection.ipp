// The functions of begin_connection.hpp.
#pragma once

#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <spate/config.hpp>
#include <spate/server/detail/begin_connection.hpp>
#include <spate/server/detail/connection_protocol.hpp>
#include <spate/server/detail/first_bytes.hpp>
#include <spate/server/detail/handshake.hpp>
#include <spate/server/detail/session.hpp>

namespace spate::detail {

SPATE_DECL void refuse_connection(Shard& shard, const ServerCore& server, const ConnectionFacts& facts, Peer& peer,
                                  Response refusal, const Request* asked) {
  std::string answer;
  refusal.close_connection();
  serialize_head(answer, refusal, HeadContext{1, false});
  answer += refusal.body();
  const asio::const_buffer buffer(answer.data(), answer.size());
  std::error_code error;
  const std::size_t written = peer.write(buffer, error);  // a fresh socket takes it, or its client has gone
  linger(shard, std::move(peer));
  if (!server.access) return;
  const auto entry = std::make_shared<AccessEntry>(server.access, shard, facts.remote.get());
  if (asked != nullptr) entry->set_request(*asked);
  entry->record.status = refusal.status();
  entry->record.body_bytes = refusal.body().size();
  entry->end(shard, written == answer.size(), answer.size() - written);
}

// Nobody else would close what could not start.
template <typename Begun, typename... Args>
void start_or_cut(const Ref<Begun>& begun, Args&&... args) {
  try {
    begun->start(std::forward<Args>(args)...);
  } catch (...) {
    begun->on_cut();
    throw;
  }
}

// `read` is a request, or bytes.
template <typename Read>
void start_session(const Ref<Shard>& shard, const Ref<ServerCore>& server, const HostPolicy& hosts, Peer&& peer,
                   ConnectionFacts facts, Read read) {
  if (!facts.refusal.empty()) {
    const Request* asked = nullptr;
    if constexpr (std::is_same_v<Read, Request>) asked = &read;
    return refuse_connection(*shard, *server, facts, peer, Response::error(503, facts.refusal), asked);
  }
  start_or_cut(make_ref<Session>(shard, server, hosts, std::move(peer), std::move(facts.client_subject),
                                 std::move(facts.remote)),
               std::move(read));
}

SPATE_DECL void begin_http1(const Ref<Shard>& shard, const Ref<ServerCore>& server, const HostPolicy& hosts,
                            Peer&& peer, ConnectionFacts facts, std::string_view read) {
  start_session(shard, server, hosts, std::move(peer), std::move(facts), read);
}

SPATE_DECL void begin_agreed(const Ref<Shard>& shard, const Ref<ServerCore>& server, const HostPolicy& hosts,
                             Peer&& peer, ConnectionFacts facts, std::string_view protocol) {
  ConnectionProtocol* const http2 = server->options.http2.get();
  if (http2 != nullptr && protocol == http2->alpn()) {
    return http2->begin(shard, server, hosts, std::move(peer), std::move(facts), {});
  }
  begin_http1(shard, server, hosts, std::move(peer), std::move(facts));
}

SPATE_DECL void shake_hands(const Ref<Shard>& shard, const Ref<ServerCore>& server, const HostPolicy& hosts,
                            SocketId socket, Peer& peer, ConnectionFacts facts) {
  if (!Handshake::is_possible(*server)) {
    server->handshake_failures.fetch_add(1, std::memory_order_relaxed);
    return peer.abort();
  }
  const auto handshake = make_ref<Handshake>(shard, server, hosts, socket, std::move(facts));
  peer = shard->secure()->accept(socket);
  start_or_cut(handshake, std::move(peer));
}

SPATE_DECL void begin_connection(const Ref<Shard>& shard, const Ref<ServerCore>& server, OwnedSocket accepted,
                                 const HostPolicy& hosts, ConnectionLimits::Entry entry, DoneBefore before) {
  std::error_code error;
  ConnectionFacts facts;
  if (server->access) {
    const auto remote = ip_endpoint_of(endpoint_of(accepted.native(), ::getpeername, error));
    if (remote) facts.remote = std::make_shared<const asio::ip::tcp::endpoint>(*remote);
  }
  const SocketId socket = shard->poller().attach(std::move(accepted), error);
  if (error) {
    server->accept_errors.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  Peer peer = shard->peer(socket);
  try {
    PeerIdentity identity;
    if (before.security) {
      peer = shard->established(*before.security, socket);
      identity = shard->secure()->identity(socket);
    }
    if (server->draining.load(std::memory_order_relaxed)) {
      if (!before.read) return peer.close();
      // Who has asked is answered.
      return refuse_connection(*shard, *server, facts, peer, Response::error(503, "the server shuts down"),
                               &*before.read);
    }
    server->connections.fetch_add(1, std::memory_order_relaxed);
    if (entry.verdict == ConnectionLimits::Verdict::refuse) facts.refusal = "too many connections";
    if (entry.permit) shard->poller().hold(socket, std::move(entry.permit));
    facts.encrypted = before.security != nullptr;
    facts.client_subject = std::move(identity.subject);
    if (before.read) {
      return start_session(shard, server, hosts, std::move(peer), std::move(facts), std::move(*before.read));
    }
    if (facts.encrypted) {
      return begin_agreed(shard, server, hosts, std::move(peer), std::move(facts), identity.protocol);
    }
    if (server->options.tls) return shake_hands(shard, server, hosts, socket, peer, std::move(facts));
    if (server->options.http2) {
      return start_or_cut(make_ref<FirstBytes>(shard, server, hosts, std::move(peer), std::move(facts)));
    }
    begin_http1(shard, server, hosts, std::move(peer), std::move(facts));
  } catch (...) {
    peer.close();
    throw;
  }
}

}  // namespace spate::detail
