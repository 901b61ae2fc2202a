#!lua flags=no-writes
-- Reads leases by the clock that made them: on a cluster each primary has one of its own.
--
-- KEYS   nodes
-- ARGV   one per node to look up, perhaps none
-- ANSWER now (ms), then for each node when its lease ends (ms), '0' when it has none
local clock = redis.call('TIME')
local answer = { clock[1] * 1000 + math.floor(clock[2] / 1000) }
for i, node in ipairs(ARGV) do answer[i + 1] = redis.call('ZSCORE', KEYS[1], node) or '0' end
return answer
