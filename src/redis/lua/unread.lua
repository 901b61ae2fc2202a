#!lua
-- Counts what one member has not read of a log that was trimmed. What is gone counts as read from then on: each of the
-- ranges it leaves behind is gone through once, not every time that somebody asks.
--
-- KEYS   1 log, 2 read, 3 read ranges of the user
-- ARGV   1 user as a field name
-- ANSWER the number of messages in the log that are not marked
-- @include mark
local first = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
if not first then return 0 end
mark(KEYS[2], KEYS[3], ARGV[1], 1, tonumber(string.sub(first[1], 3)) - 1)
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
local known = redis.call('HMGET', KEYS[2], ARGV[1], ARGV[1] .. '|')
return tonumber(string.sub(last[1], 3)) - tonumber(known[1] or '0') - tonumber(known[2] or '0')
