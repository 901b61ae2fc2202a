#!lua
-- Notes a receipt that a user's front end has not confirmed yet, and tells the user's sockets. Keeps the newest.
--
-- KEYS   1 owed receipts of the user
-- ARGV   1 field (<message id>:<status>), 2 value, 3 most to keep, 4 seconds to keep them, 5 channel of the user,
--        6 event
-- ANSWER 1 noted | 0 was there
if redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[2]) == 0 then return 0 end
redis.call('EXPIRE', KEYS[1], ARGV[4])
if redis.call('HLEN', KEYS[1]) > tonumber(ARGV[3]) then
  -- Values begin with the time in ms, in 13 digits: the smallest is the oldest; of one time, that of the older message.
  local all = redis.call('HGETALL', KEYS[1])
  local oldest, field
  for i = 1, #all, 2 do
    local message, status = string.match(all[i], '^(%d+):(.*)$')
    local rank = string.sub(all[i + 1], 1, 13) .. string.format('%016d', message) .. status
    if not oldest or rank < oldest then oldest, field = rank, all[i] end
  end
  redis.call('HDEL', KEYS[1], field)
end
redis.call('SPUBLISH', ARGV[5], ARGV[6])
return 1
