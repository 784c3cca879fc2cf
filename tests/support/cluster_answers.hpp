// What an emitter says about its whole cluster, awaited.
#pragma once

#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <asio/bind_executor.hpp>
#include <asio/system_executor.hpp>

#include <spate/registry/emitter.hpp>
#include "support/eventually.hpp"

namespace spate::test {

/// The users whose id starts with `prefix`. Throws when they cannot be told.
inline std::vector<std::string> cluster_users(Emitter& emitter, std::string prefix = {}) {
  Awaited<std::pair<std::error_code, std::vector<std::string>>> answer;
  emitter.async_cluster_users(
      std::move(prefix),
      asio::bind_executor(asio::system_executor(), [&](std::error_code error, std::vector<std::string> users) {
        answer.set({error, std::move(users)});
      }));
  auto [error, users] = answer.get();
  if (error) throw std::system_error(error, "cluster_users");
  return std::move(users);
}

/// How many users and streams there are. Throws when that cannot be told.
inline Emitter::Counts cluster_counts(Emitter& emitter) {
  Awaited<std::pair<std::error_code, Emitter::Counts>> answer;
  emitter.async_cluster_counts(
      asio::bind_executor(asio::system_executor(), [&](std::error_code error, Emitter::Counts counts) {
        answer.set({error, counts});
      }));
  const auto [error, counts] = answer.get();
  if (error) throw std::system_error(error, "cluster_counts");
  return counts;
}

}  // namespace spate::test
