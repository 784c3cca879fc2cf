// The names of a cluster's keys and channels in Redis.
#pragma once

#include <string>
#include <utility>

#include <spate/config.hpp>

namespace spate::detail {

struct RedisKeys {
  RedisKeys(std::string begins_with, std::string own_name);

  const std::string prefix;
  const std::string node;
  const std::string epoch;      // a string: what the ids of the log begin with
  const std::string log;        // a stream: all events of durable mode
  const std::string lineage;    // a string: process and history of the Redis that the nodes have agreed on the log with
  const std::string round;      // a hash, while the nodes agree: until when, and who has spoken
  const std::string offers;     // a hash, likewise: entries that the log may lack, by id
  const std::string mark;       // a string: the id of the log's last mark
  const std::string publisher;  // begins the keys, strings, of the number of each publisher's last event
  const std::string nodes;      // a sorted set: until when each node's lease lives, in ms since 1970
  const std::string origins;    // a hash: the process that bears each node's name, a random number
  const std::string streams;    // a hash: how many streams each node has
  const std::string left;       // a set: nodes that are gone and whose users are still to be taken out
  const std::string members;    // a hash: on how many nodes each user is
  const std::string users;      // a hash: this node's users and how many streams each has
  const std::string to_all;     // a channel
  const std::string to_node;    // a channel
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/cluster/impl/redis_keys.ipp>
#endif
