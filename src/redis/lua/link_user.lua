#!lua
-- Puts a room into a user's set of rooms and tells the user's sockets. Repeating it changes nothing.
--
-- KEYS   1 rooms of the user, 2 user
-- ARGV   1 room, 2 channel of the user
-- ANSWER 1 added | 0 was there
if redis.call('SADD', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.call('HINCRBY', KEYS[2], 'rooms_version', 1)
redis.call('SPUBLISH', ARGV[2], '1{"kind":"room","room":' .. ARGV[1] .. '}')
return 1
