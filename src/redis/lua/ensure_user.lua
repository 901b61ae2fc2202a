#!lua
-- Creates a user, or takes over newer claims of a known one.
--
-- KEYS   user
-- ARGV   1 'new' (refuse a known user; a new one has been active) | 'any', 2 age of the claims (s since the epoch), then pairs of field and value
-- ANSWER {1 created | 0 known | 2 known, and other than before | -1 refused, the user's fields and values}
local created = redis.call('HGET', KEYS[1], 'created')
local outcome = 0
if created and ARGV[1] == 'new' then return {-1, {}} end
if not created then
  local now = redis.call('TIME')
  local ms = now[1] * 1000 + math.floor(now[2] / 1000)
  redis.call('HSET', KEYS[1], 'created', ms)
  if ARGV[1] == 'new' then redis.call('HSET', KEYS[1], 'seen', ms) end
  outcome = 1
end
local age = tonumber(redis.call('HGET', KEYS[1], 'claims') or '-1')
if #ARGV > 2 and tonumber(ARGV[2]) >= age then
  for i = 3, #ARGV, 2 do
    if outcome == 0 and redis.call('HGET', KEYS[1], ARGV[i]) ~= ARGV[i + 1] then outcome = 2 end
  end
  redis.call('HSET', KEYS[1], 'claims', ARGV[2], unpack(ARGV, 3))
end
return {outcome, redis.call('HGETALL', KEYS[1])}
