#!lua
-- The rooms of some partitions with an append in the last minute, give or take a second; forgets the older ones.
--
-- KEYS   one per partition: recent
-- ARGV   1 ms to look back
-- ANSWER room, the second of its newest append (in ms), room, second, ...: a list for each partition. After a fail-over the
--        clock may be behind a room's newest message; what is appended until it has caught up bears the time of that message,
--        and so one second. Such a room has the present second: there may be an append at any time
local clock = redis.call('TIME')
local since = clock[1] * 1000 + math.floor(clock[2] / 1000) - ARGV[1]
local second = clock[1] * 1000
local answer = {}
for i, key in ipairs(KEYS) do
  redis.call('ZREMRANGEBYSCORE', key, '-inf', '(' .. string.format('%.0f', since))
  local rooms = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
  for j = #rooms, 2, -2 do
    if tonumber(rooms[j]) <= second then break end
    rooms[j] = string.format('%.0f', second)
  end
  answer[i] = rooms
end
return answer
