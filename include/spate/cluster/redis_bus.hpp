// A RedisBus joins the emitters of several processes through Redis 7 or newer. It needs the target spate::redis.
//
//   spate::RedisOptions redis;
//   redis.url = "redis://127.0.0.1:6379";
//   spate::EmitterOptions options;
//   options.bus = std::make_shared<spate::RedisBus>(io.get_executor(), redis);
//   spate::Emitter emitter(std::move(options));
//
// It connects when an emitter takes it, and again whenever it has to: a Redis that is away is no error of a call, but
// told by `status()` and RedisOptions::on_bus_error, while local streams go on and what is sent waits in a queue.
//
// What it costs Redis (each script is one command for whoever sends it; the commands within are in parentheses):
//
//   a send, durable               one script (GET, EXISTS, GET, XADD, SET); the entry, its message and some 50 bytes,
//   stays
//                                 in the memory of Redis until it is trimmed, by count there, by bytes with one XTRIM
//                                 of its node for a sixteenth of the limit. With `wait_replicas` one WAIT for all that
//                                 was sent since the last one
//   a send, broadcast             one PUBLISH; a command for the streams of a user, directed or not, as well
//   a send to one user, directed  one script (ZRANGEBYSCORE, a HEXISTS for each node, PUBSUB, a PUBLISH for each node
//                                 that holds them); other sends as in broadcast mode
//   following the log             one XREAD for up to 32 entries and each node, and a script (TIME, XRANGE, one entry)
//                                 that looks whether any were trimmed meanwhile; when more come at a time, a script
//                                 (TIME, GET, EXISTS, XINFO, XRANGE) for up to 1,024 entries or a mebibyte, about; when
//                                 nothing comes, one of each a second
//   a node that starts            one such script for 1,024 entries or a mebibyte of the log
//   looking what Redis it is      one INFO every other second
//   a client that resumes         nothing: each node replays from its own copy of the log, which knows what is whose,
//                                 so that a replay looks at nobody else's events. One XINFO when the client is ahead of
//                                 the node
//   users coming and going        one script for up to 500 of them (HSET or HDEL, HINCRBY, PEXPIRE); some 80 bytes and
//                                 the id for each user on each node, and again for each user
//   a node's lease                one script every third of it, at most every three seconds (HGET, ZSCORE, ZADD, HSET,
//                                 SREM, PEXPIRE), and one to see who is gone (ZRANGEBYSCORE, SRANDMEMBER)
//   a node that is gone           one script for up to 500 of its users (HRANDFIELD, HDEL, HINCRBY), by another node
//   the cluster's counts          one such script and another (HLEN, an HGET for each node), once a second at most and
//                                 node, however many ask
//   the cluster's users           as often one script, and one HSCAN for some 500 users of the other nodes
//   listening, not durable        twice a second a PING and a PUBSUB NUMSUB
//
// A process that has published is remembered for a day, in some 100 bytes, so that what it sends again after a fault is
// not appended twice. Redis must not evict keys (`maxmemory-policy noeviction`, its default): another policy is told by
// `status()`. What it has confirmed it keeps as well as it is set up to: with `appendonly yes` and `appendfsync always`
// also when it crashes.
//
// What is not to be kept (Event::keep) goes through the log like the rest, takes a number and room there, and is kept
// by no node. An event that is to be kept for a while (Event::keep_for) is so from when Redis put it into the log, by
// the clock of Redis; a node that reads it later keeps it for what is left. It leaves the log with the others, not when
// it expires. Without a log the time counts on each node from when the event comes there. A command for the streams of
// a user goes through the log too, in its place among the events; a node that starts skips those that it finds. Nodes
// of an earlier version skip all of this, and what is for topics, and count it (BusStatus::skipped); the rest they
// read.
//
// When a replica takes over, or Redis restarts with older data, it may lack the last events that it, or its master, had
// confirmed. Each node keeps the end of the log, ten seconds or 16 MiB of it. So nothing is appended for a moment,
// until all nodes are back, a second at the most after a restart and `max_retry` more after a failover; what the log
// lacks is appended again under its old ids. What cannot be restored, because who knew of it is gone or comes too late,
// is told once to every stream, and to whoever resumes, as a gap. Ids never fall below one that a node has seen.
//
// A Redis without memory: the log is made shorter for new events and for who is where, down to a mebibyte or four times
// the event. An event of 16 KiB or more that then still finds no room is refused (Errc::bus_refused); smaller ones wait
// until there is some. Nodes that agree on the end of the log append what it lacks all the same, and make room later.
//
// A Redis that takes no writes (`min-replicas-to-write`, or a full disk) is read from: a node goes on delivering what
// the log has, also after it has connected again or when it starts, unless another Redis has taken over. What is sent
// waits, others do not know who is here, and `status()` says why.
//
// What a node's user must be allowed, with `prefix` as it is by default (INFO may be missing: then a failover is
// noticed only by what a node knows to be missing, and neither a replica nor an eviction policy before they do harm):
//
//   ~spate:* &spate:* +ping +info +evalsha +script|load +get +set +del +exists +xadd +xread +xrange +xinfo|stream
//   +xsetid +xtrim +zadd +zrem +zrangebyscore +zscore +zcount +time +pexpire +unlink +hset +hget +hdel
//   +hgetall +hlen +hincrby +hscan +hrandfield +sadd +srem +scard +smembers +srandmember
//   with `wait_replicas`: +wait; directed and broadcast mode: +subscribe +publish +hexists +pubsub|numsub
//
// Not there: TLS; Sentinel, so that the URL must be one that always leads to the master, such as a proxy's; and Redis
// Cluster with its sharded pub/sub, for which a client must follow redirections, as hiredis
// does not by itself, and keep the keys of one script in one slot.
//
// Threads: any may call it. All its own work and all its callbacks run on one strand of the executor. Lifetime: the
// executor's context must outlive it; its pending operations keep `run()` from returning until `close()` or the
// destructor.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <asio/any_io_executor.hpp>
#include <asio/strand.hpp>

#include <spate/cluster/bus.hpp>
#include <spate/cluster/detail/asio_redis_io.hpp>
#include <spate/cluster/detail/redis_node.hpp>
#include <spate/cluster/redis_options.hpp>

namespace spate {

class RedisBus final : public Bus {
 public:
  /// Throws std::invalid_argument that quotes what is wrong with the options, a URL without its password.
  explicit RedisBus(const asio::any_io_executor& executor, RedisOptions options = {})
      : node_(std::make_shared<detail::RedisNode>(std::make_shared<detail::AsioRedisIo>(asio::make_strand(executor)),
                                                  std::move(options))) {}
  RedisBus(const RedisBus&) = delete;
  RedisBus& operator=(const RedisBus&) = delete;
  ~RedisBus() override { node_->close(); }

  /// Leaves the cluster and ends all work, for good. What is still queued is given up, with Errc::shut_down. The other
  /// nodes know at once, if the executor still runs what is left to do; else when the lease has ended.
  void close() override { node_->close(); }

  /// The options in use, with the node's name.
  const RedisOptions& options() const noexcept { return node_->options(); }

  bool keeps_log() const noexcept override { return options().mode == ClusterMode::durable; }
  std::error_code publish(const Audience& audience, const Event& event, Published done) override {
    return node_->publish(audience, event, std::move(done));
  }
  std::error_code command(const UserCommand& command) override { return node_->command(command); }
  void attach(std::shared_ptr<BusListener> listener) override { node_->attach(std::move(listener)); }
  void detach() override { node_->detach(); }
  void changed(std::string_view user, std::size_t streams) override { node_->changed(user, streams); }
  void ask_newest(Published done) override { node_->ask_newest(std::move(done)); }
  void ask_users(std::function<void(std::error_code, std::vector<UserStreams>)> done) override {
    node_->ask_users(std::move(done));
  }
  void ask_counts(std::function<void(std::error_code, UserCounts)> done) override {
    node_->ask_counts(std::move(done));
  }
  BusStatus status() const override { return node_->status(); }

 private:
  const std::shared_ptr<detail::RedisNode> node_;
};

}  // namespace spate
