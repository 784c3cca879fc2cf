// The functions of redis_server_info.hpp.
#pragma once

#include <spate/cluster/detail/redis_server_info.hpp>
#include <spate/config.hpp>

namespace spate::detail {

SPATE_DECL RedisServerInfo RedisServerInfo::parse(std::string_view info) {
  RedisServerInfo server;
  server.run_id = field(info, "run_id");
  server.replication_id = field(info, "master_replid");
  server.took_over = field(info, "master_replid2").find_first_not_of('0') != std::string_view::npos;
  if (field(info, "cluster_enabled") == "1") {
    server.unusable = "Redis Cluster is not supported: name a Redis that is no part of one";
  } else if (field(info, "role") == "slave") {
    server.unusable = "it is a replica, which takes no events: name its master, or an address that leads to it";
  }
  const std::string_view policy = field(info, "maxmemory_policy");
  if (!policy.empty() && policy != "noeviction") {
    server.warning = "maxmemory-policy is " + std::string(policy) +
                     ", so that Redis may evict what nodes rely on: set it to noeviction";
  }
  return server;
}

SPATE_DECL std::string RedisServerInfo::explained(std::string_view error) {
  std::string text(error.substr(0, error.find(" script: ")));
  if (error.starts_with("READONLY")) text += " (name its master, or an address that leads to it)";
  if (error.starts_with("MOVED") || error.starts_with("CROSSSLOT") || error.starts_with("CLUSTERDOWN")) {
    text += " (Redis Cluster is not supported: name a Redis that is no part of one)";
  }
  return text;
}

SPATE_DECL std::string_view RedisServerInfo::field(std::string_view info, std::string_view name) {
  while (!info.empty()) {
    const std::string_view line = info.substr(0, info.find("\r\n"));
    info.remove_prefix(line.size() == info.size() ? line.size() : line.size() + 2);
    if (line.size() > name.size() && line.starts_with(name) && line[name.size()] == ':') {
      return line.substr(name.size() + 1);
    }
  }
  return {};
}

}  // namespace spate::detail
