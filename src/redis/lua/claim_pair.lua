#!lua
-- Makes a room the one of a pair, unless the pair has another one. One that is known to be gone does not count: the key
-- outlived what a fail-over took with it.
--
-- KEYS   the pair
-- ARGV   1 the room, 2 the one that is gone ('': none is)
-- ANSWER the pair's room
local has = redis.call('GET', KEYS[1])
if has and has ~= ARGV[2] then return has end
redis.call('SET', KEYS[1], ARGV[1])
return ARGV[1]
