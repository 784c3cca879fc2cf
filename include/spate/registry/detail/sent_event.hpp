// SentEvent: an event that somebody has sent and awaits.
#pragma once

#include <memory>

#include <spate/registry/send_report.hpp>

namespace spate::detail {

class Receipt;

struct SentEvent {
  SendReport report;
  std::shared_ptr<Receipt> receipt;  // of the bus and of a store that keeps later; null without
  bool kept = true;                  // it has an id, or will get one
};

}  // namespace spate::detail
