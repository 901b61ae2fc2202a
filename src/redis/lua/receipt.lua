#!lua
-- Marks one message as delivered or read by one user, and publishes it when that is news. Reading includes delivery;
-- there is no way back.
--
-- KEYS   1 log, 2 read, 3 read ranges of the user, 4 delivered, 5 delivered ranges of the user
-- ARGV   1 offset, 2 'delivered' | 'read', 3 user, 4 user as a field name, 5 channel
-- ANSWER 1 marked | 0 was so before | 2 the user's own message: nothing to mark | -1 no such message
-- @include mark
-- @include marked
local offset, status = tonumber(ARGV[1]), ARGV[2]
local entry = redis.call('XRANGE', KEYS[1], '0-' .. ARGV[1], '0-' .. ARGV[1])[1]
if not entry then return -1 end
local sender, via = entry[2][4], entry[2][12]
if sender == ARGV[3] then return 2 end
if marked(KEYS[2], KEYS[3], ARGV[4], offset) then return 0 end
if status == 'read' then
  mark(KEYS[2], KEYS[3], ARGV[4], offset, offset)
elseif mark(KEYS[4], KEYS[5], ARGV[4], offset, offset) == 0 then
  return 0
end
redis.call('SPUBLISH', ARGV[5], '1{"kind":"receipt","user":' .. cjson.encode(ARGV[3]) .. ',"status":"' .. status
  .. '","offset":' .. ARGV[1] .. ',"sender":' .. cjson.encode(sender) .. ',"via":"' .. via .. '"}')
return 1
