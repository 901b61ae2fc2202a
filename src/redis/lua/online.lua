#!lua
-- Counts a user as online on one node, or stops. Repeating it changes nothing.
--
-- KEYS   1 online, 2 user, 3 entries of the node
-- ARGV   1 node, 2 user as a field name, 3 '1' online | '0' not, 4 time of the last sign of life (ms; '': now)
-- ANSWER on how many nodes the user is online
local at = ARGV[4]
if at == '' then
  local now = redis.call('TIME')
  at = now[1] * 1000 + math.floor(now[2] / 1000)
end
if ARGV[3] == '1' then
  redis.call('HSET', KEYS[1], ARGV[1], 1)
  redis.call('SADD', KEYS[3], 'u' .. ARGV[2])
else
  redis.call('HDEL', KEYS[1], ARGV[1])
  redis.call('SREM', KEYS[3], 'u' .. ARGV[2])
end
local seen = tonumber(redis.call('HGET', KEYS[2], 'seen') or '0')
if tonumber(at) > seen then redis.call('HSET', KEYS[2], 'seen', at) end
return redis.call('HLEN', KEYS[1])
