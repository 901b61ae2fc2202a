#!lua
-- Takes, prolongs or gives back the lease of a room that the agent answers in. Repeating it changes nothing.
--
-- KEYS   lease
-- ARGV   1 token, 2 'hold' | 'release', 3 ms
-- ANSWER 1 the lease is this token's, or free where it was given back | 0 it is another token's
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
if ARGV[2] == 'release' then redis.call('DEL', KEYS[1]) else redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3]) end
return 1
