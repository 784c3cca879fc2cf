// Streams without sockets, on a loop that never runs: what is sent on them shows what it costs the sender alone.
//
//   SocketlessStreams streams;
//   emitter.add("anna", streams.open());
#pragma once

#include <memory>
#include <string>
#include <utility>

#include <asio/io_context.hpp>

#include <spate/detail/access.hpp>
#include <spate/http/request.hpp>
#include <spate/http/response.hpp>
#include <spate/stream/detail/shard.hpp>
#include <spate/stream/detail/stream_core.hpp>
#include <spate/stream/detail/stream_settings.hpp>
#include <spate/stream/event_stream.hpp>
#include <spate/stream/stream_options.hpp>
#include <spate/wire/detail/ref.hpp>

namespace spate::test {

class SocketlessStreams {
 public:
  SocketlessStreams() = default;
  SocketlessStreams(const SocketlessStreams&) = delete;
  SocketlessStreams& operator=(const SocketlessStreams&) = delete;
  ~SocketlessStreams() { shard_->stop(); }

  EventStream open(detail::TransportChoice choice = {}) const {
    return detail::access::handle<EventStream>(detail::make_ref<detail::StreamCore>(
        shard_, settings_, detail::Framing::chunked, detail::Ref<detail::AnswerSink>(sink_), request_, HeaderFields(),
        std::move(choice)));
  }

 private:
  /// Never asked for its socket, because the loop never runs.
  class NoSocket final : public detail::AnswerSink {
   public:
    detail::Channel open_channel(const Request&, const HeaderFields&) override { return {}; }
    void answer(Response) override {}
  };

  asio::io_context io_{1};
  const detail::Ref<detail::Shard> shard_ = detail::make_ref<detail::Shard>(io_.get_executor());
  const detail::Ref<detail::StreamSettings> settings_ = detail::make_ref<detail::StreamSettings>(StreamOptions());
  const detail::Ref<NoSocket> sink_ = detail::make_ref<NoSocket>();
  const std::shared_ptr<const Request> request_ = std::make_shared<const Request>();
};

}  // namespace spate::test
