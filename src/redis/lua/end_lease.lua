#!lua
-- Ends a lease that ran out, when everything that was counted under it is cleaned up. Repeating it changes nothing.
--
-- KEYS   nodes
-- ARGV   1 node, 2 when its lease ended as the clean-up began (ms)
-- ANSWER 1 ended | 0 it was given again meanwhile, for more to be cleaned up, or has ended
local deadline = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not deadline or tonumber(deadline) ~= tonumber(ARGV[2]) then return 0 end
return redis.call('ZREM', KEYS[1], ARGV[1])
