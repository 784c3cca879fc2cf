// Metrics as Prometheus reads them: its text format, version 0.0.4.
//
//   server.get("/metrics", [&](const spate::Request&) {
//     return spate::Response(200)
//         .content_type(spate::prometheus_content_type)
//         .body(spate::prometheus_text(server.stats(), emitter.stats()));
//   });
//
// Several sources in one text are told apart by a label, and a program adds metrics of its own:
//
//   spate::PrometheusText text;
//   text.add(server.stats()).add(orders.stats(), {{"emitter", "orders"}}).add(chat.stats(), {{"emitter", "chat"}});
//   text.gauge("shop_open_carts", "Carts that are not paid.", carts.size());
//
// What all of them count is said once, before all samples of it, as the format asks.
// Values: any thread may use one, one at a time. (https://prometheus.io/docs/instrumenting/exposition_formats/)
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <spate/config.hpp>
#include <spate/registry/emitter_stats.hpp>
#include <spate/server/server_stats.hpp>

namespace spate {

/// The Content-Type of such a text.
inline constexpr std::string_view prometheus_content_type = "text/plain; version=0.0.4";

/// A text for Prometheus, put together from what servers and emitters count and what a program adds.
class PrometheusText {
 public:
  /// Names and values. A value may be any text: it is escaped; NUL and ill-formed UTF-8 in it become U+FFFD.
  using Labels = std::vector<std::pair<std::string, std::string>>;

  /// Adds what `stats` counts, each with `labels`.
  ///
  /// Throws std::invalid_argument when a label has no possible name (letters, digits and `_`, not beginning with a
  /// digit nor with `__`), is there twice, or is one that the sample has itself (`reason`, `protocol`, `tls`); and when
  /// a sample is there already with these labels, so that nobody could tell the two apart. What came before it
  /// in `stats` stays.
  PrometheusText& add(const ServerStats& stats, const Labels& labels = {});
  PrometheusText& add(const EmitterStats& stats, const Labels& labels = {});
  PrometheusText& add(const BusStatus& status, const Labels& labels = {});

  /// Adds a sample of the program's own: of what only grows, or of what goes up and down. By convention the name of a
  /// counter ends in `_total`.
  ///
  /// Throws std::invalid_argument as `add` does, and when `name` is no possible name of a metric (letters, digits, `_`
  /// and `:`, not beginning with a digit), or one that has the other type already.
  template <typename Number>
    requires std::is_arithmetic_v<Number>
  PrometheusText& counter(std::string_view name, std::string_view help, Number value, const Labels& labels = {}) {
    return sample(name, "counter", help, number(value), labels);
  }
  template <typename Number>
    requires std::is_arithmetic_v<Number>
  PrometheusText& gauge(std::string_view name, std::string_view help, Number value, const Labels& labels = {}) {
    return sample(name, "gauge", help, number(value), labels);
  }

  /// The text so far; empty, or whole lines. Metrics come in the order in which each was added first.
  std::string str() const;

 private:
  struct Family {
    std::string head;  // its HELP and TYPE
    std::string_view type;
    std::string samples;
    std::set<std::string> labels;  // of the samples, in the order of their names
  };

  template <typename Number>
  static std::string number(Number value) {
    if constexpr (std::is_integral_v<Number>) {
      return std::to_string(value);
    } else {
      return decimal(static_cast<double>(value));
    }
  }
  static std::string decimal(double value);

  PrometheusText& sample(std::string_view name, std::string_view type, std::string_view help, std::string_view value,
                         const Labels& labels);
  Family& family(std::string_view name, std::string_view type, std::string_view help);

  std::map<std::string, std::size_t, std::less<>> by_name_;  // where in `families_`
  std::vector<Family> families_;
};

/// A source and what it is called in the text.
using NamedServerStats = std::pair<std::string, ServerStats>;
using NamedEmitterStats = std::pair<std::string, EmitterStats>;

/// The metrics of one server, and of an emitter whose streams it serves: `spate_streams`, `spate_deliveries_total` and
/// so on, without labels but those that a sample has itself. Without an emitter `spate_streams` counts the server's.
SPATE_DECL std::string prometheus_text(const ServerStats& server);
SPATE_DECL std::string prometheus_text(const ServerStats& server, const EmitterStats& emitter);

/// The same for several: the samples of each have the label `server` or `emitter` with its name; an empty name makes no
/// label.
///
///   spate::prometheus_text(server.stats(), {{"orders", orders.stats()}, {"chat", chat.stats()}})
///
/// Throws std::invalid_argument when two have one name.
SPATE_DECL std::string prometheus_text(const ServerStats& server, const std::vector<NamedEmitterStats>& emitters);
SPATE_DECL std::string prometheus_text(const std::vector<NamedServerStats>& servers,
                                       const std::vector<NamedEmitterStats>& emitters);

}  // namespace spate

#if defined(SPATE_HEADER_ONLY)
#include <spate/server/impl/prometheus.ipp>
#endif
