// A client that comes back whenever its stream breaks, as a browser does, until it has heard what it was told to wait
// for. It remembers everything it has heard.
//
//   ResumingClient alice(port, "/alice");
//   alice.listen_until("the last");
//   CHECK(alice.heard() == Texts{"one", "the last"});
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/event_client.hpp"
#include "support/eventually.hpp"

namespace spate::test {

class ResumingClient {
 public:
  /// `fields` are those of its requests besides.
  ResumingClient(std::uint16_t port, std::string target, std::string fields = {})
      : port_(port), target_(std::move(target)), fields_(std::move(fields)) {}

  /// Listens until an unnamed event has the data `last`, on the connection it has as long as that lasts. Throws Failure
  /// when nothing comes in time.
  void listen_until(std::string_view last) {
    const auto end = std::chrono::steady_clock::now() + patience;
    while (heard_.empty() || heard_.back() != last) {
      if (std::chrono::steady_clock::now() > end) throw Failure("never heard " + std::string(last));
      try {
        if (!client_) connect();
        take(client_->next());
      } catch (const Failure& failure) {
        if (std::string_view(failure.what()).find("too late") != std::string_view::npos) throw;
        client_.reset();
      }
    }
  }
  void leave() { client_.reset(); }

  const std::vector<std::string>& heard() const noexcept { return heard_; }
  const std::vector<std::string>& gaps() const noexcept { return gaps_; }
  /// How often it asked for the stream.
  int connects() const noexcept { return connects_; }

 private:
  void connect() {
    ++connects_;
    client_.emplace(port_, target_, fields_ + (id_.empty() ? "" : "Last-Event-ID: " + id_ + "\r\n"));
  }
  void take(const DecodedEvent& event) {
    if (!event.last_event_id.empty()) id_ = event.last_event_id;
    if (event.name == "gap") gaps_.push_back(event.data);
    if (event.name == "message") heard_.push_back(event.data);
  }

  std::uint16_t port_;
  std::string target_;
  std::string fields_;
  std::optional<EventClient> client_;
  std::string id_;
  std::vector<std::string> heard_;
  std::vector<std::string> gaps_;
  int connects_ = 0;
};

}  // namespace spate::test
