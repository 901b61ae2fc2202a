#!lua
-- Takes, keeps or gives back the lease of a room that the agent answers in. Repeating it changes nothing.
--
-- KEYS   lease
-- ARGV   1 token, 2 'take' (when it is free, or this token's) | 'keep' (only when it is this token's) | 'release', 3 ms
-- ANSWER 1 this token has it (or had it, and gave it back) | 0 it has not
local holder = redis.call('GET', KEYS[1])
if holder ~= ARGV[1] and (holder or ARGV[2] ~= 'take') then return 0 end
if ARGV[2] == 'release' then redis.call('DEL', KEYS[1]) else redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3]) end
return 1
