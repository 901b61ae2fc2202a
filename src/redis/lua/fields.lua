#!lua flags=no-writes
-- The same fields of many hashes: one call where a command for each would cost the node far more.
--
-- KEYS   one per hash
-- ARGV   one per field
-- ANSWER the values of the first hash in the order of the fields, then those of the second, ...; null where there is none
local answer, n = {}, 0
for _, key in ipairs(KEYS) do
  for _, value in ipairs(redis.call('HMGET', key, unpack(ARGV))) do
    n = n + 1
    answer[n] = value
  end
end
return answer
