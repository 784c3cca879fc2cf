// What Redis itself does for the cluster, each in one step: nobody else's command comes in between.
#pragma once

#include <string_view>

namespace spate::detail::redis_scripts {

/// KEYS epoch, log, lineage, round, offers, mark, nodes; ARGV a new epoch, then what the node knows: the epoch, the
/// highest number seen in it, the newest entry and the stamp of its message; then the process of Redis and its history,
/// 1 when it took that over from another Redis, for how long nodes are waited for in ms, if it did and if it did not,
/// the lease in ms, and the last mark that the node knows. Returns the epoch of the log, 1 when the nodes have to agree
/// on its end first, its newest id, its last mark, and its last entry with the stamp of its message.
///
/// A log that is gone, or was never there, has a new epoch. One that may have been rolled back, because another Redis
/// took over or this one restarted, keeps its own, and a round begins. So it does when it lacks what the node knows; it
/// is over at once when numbers after that have been given out already, so that it cannot be restored. All nodes are
/// waited for that were alive when Redis was last written to, as their leases show.
///
/// Redis asks for memory, and for replicas, only when a script writes for the first time. What is written first here
/// needs none, so that a full Redis lets nodes in, who can make room. One that takes no writes at all may be read from
/// while nothing has changed.
///
/// Where two masters took events at the same time, the log has some whose numbers the node is past already, though it
/// has never seen them. Its last mark shows that, if nodes here have missed others before, and so does its last entry.
inline constexpr std::string_view hello = R"(
local function before(a, b)
  local a_ms, a_n = string.match(a, '(%d+)-(%d+)')
  local b_ms, b_n = string.match(b, '(%d+)-(%d+)')
  a_ms, a_n, b_ms, b_n = tonumber(a_ms), tonumber(a_n), tonumber(b_ms), tonumber(b_n)
  return a_ms < b_ms or (a_ms == b_ms and a_n < b_n)
end
-- A replica refuses to.
local refused = redis.pcall('HDEL', KEYS[5], '')
if type(refused) == 'number' then refused = nil end
if refused and not string.find(refused.err, '^NOREPLICAS') and not string.find(refused.err, '^MISCONF') then
  return refused
end
local epoch = redis.call('GET', KEYS[1])
if not epoch or redis.call('EXISTS', KEYS[2]) == 0 then
  if refused then return refused end
  redis.call('SET', KEYS[1], ARGV[1])
  redis.call('DEL', KEYS[2], KEYS[4], KEYS[5], KEYS[6])
  -- From now on a log that is not there is one that was lost.
  redis.call('XADD', KEYS[2], 'MAXLEN', '0', '0-1', 'e', ARGV[1])
  redis.call('XSETID', KEYS[2], '0-0', 'ENTRIESADDED', '0', 'MAXDELETEDID', '0-0')
  if ARGV[6] ~= '' then redis.call('SET', KEYS[3], ARGV[6]) end
  return {ARGV[1], 0, '0-0', '0-0', '', ''}
end
local info = redis.call('XINFO', 'STREAM', KEYS[2])
local last, entry
for i = 1, #info, 2 do
  if info[i] == 'last-generated-id' then last = info[i + 1] end
  if info[i] == 'last-entry' then entry = info[i + 1] end
end
local mark = redis.call('GET', KEYS[6]) or '0-0'
local wait, lost, changed
local took_over = '0'
local lineage = redis.call('GET', KEYS[3])
if ARGV[6] ~= '' and lineage ~= ARGV[6] then
  if refused then return refused end
  redis.call('SET', KEYS[3], ARGV[6])
  -- The same process goes on, unless it was a replica meanwhile, though its history may have another name.
  local same = lineage and string.match(lineage, '^%S+') == string.match(ARGV[6], '^%S+') and ARGV[7] == '0'
  if lineage and not same then
    changed = true
    took_over = ARGV[7]
    wait = took_over == '1' and ARGV[8] or ARGV[9]
  end
end
if ARGV[2] == epoch then
  if before(last, ARGV[3]) then wait = wait or ARGV[9] end
  if ARGV[4] ~= '0-0' and not before(last, ARGV[4]) then
    local newest = redis.call('XRANGE', KEYS[2], ARGV[4], ARGV[4])[1]
    if newest then
      lost = string.sub(newest[2][4] or '', 1, #ARGV[5]) ~= ARGV[5]
    else
      -- What is older than all that is left has been trimmed.
      local first = redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', 1)[1]
      lost = first and before(first[1], ARGV[4])
    end
  end
  -- A mark that the node is yet to read tells of it. One that it is past already was never read, or is lost.
  if before(ARGV[3], mark) then lost = false elseif mark ~= ARGV[11] then lost = true end
  if lost then wait = wait or 0 end
end
if refused and (wait or lost or redis.call('EXISTS', KEYS[4]) == 1) then return refused end
if wait and (changed or redis.call('EXISTS', KEYS[4]) == 0) then
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  redis.call('HSET', KEYS[4], 'ends', string.format('%.0f', now + wait), 'took_over', took_over)
  local nodes = redis.call('ZRANGEBYSCORE', KEYS[7], '-inf', '+inf', 'WITHSCORES')
  for i = 1, #nodes, 2 do
    if nodes[i + 1] + ARGV[10] >= tonumber(nodes[#nodes]) then redis.call('HSET', KEYS[4], 'await:' .. nodes[i], '1') end
  end
end
if lost then redis.call('HSET', KEYS[4], 'lost', '1') end
return {epoch, redis.call('EXISTS', KEYS[4]), last, mark, entry and entry[1] or '',
  entry and string.sub(entry[2][4] or '', 1, #ARGV[5]) or ''}
)";

/// KEYS round, offers; ARGV ids and messages that the log may lack. A full Redis takes them too: see above.
inline constexpr std::string_view offer = R"(
redis.call('HDEL', KEYS[2], '')
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
for i = 1, #ARGV, 2 do redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1]) end
return 1
)";

/// KEYS epoch, log, round, offers, mark; ARGV the epoch known, own name, 1 when this node has offered all that it knows
/// and the log may lack, 2 when it could not offer all of it, 0 when it knows nothing, the highest number it has seen,
/// what publishers' counters begin with, seconds to keep them. Returns 1 when the round is over, 0 while others are
/// waited for, 2 when there is none.
///
/// Whoever does not come back in time may have been told of events that a Redis which took over from another has never
/// had. After a restart it is enough that one node comes back: what Redis has lost then, it knows too.
inline constexpr std::string_view settle = R"(
local function before(a, b)
  local a_ms, a_n = string.match(a, '(%d+)-(%d+)')
  local b_ms, b_n = string.match(b, '(%d+)-(%d+)')
  a_ms, a_n, b_ms, b_n = tonumber(a_ms), tonumber(a_n), tonumber(b_ms), tonumber(b_n)
  return a_ms < b_ms or (a_ms == b_ms and a_n < b_n)
end
local fields, round = redis.call('HGETALL', KEYS[3]), {}
if #fields == 0 then return 2 end
redis.call('HDEL', KEYS[4], '')
local vouched = false
for i = 1, #fields, 2 do
  round[fields[i]] = fields[i + 1]
  if string.sub(fields[i], 1, 5) == 'node:' then vouched = true end
end
if redis.call('GET', KEYS[1]) ~= ARGV[1] or redis.call('EXISTS', KEYS[2]) == 0 then
  redis.call('DEL', KEYS[3], KEYS[4])
  return 1
end
local highest = round.highest or '0-0'
if ARGV[3] ~= '0' then
  round['node:' .. ARGV[2]], vouched = '1', true
  if before(highest, ARGV[4]) then highest = ARGV[4] end
  redis.call('HSET', KEYS[3], 'node:' .. ARGV[2], '1', 'highest', highest)
  if ARGV[3] == '2' then
    round.lost = '1'
    redis.call('HSET', KEYS[3], 'lost', '1')
  end
end
local silent = false
for field in pairs(round) do
  local node = string.match(field, '^await:(.*)')
  if node and not round['node:' .. node] then silent = true end
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if silent and now < tonumber(round.ends) then return 0 end

local info, log = redis.call('XINFO', 'STREAM', KEYS[2]), {}
for i = 1, #info, 2 do log[info[i]] = info[i + 1] end
local last = log['last-generated-id']
local first = log['first-entry']
local took_over = round.took_over == '1'
local lost = round.lost == '1' or (silent and (took_over or not vouched)) or (took_over and not vouched)
local offers, ids, messages = redis.call('HGETALL', KEYS[4]), {}, {}
for i = 1, #offers, 2 do
  ids[#ids + 1] = offers[i]
  messages[offers[i]] = offers[i + 1]
end
table.sort(ids, before)
for _, id in ipairs(ids) do
  local message = messages[id]
  if before(last, id) then
    redis.call('XADD', KEYS[2], id, 'e', ARGV[1], 'm', message)
    last = id
    local origin, counter = '', 0
    for i = 9, 2, -1 do origin = origin .. string.format('%02x', string.byte(message, i)) end
    for i = 17, 10, -1 do counter = counter * 256 + string.byte(message, i) end
    local key = ARGV[5] .. string.gsub(origin, '^0+(%x)', '%1')
    if counter > tonumber(redis.call('GET', key) or '0') then
      redis.call('SET', key, string.format('%.0f', counter), 'EX', ARGV[6])
    end
  elseif first and not before(id, first[1]) then
    local entry = redis.call('XRANGE', KEYS[2], id, id)[1]
    if not entry or entry[2][4] ~= message then lost = true end
  end
end
if before(last, highest) then redis.call('XSETID', KEYS[2], highest) end
if lost then redis.call('SET', KEYS[5], redis.call('XADD', KEYS[2], '*', 'e', ARGV[1], 'g', 'lost')) end
redis.call('DEL', KEYS[3], KEYS[4])
return 1
)";

/// KEYS epoch, log, the publisher's counter, round; ARGV epoch, counter, whether it is the first on its connection (1
/// or 0), entries to keep, seconds to keep the counter, message. Returns the entry's id, or 0 when it is there already.
///
/// The counter makes it safe to send an event again whose answer was lost, and keeps a publisher's events in order when
/// one of them fails. The first on a connection may go past the counter: what is missing was confirmed, and is lost
/// with what Redis has lost.
inline constexpr std::string_view append = R"(
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return redis.error_reply('EPOCH the log has begun anew') end
if redis.call('EXISTS', KEYS[4]) == 1 then return redis.error_reply('EPOCH the nodes agree on the end of the log') end
local last = redis.call('GET', KEYS[3])
local counter = tonumber(ARGV[2])
if last then
  last = tonumber(last)
  if counter <= last then return 0 end
  if counter ~= last + 1 and ARGV[3] ~= '1' then return redis.error_reply('ORDER an earlier event has failed') end
elseif ARGV[3] ~= '1' and counter ~= 1 then
  return redis.error_reply('ORDER an earlier event has failed')
end
local id = redis.call('XADD', KEYS[2], 'NOMKSTREAM', 'MAXLEN', '~', ARGV[4], '*', 'e', ARGV[1], 'm', ARGV[6])
if not id then return redis.error_reply('EPOCH the log is gone') end
redis.call('SET', KEYS[3], ARGV[2], 'EX', ARGV[5])
local ms, n = string.match(id, '(%d+)-(%d+)')
if tonumber(n) > 900000 then redis.call('XSETID', KEYS[2], string.format('%.0f-0', tonumber(ms) + 1)) end
return id
)";

/// KEYS epoch, log; ARGV an id, how many entries at most, and how many bytes, about. Returns the epoch, how many
/// entries the log ever had and has now, the newest id, that of the first entry or nothing, the entries after the given
/// one, and the time in ms since 1970. Without a log it has no epoch.
inline constexpr std::string_view read = R"(
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if redis.call('EXISTS', KEYS[2]) == 0 then return {'', 0, 0, '0-0', '', {}, now} end
local info, field = redis.call('XINFO', 'STREAM', KEYS[2]), {}
for i = 1, #info, 2 do field[info[i]] = info[i + 1] end
local most, entries, bytes, from, step = tonumber(ARGV[2]), {}, 0, ARGV[1], 1
while #entries < most and bytes < tonumber(ARGV[3]) do
  -- A few more each time, so that large ones are noticed before many of them are here.
  step = math.min(2 * step, 32, most - #entries)
  local more = redis.call('XRANGE', KEYS[2], '(' .. from, '+', 'COUNT', step)
  for _, entry in ipairs(more) do
    entries[#entries + 1] = entry
    from = entry[1]
    for _, text in ipairs(entry[2]) do bytes = bytes + #text end
  end
  if #more < step then break end
end
local first = field['first-entry']
return {redis.call('GET', KEYS[1]), field['entries-added'], field['length'], field['last-generated-id'],
  first and first[1] or '', entries, now}
)";

/// KEYS log; ARGV an id. Returns 1 when the log has an entry up to it, else 0, and the time in ms since 1970.
inline constexpr std::string_view reaches = R"(
local time = redis.call('TIME')
return {#redis.call('XRANGE', KEYS[1], '-', ARGV[1], 'COUNT', 1), time[1] * 1000 + math.floor(time[2] / 1000)}
)";

/// KEYS nodes; ARGV prefix, own name, user, message. Publishes to the nodes that hold the user, or to all when none is
/// known to, or one of them does not listen. Nothing when they are only here. Returns how many received it.
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

// Who is where
//
// A node tells its users in a table of its own, under a lease that is bound to its process, the origin: so that another
// process of the same name cannot write there. Beside the tables stands on how many nodes each user is, which makes
// counting cheap. Whoever takes a user out of a table, takes them off there in the same step; the users of a node that
// is gone are taken out by whoever sees it, some at a time. All of it expires when no node is left to do so.

/// KEYS nodes, origins, streams, left, members, the node's users, log; ARGV prefix, name, origin, lease in ms, streams,
/// whether Redis must know of users of this node (1 or 0), the channel that the node listens to or nothing, the log's
/// greatest age in ms or 0. Returns two numbers: 1 when the lease was there and goes on; 0 when it begins, and all
/// users are to be told; or -1 and until when it is another process's. That one counts as alive until then; where nodes
/// listen to channels of their own, only while it does.
inline constexpr std::string_view lease = R"(
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local holder = redis.call('HGET', KEYS[2], ARGV[2])
local ends = tonumber(redis.call('ZSCORE', KEYS[1], ARGV[2]) or 0)
local mine = holder == ARGV[3]
if holder and not mine and ends > now then
  if ARGV[7] == '' or redis.call('PUBSUB', 'NUMSUB', ARGV[7])[2] > 1 then return {-1, ends} end
end
local lost = ARGV[6] == '1' and (redis.call('EXISTS', KEYS[6]) == 0 or redis.call('EXISTS', KEYS[5]) == 0)
if lost or (not mine and redis.call('ZCOUNT', KEYS[1], now, '+inf') == 0) then
  for _, name in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', '+inf')) do
    redis.call('UNLINK', ARGV[1] .. 'node:' .. name)
  end
  for _, name in ipairs(redis.call('SMEMBERS', KEYS[4])) do redis.call('UNLINK', ARGV[1] .. 'node:' .. name) end
  redis.call('UNLINK', KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5])
  mine = false
end
redis.call('ZADD', KEYS[1], now + ARGV[4], ARGV[2])
redis.call('HSET', KEYS[2], ARGV[2], ARGV[3])
redis.call('HSET', KEYS[3], ARGV[2], ARGV[5])
local left = redis.call('SREM', KEYS[4], ARGV[2]) == 1
if not holder and not left then redis.call('UNLINK', KEYS[6]) end
for i = 1, 6 do redis.call('PEXPIRE', KEYS[i], 10 * ARGV[4]) end
if ARGV[8] ~= '0' then redis.call('XTRIM', KEYS[7], 'MINID', string.format('%.0f', now - ARGV[8])) end
return {mine and 1 or 0, 0}
)";

/// KEYS the node's users, members, origins, streams; ARGV name, origin, lease in ms, streams, then users and how many
/// streams each has. Returns how many users the node has.
inline constexpr std::string_view presence = R"(
if redis.call('HGET', KEYS[3], ARGV[1]) ~= ARGV[2] then return redis.error_reply('LEASE it has ended') end
for i = 5, #ARGV, 2 do
  local user = ARGV[i]
  if ARGV[i + 1] ~= '0' then
    if redis.call('HSET', KEYS[1], user, ARGV[i + 1]) == 1 then redis.call('HINCRBY', KEYS[2], user, 1) end
  elseif redis.call('HDEL', KEYS[1], user) == 1 and redis.call('HINCRBY', KEYS[2], user, -1) <= 0 then
    redis.call('HDEL', KEYS[2], user)
  end
end
redis.call('HSET', KEYS[4], ARGV[1], ARGV[4])
redis.call('PEXPIRE', KEYS[1], 10 * ARGV[3])
redis.call('PEXPIRE', KEYS[2], 10 * ARGV[3])
return redis.call('HLEN', KEYS[1])
)";

/// KEYS nodes, origins, streams, left, members; ARGV prefix, how many users at most, and either name and origin of a
/// node that begins anew, or nothing. Takes out users of that node, or of nodes that are gone. Returns 0 when there are
/// none left.
inline constexpr std::string_view forget = R"(
local node = ARGV[3]
if node then
  if redis.call('HGET', KEYS[2], node) ~= ARGV[4] then return redis.error_reply('LEASE it has ended') end
else
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  for _, gone in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now)) do
    redis.call('ZREM', KEYS[1], gone)
    redis.call('HDEL', KEYS[3], gone)
    if redis.call('HDEL', KEYS[2], gone) == 1 then redis.call('SADD', KEYS[4], gone) end
  end
  node = redis.call('SRANDMEMBER', KEYS[4])
  if not node then return 0 end
end
local key = ARGV[1] .. 'node:' .. node
local users = redis.call('HRANDFIELD', key, ARGV[2])
if #users > 0 then redis.call('HDEL', key, unpack(users)) end
for _, user in ipairs(users) do
  if redis.call('HINCRBY', KEYS[5], user, -1) <= 0 then redis.call('HDEL', KEYS[5], user) end
end
local rest = redis.call('HLEN', key)
if ARGV[3] then return rest end
if rest == 0 then redis.call('SREM', KEYS[4], node) end
return redis.call('SCARD', KEYS[4])
)";

/// KEYS nodes, origins, streams, left; ARGV name, origin. The node has left: its users are to be taken out.
inline constexpr std::string_view leave = R"(
if redis.call('HGET', KEYS[2], ARGV[1]) ~= ARGV[2] then return 0 end
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('HDEL', KEYS[2], ARGV[1])
redis.call('HDEL', KEYS[3], ARGV[1])
return redis.call('SADD', KEYS[4], ARGV[1])
)";

/// KEYS nodes, streams, members; ARGV prefix. Returns how many users and streams there are on all nodes. Of a node that
/// tells no streams, as one of an earlier version, the users are counted, each with one.
inline constexpr std::string_view counts = R"(
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local users, streams = redis.call('HLEN', KEYS[3]), 0
for _, node in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], now, '+inf')) do
  local told = redis.call('HGET', KEYS[2], node)
  if not told then
    told = redis.call('HLEN', ARGV[1] .. 'node:' .. node)
    users = users + told
  end
  streams = streams + told
end
return {users, streams}
)";

/// KEYS nodes, origins; ARGV own origin. Returns the nodes whose lease lives and is another process's. One of this
/// one's name may be.
inline constexpr std::string_view others = R"(
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local found = {}
for _, node in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], now, '+inf')) do
  if redis.call('HGET', KEYS[2], node) ~= ARGV[1] then found[#found + 1] = node end
end
return found
)";

}  // namespace spate::detail::redis_scripts
