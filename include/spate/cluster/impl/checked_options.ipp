// The functions of checked_options.hpp.
#pragma once

#include <spate/cluster/detail/checked_options.hpp>
#include <spate/config.hpp>

namespace spate::detail {

SPATE_DECL RedisOptions checked(RedisOptions options, const std::string& random_name) {
  if (options.node.empty()) options.node = random_name;
  const auto legal = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' || c == '_' ||
           c == '-';
  };
  if (options.node.size() > 64 || !std::all_of(options.node.begin(), options.node.end(), legal)) {
    throw std::invalid_argument("spate::RedisOptions::node is 1 to 64 of letters, digits, '.', '_' and '-', not " +
                                quote(options.node));
  }
  require_some("spate::RedisOptions::log_events", options.log_events);
  require_some("spate::RedisOptions::log_bytes", options.log_bytes);
  require_some("spate::RedisOptions::max_queued_events", options.max_queued_events);
  require_some("spate::RedisOptions::max_queued_bytes", options.max_queued_bytes);
  require_not_negative("spate::RedisOptions::log_age", options.log_age);
  require_positive("spate::RedisOptions::wait_timeout", options.wait_timeout);
  require_positive("spate::RedisOptions::lease", options.lease);
  require_positive("spate::RedisOptions::reply_timeout", options.reply_timeout);
  require_positive("spate::RedisOptions::min_retry", options.min_retry);
  require_in_order("spate::RedisOptions::min_retry", options.min_retry, "max_retry", options.max_retry);
  return options;
}

}  // namespace spate::detail
