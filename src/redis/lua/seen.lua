#!lua
-- Notes that a user did something now.
--
-- KEYS   user
-- ARGV   none
-- ANSWER 1 noted | 0 unknown user
if redis.call('HEXISTS', KEYS[1], 'created') == 0 then return 0 end
local now = redis.call('TIME')
redis.call('HSET', KEYS[1], 'seen', now[1] * 1000 + math.floor(now[2] / 1000))
return 1
