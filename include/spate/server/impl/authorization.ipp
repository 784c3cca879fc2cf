// The functions of authorization.hpp.
#pragma once

#include <asio/error.hpp>

#include <spate/config.hpp>
#include <spate/loop/detail/insist.hpp>
#include <spate/server/detail/authorization.hpp>

namespace spate::detail {

SPATE_DECL Request Authorization::whole() {
  if (route.options.authorize_on == AuthorizeOn::head) request.set_body(std::move(body));
  return std::move(request);
}

SPATE_DECL void Authorization::ask(const AuthorizeCoroutine& hook, const Ref<Authorization>& asked,
                                   const Ref<Shard>& shard, const Ref<VerdictSink>& sink) {
  auto decided = [asked, shard, sink](const std::exception_ptr& failure, const std::optional<Response>& refused) {
    // Nobody would say it later.
    insist([&] {
      shard->run(
          [asked, sink, failure, refused = refused]() mutable { sink->decided(*asked, failure, std::move(refused)); },
          sink);
    });
  };
  hook.spawn_(
      shard->executor(), [asked, &hook] { return hook(asked->request); }, asked->client_left.slot(),
      std::move(decided));
}

SPATE_DECL bool is_cancellation(const std::exception_ptr& exception) noexcept {
  try {
    std::rethrow_exception(exception);
  } catch (const std::system_error& error) {
    return error.code() == asio::error::operation_aborted;
  } catch (...) {
    return false;
  }
}

}  // namespace spate::detail
