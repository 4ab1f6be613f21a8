-- Rewrites what one character is told, whole and at once; of several publishers the one that looked last wins.
-- KEYS: the signal list, the stream of assignments, what was announced, the position of the last look.
-- ARGV: position, milliseconds until an announcement is repeated, longest stream, seconds that all of it lives,
--       a count and the ids of the list, a count and (id, offered since) of what this publisher announced before,
--       then (id, since, issue, kind, priority, fence, attempt, offered_at) of what may be new.
-- Answers: 'stale', or how many assignments the publisher thought announced and are not.
local FIELDS = { 'issue', 'kind', 'priority', 'fence', 'attempt', 'offered_at' }
local CHUNK = 1000
local LATER_SECONDS = 15
local position, repeat_after, longest, lives = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3], ARGV[4]
local later, left = tonumber(redis.call('GET', KEYS[4]) or '0'), redis.call('TTL', KEYS[4])
-- A later look counts for seconds; what says that it counts for longer was not written here.
if later > position and left >= 0 and left <= LATER_SECONDS then
  return 'stale'
end
redis.call('SET', KEYS[4], ARGV[1], 'EX', LATER_SECONDS)

local function in_chunks(command, key, from, to, values)
  for at = from, to, CHUNK do
    redis.call(command, key, unpack(values, at, math.min(at + CHUNK - 1, to)))
  end
end

local listed = tonumber(ARGV[5])
redis.call('DEL', KEYS[1])
in_chunks('RPUSH', KEYS[1], 6, 5 + listed, ARGV)

local function parts(entry)
  local time, number = string.match(entry, '^(%d+)-(%d+)$')
  return tonumber(time), tonumber(number)
end

local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local oldest = redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', 1)[1]
local oldest_time, oldest_number
if oldest then
  oldest_time, oldest_number = parts(oldest[1])
end
local before, announced, changes = {}, {}, {}
local pairs_before = redis.call('HGETALL', KEYS[3])
for at = 1, #pairs_before, 2 do
  before[pairs_before[at]] = pairs_before[at + 1]
end

local function still_there(id, since)
  local known_since, entry = string.match(before[id] or '', '^(%S+) (%S+)$')
  if known_since ~= since or not oldest then
    return false
  end
  local time, number = parts(entry)
  local kept = time > oldest_time or (time == oldest_time and number >= oldest_number)
  return kept and now - time < repeat_after
end

local missing, at = 0, 6 + listed
for _ = 1, tonumber(ARGV[at]) do
  announced[ARGV[at + 1]] = true
  if not still_there(ARGV[at + 1], ARGV[at + 2]) then
    missing = missing + 1
  end
  at = at + 2
end
for first = at + 1, #ARGV, 8 do
  local id, since = ARGV[first], ARGV[first + 1]
  announced[id] = true
  if not still_there(id, since) then
    local entry = redis.call('XADD', KEYS[2], '*', 'id', id,
      FIELDS[1], ARGV[first + 2], FIELDS[2], ARGV[first + 3], FIELDS[3], ARGV[first + 4],
      FIELDS[4], ARGV[first + 5], FIELDS[5], ARGV[first + 6], FIELDS[6], ARGV[first + 7])
    changes[#changes + 1] = id
    changes[#changes + 1] = since .. ' ' .. entry
  end
end
in_chunks('HSET', KEYS[3], 1, #changes, changes)
local gone = {}
for id in pairs(before) do
  if not announced[id] then
    gone[#gone + 1] = id
  end
end
in_chunks('HDEL', KEYS[3], 1, #gone, gone)
redis.call('XTRIM', KEYS[2], 'MAXLEN', '~', longest)
for key = 1, 3 do
  redis.call('EXPIRE', KEYS[key], lives)
end
return missing
