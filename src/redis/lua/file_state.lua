#!lua
-- Moves a file from one state to another: new (bytes under way), kept (in a room), attached (a message
-- holds it), condemned (being removed).
--
-- KEYS   file
-- ARGV   1 the states that it may be in (separated by blanks), 2 the state that it is to have; then
--        fields and values to set with it
-- ANSWER the file's key when it has the new state now, '' when it was in another one, nil: no such file
local state = redis.call('HGET', KEYS[1], 'state')
if not state then return false end
if not string.find(' ' .. ARGV[1] .. ' ', ' ' .. state .. ' ', 1, true) then return '' end
redis.call('HSET', KEYS[1], 'state', unpack(ARGV, 2))
return redis.call('HGET', KEYS[1], 'key')
