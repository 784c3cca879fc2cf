// The names of a cluster's keys and channels in Redis.
#pragma once

#include <string>
#include <utility>

namespace spate::detail {

struct RedisKeys {
  RedisKeys(std::string begins_with, std::string own_name)
      : prefix(std::move(begins_with)),
        node(std::move(own_name)),
        epoch(prefix + "epoch"),
        log(prefix + "log"),
        nodes(prefix + "nodes"),
        users(prefix + "node:" + node),
        to_all(prefix + "all"),
        to_node(prefix + "to:" + node) {}

  const std::string prefix;
  const std::string node;
  const std::string epoch;    // a string: what the ids of the log begin with
  const std::string log;      // a stream: all events of durable mode
  const std::string nodes;    // a sorted set: until when each node's lease lives, in ms since 1970
  const std::string users;    // a hash: this node's users and how many streams each has
  const std::string to_all;   // a channel
  const std::string to_node;  // a channel
};

}  // namespace spate::detail
