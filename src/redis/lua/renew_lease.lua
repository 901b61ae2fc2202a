#!lua
-- Renews a node's lease, or says that it ran out.
--
-- KEYS   nodes
-- ARGV   1 node, 2 ms from now, 3 '1' for the first lease of an incarnation
-- ANSWER 1 renewed | 0 ran out (nothing was written): others may have cleaned up, come back as a new incarnation
local now = redis.call('TIME')
local ms = now[1] * 1000 + math.floor(now[2] / 1000)
local deadline = redis.call('ZSCORE', KEYS[1], ARGV[1])
if ARGV[3] ~= '1' and (not deadline or tonumber(deadline) < ms) then return 0 end
redis.call('ZADD', KEYS[1], ms + ARGV[2], ARGV[1])
return 1
