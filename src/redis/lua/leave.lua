#!lua
-- Stops counting users in a room on one node. Repeating it changes nothing. The last node to stop
-- counting a user publishes `left`.
--
-- KEYS   1 here, 2 entries of the node
-- ARGV   1 node, 2 room, 3 channel, 4 most people to announce in (0: any), then the users as field
--        names; none: all users that the node counts (a survivor cleans up after it)
-- ANSWER the number of people in the room
local fields = {}
if #ARGV > 4 then
  for i = 5, #ARGV do fields[#fields + 1] = ARGV[i] end
else
  local suffix = '|' .. ARGV[1]
  for _, name in ipairs(redis.call('HKEYS', KEYS[1])) do
    if name ~= suffix and string.sub(name, -#suffix) == suffix then fields[#fields + 1] = string.sub(name, 1, -#suffix - 1) end
  end
end
if #fields == 0 then redis.call('SREM', KEYS[2], 'r' .. ARGV[2]) end
local now = redis.call('TIME')
local at = now[1] * 1000 + math.floor(now[2] / 1000)
local limit = tonumber(ARGV[4])
local people = tonumber(redis.call('HGET', KEYS[1], '#') or '0')
for _, field in ipairs(fields) do
  local counted = redis.call('HDEL', KEYS[1], field .. '|' .. ARGV[1]) == 1
  if counted and redis.call('HINCRBY', KEYS[1], '|' .. ARGV[1], -1) <= 0 then
    redis.call('HDEL', KEYS[1], '|' .. ARGV[1])
    redis.call('SREM', KEYS[2], 'r' .. ARGV[2])
  end
  if counted and redis.call('HINCRBY', KEYS[1], field, -1) <= 0 then
    redis.call('HDEL', KEYS[1], field)
    if limit == 0 or people <= limit then
      redis.call('SPUBLISH', ARGV[3], '1{"kind":"presence","user":"' .. field .. '","change":"left","atMs":' .. at .. '}')
    end
    people = redis.call('HINCRBY', KEYS[1], '#', -1)
    if people <= 0 then redis.call('HDEL', KEYS[1], '#') end
  end
end
return people
