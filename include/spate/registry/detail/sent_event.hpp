// SentEvent: an event that somebody has sent and awaits.
#pragma once

#include <spate/registry/send_report.hpp>
#include <spate/wire/detail/ref.hpp>

namespace spate::detail {

class Receipt;

struct SentEvent {
  SendReport report;
  Ref<Receipt> receipt;  // of the bus; without one there is none
};

}  // namespace spate::detail
