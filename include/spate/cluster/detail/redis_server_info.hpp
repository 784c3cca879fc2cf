// What a Redis says of itself, as far as a node must know it before it relies on it.
#pragma once

#include <string>
#include <string_view>

#include <spate/config.hpp>

namespace spate::detail {

struct RedisServerInfo {
  /// Its process, and what its history of writes is called: a master names that anew when its first replica comes.
  std::string run_id;
  std::string replication_id;
  /// Whether it took over the history of another one, and so may lack the end of it.
  bool took_over = false;
  /// Why it cannot be used, and what to do; empty when it can.
  std::string unusable;
  /// What is wrong with it although it is used, and what to do; empty when all is well.
  std::string warning;

  /// The sections that `parse` looks at, as arguments of INFO.
  static constexpr std::string_view process = "server", memory = "memory", replication = "replication",
                                    cluster = "cluster";

  /// What a log is agreed on with: process and history; empty when it does not say.
  std::string lineage() const { return run_id.empty() ? std::string() : run_id + " " + replication_id; }

  /// Reads the answer to INFO. What it does not say counts as well: a user who may not ask is not refused.
  static RedisServerInfo parse(std::string_view info);

  /// Whether `error` says that Redis takes no writes for now, though it may be read: it is full, has too few replicas,
  /// or cannot write to its disk.
  static bool takes_no_writes(std::string_view error) noexcept {
    return error.starts_with("OOM ") || error.starts_with("NOREPLICAS ") || error.starts_with("MISCONF ");
  }

  /// An error that Redis answered, without the place in a script, and with what to do where its words do not say it.
  static std::string explained(std::string_view error);

 private:
  // line = name ":" value CRLF
  static std::string_view field(std::string_view info, std::string_view name);
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/cluster/impl/redis_server_info.ipp>
#endif
