-- Whether an offset is marked for one member: by the cursor, or by a range beyond it.
local function marked(cursors, ranges, field, offset)
  if offset <= tonumber(redis.call('HGET', cursors, field) or '0') then return true end
  local at = redis.call('ZREVRANGEBYSCORE', ranges, offset, '-inf', 'LIMIT', 0, 1)
  return at[1] ~= nil and offset <= tonumber(at[1])
end
