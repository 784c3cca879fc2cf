// What the hub's command line says.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <system_error>
#include <vector>

#include <spate/program.hpp>
#include <spate/server/inherited_sockets.hpp>
#include <spate/wire/text.hpp>

#include "hub/access.hpp"
#include "hub/cluster.hpp"
#include "hub/compression.hpp"
#include "hub/encryption.hpp"
#include "hub/history.hpp"

namespace hub {

struct Settings {
  spate::Program program{
      "pushes Server-Sent Events to users, to groups of users, and to everybody\n\n"
      "Behind a proxy pass the Host on and name it with --allow-host, or name the public origin with --allow-origin.\n"
      "haproxy needs `option http-no-delay`; without it each event is held back for some 200 ms. With\n"
      "`option abortonclose` it tells at once that a client has gone."};
  HistorySettings history;
  std::chrono::milliseconds poll_grace = std::chrono::seconds(10);
  Access access;
  ClusterSettings cluster;
  Encryption encryption;
  Compression compression;

  /// Ends the program when the command line cannot be understood.
  Settings(int argc, char** argv) {
    spate::ServerOptions& server = program.options;
    spate::StreamOptions& stream = server.stream;
    server.threads = 1;
    stream.max_queued_bytes = 1024 * 1024;

    program.option<std::size_t>("--threads", "N", "loops, each on a thread of its own", server.threads, 1);
    program.option("--heartbeat-ms", "N", "quiet time before a heartbeat; 0 sends none", stream.heartbeat);
    program.option("--lifetime-ms", "N", "age at which a stream ends; 0 never ends it", stream.lifetime);
    history.add_options(program);
    program.option("--max-queued-bytes", "N", "bytes that may wait for one client", stream.max_queued_bytes);
    program.option("--overflow", "POLICY", "what happens beyond: close, drop-oldest, drop-newest, coalesce (close)",
                   [&](const std::string& text) { stream.overflow = policy(text); });
    program.option("--write-timeout-ms", "N", "how long a client may take no byte; 0 for ever", stream.write_timeout);
    program.option("--request-timeout-ms", "N", "how long a request may take to come in", server.request_timeout);
    program.option("--max-body-bytes", "N", "largest request body", server.limits.max_body_bytes);
    program.option("--max-connections", "N", "connections in all; 0 sets no limit", server.max_connections);
    program.option("--max-connections-per-address", "N", "connections from one address; 0 sets no limit",
                   server.max_connections_per_address);
    program.option("--allow-host", "HOST", "answer for this host besides loopback; * admits all", server.allow_hosts);
    access.add_options(program);
    program.option("--poll-grace-ms", "N", "how long who polls stays online between two polls", poll_grace);
    cluster.add_options(program);
    encryption.add_options(program);
    compression.add_options(program);
    program.parse(argc, argv);
    encryption.apply(program, server);
    compression.apply(server);
    history.check(program, cluster.keeps_log());

    if (server.request_timeout.count() == 0)
      program.refuse("option --request-timeout-ms: \"0\" would refuse everything");
    for (const std::string& address : addresses()) check_reach(address);
  }

 private:
  /// Where it will listen: the sockets that it was passed come before --address.
  std::vector<std::string> addresses() const {
    std::vector<std::string> all;
    try {
      for (const spate::InheritedSocket& socket : spate::inherited_sockets()) all.push_back(socket.address);
    } catch (const std::system_error& error) {
      program.refuse(error.what(), spate::Program::cannot_serve);
    }
    if (all.empty()) all.push_back(program.options.address);
    return all;
  }

  void check_reach(const std::string& address) {
    if (access.limits_publishing()) return;
    if (address.rfind("unix:", 0) == 0) {
      // Then it trusts whoever reaches it. A proxy lets everybody do that, so its host has to be named, as on loopback.
      if (program.options.allow_hosts.empty()) program.options.allow_hosts = {"localhost"};
    } else if (!spate::is_loopback(spate::parse_listen_address(address))) {
      program.refuse("listening on " + address + " without --publish-token would let anybody send",
                     spate::Program::cannot_serve);
    }
  }

  static spate::Overflow policy(const std::string& text) {
    if (text == "close") return spate::Overflow::close;
    if (text == "drop-oldest") return spate::Overflow::drop_oldest;
    if (text == "drop-newest") return spate::Overflow::drop_newest;
    if (text == "coalesce") return spate::Overflow::coalesce;
    throw std::invalid_argument(spate::quote(text) + " is none of close, drop-oldest, drop-newest, coalesce");
  }
};

}  // namespace hub
