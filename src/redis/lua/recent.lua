#!lua
-- The rooms of some partitions with an append in the last minute, give or take a second; forgets the older ones.
--
-- KEYS   one per partition: recent
-- ARGV   1 ms to look back
-- ANSWER room, the second of its newest append (in ms), room, second, ...: a list for each partition
local now = redis.call('TIME')
local since = now[1] * 1000 + math.floor(now[2] / 1000) - ARGV[1]
local answer = {}
for i, key in ipairs(KEYS) do
  redis.call('ZREMRANGEBYSCORE', key, '-inf', '(' .. string.format('%.0f', since))
  answer[i] = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
end
return answer
