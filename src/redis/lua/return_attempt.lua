#!lua
-- Takes back an attempt that was counted.
--
-- KEYS   attempts of the subject
-- ARGV   none
-- ANSWER 1 taken back | 0 there was none
local made = tonumber(redis.call('GET', KEYS[1]) or '0')
if made == 0 then return 0 end
if made == 1 then redis.call('DEL', KEYS[1]) else redis.call('DECR', KEYS[1]) end
return 1
