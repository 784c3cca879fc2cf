// One connection that speaks HTTP/2 over TLS, in memory.
//
// The first line of the input says how the client cuts what it says, and what it changes. Its first byte chooses
// TLS 1.3 or 1.2 by its lowest bit, and by the next whether what is said first comes with the end of the handshake. For
// each record two bytes follow, over and over:
//
//   a byte     the record's size: about a quarter of its square; of all that is to be said when it is 0
//   6 bits     the size of the pieces in which it is written: the square; it leaves with the next record when it is 0
//   2 bits     1: before, the client changes its keys, with TLS 1.2 by asking to shake hands again, which is refused;
//              2: the record is changed on its way; 3: what the client is sent next is
//
// What follows the line means what it does without TLS (http2_script.hpp), and the same has to hold. Behind what was
// changed nothing is read, and the connection ends.
//
// OpenSSL's random numbers are its own, so that runs differ in what is encrypted, and in nothing else.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fuzz/fuzz.hpp"
#include "fuzz/http2_script.hpp"
#include "fuzz/tls_handshake.hpp"
#include "support/held_http2.hpp"
#include "support/memory_transport.hpp"
#include "support/tls_client.hpp"

using namespace spate;
using namespace spate::test;

namespace {

struct Cut {
  enum class Special : std::uint8_t { none, new_keys, change_said, change_heard };

  std::uint8_t amount = 0;
  std::uint8_t rest = 0;

  std::size_t record() const { return amount == 0 ? MemoryTransport::unlimited : amount * amount / 4 + 1U; }
  std::size_t piece() const { return (rest & 0x3FU) * (rest & 0x3FU); }
  Special special() const { return static_cast<Special>(rest >> 6); }
};

/// Cuts as the input says, from the beginning again when there are no more.
class Cuts {
 public:
  explicit Cuts(std::string_view line) : ways_(line.empty() ? 0 : static_cast<std::uint8_t>(line[0])) {
    for (std::size_t at = 1; at + 1 < line.size(); at += 2) {
      all_.push_back({static_cast<std::uint8_t>(line[at]), static_cast<std::uint8_t>(line[at + 1])});
    }
    if (all_.empty()) all_.emplace_back();
  }

  bool is_old_version() const { return (ways_ & 1) != 0; }
  bool comes_early() const { return (ways_ & 2) != 0; }
  Cut next() { return all_[next_++ % all_.size()]; }

 private:
  std::uint8_t ways_;
  std::vector<Cut> all_;
  std::size_t next_ = 0;
};

class Encryption final : public HeldCover {
 public:
  explicit Encryption(std::string_view line)
      : cuts_(line),
        client_({.max_version = cuts_.is_old_version() ? TLS1_2_VERSION : TLS1_3_VERSION, .protocols = {"h2"}}) {}

  detail::Peer connect(detail::Shard& shard, MemoryTransport& below, std::string& first) override {
    server_.emplace(shard, below, tls_core(), std::vector<std::string>{"h2"});
    below.connect();
    detail::Peer peer = server_->accept(0);
    peer.set_resident(detail::make_ref<detail::Resident>());
    const std::string early = cuts_.comes_early() ? first.substr(0, cuts_.next().record()) : std::string();
    if (shake_hands(client_, below, *server_, early)) first.erase(0, early.size());
    require(server_->identity(0).protocol == "h2", "HTTP/2 is agreed on");
    return peer;
  }

  std::vector<std::string> to_server(std::string_view bytes) override {
    std::vector<std::string> pieces;
    while (!bytes.empty() && !failed_ && !ended_) {
      const Cut cut = cuts_.next();
      if (cut.special() == Cut::Special::new_keys) change_keys(cut.amount % 2 == 0);
      client_.write(bytes.substr(0, cut.record()));
      bytes.remove_prefix(std::min(bytes.size(), cut.record()));
      std::string record = client_.output();
      if (cut.special() == Cut::Special::change_said) change(record, cut.amount);
      if (cut.special() == Cut::Special::change_heard) change_heard_ = cut.amount;
      ready_ += record;
      for (std::size_t size = cut.piece(), i = 0; size > 0 && i < most_pieces && !ready_.empty(); ++i) {
        pieces.push_back(ready_.substr(0, size));
        ready_.erase(0, size);
      }
    }
    pieces.push_back(std::exchange(ready_, {}) + client_.output());
    return pieces;
  }

  std::string to_client(std::string_view bytes) override {
    if (failed_) return {};
    std::string taken(bytes), heard;
    if (change_heard_ && !taken.empty()) change(taken, *std::exchange(change_heard_, {}));
    client_.input(taken);
    try {
      for (std::string some = client_.read(); !some.empty(); some = client_.read()) heard += some;
    } catch (const Failure& failure) {
      require(broken_, "the client understands what it is sent", failure.what());
      failed_ = true;
    }
    return heard;
  }

  std::string farewell() override {
    ended_ = cuts_.next().special() == Cut::Special::none && !broken_;
    if (ended_) client_.end();
    return client_.output();
  }

  bool is_broken() const override { return broken_; }
  bool heard_end() const override { return client_.saw_close_notify(); }

 private:
  // Of one record; behind them comes the rest of it.
  static constexpr std::size_t most_pieces = 32;

  void change_keys(bool of_server_too) {
    if (!cuts_.is_old_version()) {
      SSL_key_update(client_.native(), of_server_too ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED);
    } else if (!broken_) {
      SSL_renegotiate(client_.native());
      client_.shake_hands();
      broken_ = true;  // OpenSSL's client says nothing more before the answer, and does not take a refusal
    }
  }

  void change(std::string& bytes, std::size_t amount) {
    if (bytes.empty()) return;
    bytes[amount % bytes.size()] ^= static_cast<char>(1 << amount % 8);
    broken_ = true;
  }

  Cuts cuts_;
  TlsEngine client_;
  std::optional<detail::TlsTransport> server_;
  std::string ready_;  // encrypted, and leaves with what comes next
  std::optional<std::size_t> change_heard_;
  bool broken_ = false;  // bytes were changed, or the client is refused
  bool failed_ = false;  // which the client has noticed: it says nothing more
  bool ended_ = false;   // the client has said that it does not
};

}  // namespace

void fuzz(std::string_view input) {
  const std::string_view cuts = take_until(input, '\n');
  play_http2(input, [cuts](HeldHttp2::Ways ways, const auto& play) {
    Encryption encryption(cuts);
    ways.facts.encrypted = true;
    ways.cover = &encryption;
    connect_http2(ways, play);
  });
}
