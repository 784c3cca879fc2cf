// Census: who listens on all nodes. The bus is asked about the others, once for all who ask within a second.
//
// Threads: any. Callbacks: `done` runs in the call that brings the answer, or in its own when there is one, and without
// a lock.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <spate/config.hpp>
#include <spate/registry/bus.hpp>
#include <spate/registry/detail/shared_question.hpp>

namespace spate::detail {

class Census {
 public:
  using Users = SharedQuestion<std::vector<UserStreams>>;
  using Counts = SharedQuestion<UserCounts>;

  /// `bus` may be null: then this node is the only one.
  explicit Census(Bus* bus) noexcept : bus_(bus) {}

  /// Asks for the users of all nodes, sorted, with how many streams each has. `here`, which is asked about this node,
  /// keeps what owns this census.
  void ask_users(std::shared_ptr<const BusListener> here, Users::Done done);

  /// Asks how many users and streams there are on all nodes. `here` is the same.
  void ask_counts(std::shared_ptr<const BusListener> here, Counts::Done done);

  /// The ids that begin with `prefix`, of users who are sorted.
  static std::vector<std::string> ids_of(const std::vector<UserStreams>& users, std::string_view prefix);

 private:
  Bus* const bus_;
  Users users_;
  Counts counts_;
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/registry/impl/census.ipp>
#endif
