// The functions of redis_keys.hpp.
#pragma once

#include <spate/cluster/detail/redis_keys.hpp>
#include <spate/config.hpp>

namespace spate::detail {

SPATE_DECL RedisKeys::RedisKeys(std::string begins_with, std::string own_name)
    : prefix(std::move(begins_with)),
      node(std::move(own_name)),
      epoch(prefix + "epoch"),
      log(prefix + "log"),
      lineage(prefix + "lineage"),
      round(prefix + "round"),
      offers(prefix + "offers"),
      mark(prefix + "mark"),
      publisher(prefix + "publisher:"),
      nodes(prefix + "nodes"),
      origins(prefix + "origins"),
      streams(prefix + "streams"),
      left(prefix + "left"),
      members(prefix + "users"),
      users(prefix + "node:" + node),
      to_all(prefix + "all"),
      to_node(prefix + "to:" + node) {}

}  // namespace spate::detail
