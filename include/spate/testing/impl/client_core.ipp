// The functions of client_core.hpp.
#pragma once

#include <algorithm>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <utility>

#include <asio/ip/address.hpp>

#include <spate/config.hpp>
#include <spate/http/detail/tokens.hpp>
#include <spate/http/percent.hpp>
#include <spate/testing/detail/client_core.hpp>
#include <spate/testing/detail/held_clock.hpp>
#include <spate/wire/detail/quote.hpp>

namespace spate::detail {

SPATE_DECL testing::ClientOptions checked(testing::ClientOptions options, const Request& request) {
  std::error_code error;
  asio::ip::make_address(options.address, error);
  if (error) {
    throw std::invalid_argument("spate::testing::ClientOptions::address is no IP address: " + quote(options.address));
  }
  if (request.method().empty()) throw std::invalid_argument("spate::testing::Server: the request has no method");
  if (const auto transport = request.query("transport")) {
    options.transport = *transport == "poll"     ? Transport::poll
                        : *transport == "iframe" ? Transport::iframe
                                                 : Transport::sse;
  }
  return options;
}

SPATE_DECL ClientCore::ClientCore(ClientHost& host, Ref<ServerCore> server, const Request& request,
                                  testing::ClientOptions options)
    : host_(&host),
      server_(std::move(server)),
      options_(checked(std::move(options), request)),
      method_(request.method()),
      target_(request.target()),
      body_(request.body()),
      subject_(request.client_subject() ? std::make_shared<const std::string>(*request.client_subject()) : nullptr),
      minor_version_(request.version_major() == 1 ? request.version_minor() : 1) {
  for (const auto& [name, value] : request.headers()) fields_.emplace_back(name, value);
}

SPATE_DECL MemoryTransport::Client& ClientCore::end() const {
  return host_->end_of(connection_);
}

SPATE_DECL bool ClientCore::is_open() const {
  return is_connected() && host_ != nullptr && !reader_.is_whole() && !end().saw_end();
}

SPATE_DECL std::optional<EndReason> ClientCore::end_reason() const {
  return stream_ && stream_->is_over() ? std::optional(stream_->reason()) : std::nullopt;
}

SPATE_DECL void ClientCore::connect() {
  if (host_ == nullptr) return;
  if (is_connected()) go(How::leaves);
  reader_ = AnswerReader(method_);
  decoder_.restart();
  stream_ = nullptr;
  stalls_ = false;
  ++connections;
  const std::string text = request_text();
  const auto connection = host_->connect(server_, options_.address, subject_, *this);
  if (!connection) return reader_.end();
  connection_ = *connection;
  if (!end().is_gone()) end().send(text);
}

SPATE_DECL std::string ClientCore::target() const {
  std::string target = target_;
  const auto add = [&](std::string_view name, std::string_view value) {
    target += target.find('?') == std::string::npos ? '?' : '&';
    target.append(name).append("=").append(percent_encode(value));
  };
  const bool asks = Request("GET", target_).query("transport").has_value();
  if (!asks && options_.transport == Transport::poll) add("transport", "poll");
  if (!asks && options_.transport == Transport::iframe) add("transport", "iframe");
  // A page cannot set a field for its frame.
  if (options_.transport == Transport::iframe && !last_event_id_.empty()) add("last_event_id", last_event_id_);
  return target;
}

SPATE_DECL std::string ClientCore::request_text() const {
  std::string text = method_ + ' ' + target() + " HTTP/1." + std::to_string(minor_version_) + "\r\n";
  const auto add = [&](std::string_view name, std::string_view value) {
    text.append(name).append(": ").append(value).append("\r\n");
  };
  const bool resumes = !last_event_id_.empty() && options_.transport != Transport::iframe;
  if (find_field(fields_, "host") == nullptr) add("Host", "localhost");
  for (const auto& [name, value] : fields_) {
    if (!resumes || !iequals(name, "last-event-id")) add(name, value);
  }
  if (resumes) add("Last-Event-ID", last_event_id_);
  const bool framed = find_field(fields_, "content-length") != nullptr || find_field(fields_, "transfer-encoding");
  const bool expected = !body_.empty() || method_ == "POST" || method_ == "PUT" || method_ == "PATCH";
  if (expected && !framed) add("Content-Length", std::to_string(body_.size()));
  return text + "\r\n" + body_;
}

SPATE_DECL bool ClientCore::has_news() const {
  if (!is_connected()) return false;
  const MemoryTransport::Client& mine = end();
  const bool read_to_its_end = reader_.is_whole() || reader_.is_broken();  // while it stalled
  return mine.saw_break() || (!stalls_ && (!mine.waiting().empty() || mine.saw_end() || read_to_its_end));
}

SPATE_DECL void ClientCore::read() {
  if (!has_news()) return;
  while (!stalls_ && !end().waiting().empty()) take(end().take());
  if (reader_.is_whole() || reader_.is_broken() || end().saw_end()) finish();
}

SPATE_DECL void ClientCore::take(std::string_view bytes) {
  const std::string body = reader_.take(bytes);
  constexpr int ok = 200;
  if (!reader_.has_head() || answer().status != ok) return;
  const std::string type = answer().header("content-type").value_or("");
  if (type.starts_with("text/event-stream")) {
    decoder_.feed(
        body, [&](const DecodedEvent& event) { events.push_back(event); },
        [&](std::string_view comment) {
          if (comment.empty()) {
            ++heartbeats;
          } else {
            comments.emplace_back(comment);
          }
        });
    if (!decoder_.last_event_id().empty()) last_event_id_ = decoder_.last_event_id();
    if (const auto told = decoder_.reconnection_time()) retry = told;
  } else if (options_.transport == Transport::iframe && type.starts_with("text/html")) {
    FrameReader::Read read = frames_.take(body);
    heartbeats += read.heartbeats;
    take_events(std::move(read.events));
  } else if (options_.transport == Transport::poll && reader_.is_whole()) {
    if (auto read = read_poll(answer().body, last_event_id_)) {
      take_events(std::move(read->events));
      if (!read->last_event_id.empty()) last_event_id_ = read->last_event_id;
    }
  }
}

SPATE_DECL void ClientCore::take_events(testing::Events&& more) {
  for (DecodedEvent& event : more) {
    last_event_id_ = event.last_event_id;
    if (event.retry) retry = event.retry;
    events.push_back(std::move(event));
  }
}

SPATE_DECL void ClientCore::finish() {
  go(How::leaves);
  constexpr int ok = 200;
  if (answer().status != 0 && answer().status != ok) comes_back_after_.reset();
  come_back();
}

SPATE_DECL void ClientCore::come_back() {
  if (!comes_back_after_ || is_connected()) return;
  const bool at_once = options_.transport == Transport::poll && reader_.is_whole();
  std::chrono::milliseconds wait = at_once ? std::chrono::milliseconds(0) : retry.value_or(*comes_back_after_);
  wait = std::min<std::chrono::milliseconds>(wait, longest_wait);
  host_->loop().set_timer(*this, host_->loop().now() + wait);
}

SPATE_DECL void ClientCore::stall(std::size_t room) {
  stalls_ = true;
  room_ = room;
  if (is_connected()) end().limit_room(room);
}

SPATE_DECL void ClientCore::make_room(std::size_t bytes) {
  if (is_connected()) end().limit_room(std::max(room_, end().waiting().size() + bytes));
}

SPATE_DECL void ClientCore::read_stalled(std::size_t bytes) {
  if (!is_connected()) return;
  end().limit_room(room_);
  take(end().take(bytes));
}

SPATE_DECL void ClientCore::read_on() {
  stalls_ = false;
  if (is_connected()) end().limit_room(MemoryTransport::unlimited);
}

SPATE_DECL void ClientCore::go(How how) {
  if (!is_connected()) return;
  if (!reader_.is_whole()) reader_.end();
  MemoryTransport::Client& mine = end();
  host_->release(std::exchange(connection_, -1));
  how == How::leaves ? mine.leave() : mine.reset();
}

SPATE_DECL void ClientCore::stay_away() {
  comes_back_after_.reset();
  if (host_ != nullptr) host_->loop().set_timer(*this, never);
}

SPATE_DECL void ClientCore::keep_reconnecting(std::chrono::milliseconds wait) {
  comes_back_after_ = wait;
  come_back();
}

SPATE_DECL void ClientCore::drop() {
  if (host_ == nullptr) return;
  stay_away();
  go(How::leaves);
  host_->remove(*this);
  host_ = nullptr;
}

SPATE_DECL void ClientCore::on_timer(TimePoint) {
  connect();
}

}  // namespace spate::detail
