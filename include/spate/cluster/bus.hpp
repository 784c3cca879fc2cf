// The interface between an Emitter and other processes. It is declared in the registry, which must not look up.
//
// RedisBus is the one for production (<spate/cluster/redis_bus.hpp>, target spate::redis); InProcessNetwork gives buses
// between the emitters of one program.
#pragma once

#include <spate/registry/bus.hpp>
