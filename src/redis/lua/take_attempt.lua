#!lua
-- Counts an attempt, unless as many as are allowed were counted in the window that began with the first.
--
-- KEYS   attempts of the subject
-- ARGV   1 most attempts, 2 length of the window (ms)
-- ANSWER 0 when it was counted, else the ms until the window ends
local made = tonumber(redis.call('GET', KEYS[1]) or '0')
if made >= tonumber(ARGV[1]) then return math.max(1, redis.call('PTTL', KEYS[1])) end
redis.call('INCR', KEYS[1])
if made == 0 then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 0
