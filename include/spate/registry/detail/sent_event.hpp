// SentEvent: an event that somebody has sent and awaits.
#pragma once

#include <memory>

#include <spate/registry/send_report.hpp>

namespace spate::detail {

class Receipt;

struct SentEvent {
  SendReport report;
  std::shared_ptr<Receipt> receipt;  // of the bus; without one there is none
};

}  // namespace spate::detail
