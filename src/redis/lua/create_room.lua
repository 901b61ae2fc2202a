#!lua
-- Makes a room unless its number is taken: a counter that a fail-over rolled back must not number
-- two rooms alike.
--
-- KEYS   room
-- ARGV   1 kind, 2 name, 3 participants (JSON array)
-- ANSWER created (ms), or 0 when the number is taken
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
local now = redis.call('TIME')
local created = now[1] * 1000 + math.floor(now[2] / 1000)
redis.call('HSET', KEYS[1], 'kind', ARGV[1], 'name', ARGV[2], 'participants', ARGV[3], 'created', created)
return created
