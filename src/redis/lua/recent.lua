#!lua
-- The rooms of a partition with an append in the last minute; forgets the older ones.
--
-- KEYS   recent
-- ARGV   1 ms to look back
-- ANSWER room, time (ms) of its newest append, room, time, ...
local now = redis.call('TIME')
local since = now[1] * 1000 + math.floor(now[2] / 1000) - ARGV[1]
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', '(' .. string.format('%.0f', since))
return redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')
