// What Redis itself does for the cluster, each in one step: nobody else's command comes in between.
#pragma once

#include <string_view>

namespace spate::detail::redis_scripts {

/// KEYS epoch, log; ARGV a new epoch, the epoch known, the newest id known in it. Returns the epoch of the log.
///
/// A log that is gone has a new epoch. One that was rolled back, because Redis restarted from an older copy of its
/// data, keeps its own: but it gives out no id that somebody has seen already.
inline constexpr std::string_view hello = R"(
local created = redis.call('SET', KEYS[1], ARGV[1], 'NX')
local epoch = redis.call('GET', KEYS[1])
local exists = redis.call('EXISTS', KEYS[2]) == 1
if created then
  redis.call('DEL', KEYS[2])
elseif epoch == ARGV[2] and ARGV[3] ~= '0-0' then
  if not exists then
    redis.call('SET', KEYS[1], ARGV[1])
    return ARGV[1]
  end
  local info = redis.call('XINFO', 'STREAM', KEYS[2])
  local last
  for i = 1, #info, 2 do if info[i] == 'last-generated-id' then last = info[i + 1] end end
  local ms, n = string.match(last, '(%d+)-(%d+)')
  local known_ms, known_n = string.match(ARGV[3], '(%d+)-(%d+)')
  ms, n, known_ms, known_n = tonumber(ms), tonumber(n), tonumber(known_ms), tonumber(known_n)
  if ms < known_ms or (ms == known_ms and n < known_n) then redis.call('XSETID', KEYS[2], ARGV[3]) end
end
return epoch
)";

/// KEYS epoch, log, the publisher's counter; ARGV epoch, counter, whether it is the first on its connection (1 or 0),
/// entries to keep, seconds to keep the counter, message. Returns the entry's id, or 0 when it is there already.
///
/// The counter makes it safe to send an event again whose answer was lost, and keeps a publisher's events in order when
/// one of them fails. The first on a connection may go past the counter: what is missing was confirmed, and is lost
/// with what Redis has lost.
inline constexpr std::string_view append = R"(
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return redis.error_reply('EPOCH the log has begun anew') end
local last = redis.call('GET', KEYS[3])
local counter = tonumber(ARGV[2])
if last then
  last = tonumber(last)
  if counter <= last then return 0 end
  if counter ~= last + 1 and ARGV[3] ~= '1' then return redis.error_reply('ORDER an earlier event has failed') end
elseif ARGV[3] ~= '1' and counter ~= 1 then
  return redis.error_reply('ORDER an earlier event has failed')
end
local id = redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[4], '*', 'e', ARGV[1], 'm', ARGV[6])
redis.call('SET', KEYS[3], ARGV[2], 'EX', ARGV[5])
local ms, n = string.match(id, '(%d+)-(%d+)')
if tonumber(n) > 900000 then redis.call('XSETID', KEYS[2], string.format('%.0f-0', tonumber(ms) + 1)) end
return id
)";

/// KEYS epoch, log; ARGV an id, how many entries at most. Returns the epoch, how many entries the log ever had and has
/// now, the newest id, and the entries behind the given one.
inline constexpr std::string_view read = R"(
local epoch = redis.call('GET', KEYS[1])
if redis.call('EXISTS', KEYS[2]) == 0 then return {epoch, 0, 0, '0-0', {}} end
local info = redis.call('XINFO', 'STREAM', KEYS[2])
local field = {}
for i = 1, #info, 2 do field[info[i]] = info[i + 1] end
return {epoch, field['entries-added'], field['length'], field['last-generated-id'],
  redis.call('XRANGE', KEYS[2], '(' .. ARGV[1], '+', 'COUNT', ARGV[2])}
)";

/// KEYS nodes; ARGV prefix, own name, user, message. Publishes to the nodes that hold the user, or to all when none is
/// known to, or one of them does not listen. Nothing when he is only here. Returns how many received it.
inline constexpr std::string_view route = R"(
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local holders, here = {}, false
for _, node in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], now, '+inf')) do
  if redis.call('HEXISTS', ARGV[1] .. 'node:' .. node, ARGV[3]) == 1 then
    if node == ARGV[2] then here = true else holders[#holders + 1] = ARGV[1] .. 'to:' .. node end
  end
end
local all = #holders == 0 and not here
if #holders > 0 then
  local listening = redis.call('PUBSUB', 'NUMSUB', unpack(holders))
  for i = 2, #listening, 2 do if listening[i] == 0 then all = true end end
end
if all then return redis.call('PUBLISH', ARGV[1] .. 'all', ARGV[4]) end
local received = 0
for _, channel in ipairs(holders) do received = received + redis.call('PUBLISH', channel, ARGV[4]) end
return received
)";

/// KEYS nodes, the node's users, log; ARGV name, lease in ms, the log's greatest age in ms or 0. Returns 0 when the
/// users are gone and have to be told anew.
inline constexpr std::string_view lease = R"(
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - 10 * ARGV[2])
if ARGV[3] ~= '0' then redis.call('XTRIM', KEYS[3], 'MINID', string.format('%.0f', now - ARGV[3])) end
return redis.call('PEXPIRE', KEYS[2], ARGV[2])
)";

/// KEYS the node's users; ARGV lease in ms, then users and how many streams each has.
inline constexpr std::string_view presence = R"(
for i = 2, #ARGV, 2 do
  if ARGV[i + 1] == '0' then redis.call('HDEL', KEYS[1], ARGV[i]) else redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
end
return redis.call('PEXPIRE', KEYS[1], ARGV[1])
)";

/// KEYS nodes; ARGV prefix, own name, the beginning of users' ids. Returns users and how many streams each has, of all
/// other nodes whose lease lives.
inline constexpr std::string_view users = R"(
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local found = {}
for _, node in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], now, '+inf')) do
  if node ~= ARGV[2] then
    local all = redis.call('HGETALL', ARGV[1] .. 'node:' .. node)
    for i = 1, #all, 2 do
      if string.sub(all[i], 1, #ARGV[3]) == ARGV[3] then
        found[#found + 1] = all[i]
        found[#found + 1] = all[i + 1]
      end
    end
  end
end
return found
)";

}  // namespace spate::detail::redis_scripts
