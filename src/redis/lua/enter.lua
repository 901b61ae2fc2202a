#!lua
-- Counts a user in a room on one node. Repeating it changes nothing.
--
-- The hash holds `<user>|<node>` for each node that counts the user, `<user>` for the number of
-- those, `|<node>` for the number of users that a node counts, and `#` for the number of people.
--
-- KEYS   1 here, 2 entries of the node
-- ARGV   1 user as a field name, 2 node, 3 room, 4 channel, 5 most people to announce in (0: any)
-- ANSWER the number of people in the room
if redis.call('HSETNX', KEYS[1], ARGV[1] .. '|' .. ARGV[2], 1) == 0 then
  return tonumber(redis.call('HGET', KEYS[1], '#') or '0')
end
if redis.call('HINCRBY', KEYS[1], '|' .. ARGV[2], 1) == 1 then redis.call('SADD', KEYS[2], 'r' .. ARGV[3]) end
if redis.call('HINCRBY', KEYS[1], ARGV[1], 1) > 1 then
  return tonumber(redis.call('HGET', KEYS[1], '#') or '0')
end
local people = redis.call('HINCRBY', KEYS[1], '#', 1)
local limit = tonumber(ARGV[5])
if limit == 0 or people <= limit then
  local now = redis.call('TIME')
  -- The field name is the percent-encoded id, which JSON needs no escapes for.
  redis.call('SPUBLISH', ARGV[4], '1{"kind":"presence","user":"' .. ARGV[1]
    .. '","change":"joined","atMs":' .. (now[1] * 1000 + math.floor(now[2] / 1000)) .. '}')
end
return people
