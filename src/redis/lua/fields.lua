#!lua flags=no-writes
-- The same fields of many hashes: one call where a command for each would cost the node far more, and one text to parse
-- where a reply of its own for each value would.
--
-- KEYS   one per hash
-- ARGV   one per field
-- ANSWER JSON: for each hash an array of the values in the order of the fields; null where there is none
local rows = {}
for i, key in ipairs(KEYS) do
  local row = redis.call('HMGET', key, unpack(ARGV))
  for j = 1, #ARGV do
    if not row[j] then row[j] = cjson.null end
  end
  rows[i] = row
end
return cjson.encode(rows)
