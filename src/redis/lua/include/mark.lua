-- Marks offsets from..to of a log for one member: the cursor takes contiguous marks, ranges beyond
-- it wait in a sorted set (score: first offset, member: last). `field .. '|'` counts what the ranges
-- hold, so that unread is arithmetic. Past 1,000 ranges the oldest gap counts as marked: the set is
-- bounded whatever a client does. Returns the number of offsets newly marked.
local function mark(cursors, ranges, field, from, to)
  local known = redis.call('HMGET', cursors, field, field .. '|')
  local cursor, waiting = tonumber(known[1] or '0'), tonumber(known[2] or '0')
  if to <= cursor then return 0 end
  if from <= cursor then from = cursor + 1 end
  if waiting == 0 and from == cursor + 1 then
    redis.call('HSET', cursors, field, to)
    return to - cursor
  end
  local marked = to - from + 1
  -- Merge with every range that overlaps or touches. Ranges never touch each other, so those are
  -- neighbours: walk down from the last one that starts at or before to + 1.
  local near = redis.call('ZREVRANGEBYSCORE', ranges, to + 1, '-inf', 'WITHSCORES', 'LIMIT', 0, 1)
  while #near > 0 do
    local last, first = tonumber(near[1]), tonumber(near[2])
    if last < from - 1 then break end
    marked = marked - math.max(0, math.min(last, to) - math.max(first, from) + 1)
    waiting = waiting - (last - first + 1)
    from, to = math.min(from, first), math.max(to, last)
    redis.call('ZREM', ranges, near[1])
    near = redis.call('ZREVRANGEBYSCORE', ranges, to + 1, '-inf', 'WITHSCORES', 'LIMIT', 0, 1)
  end
  redis.call('ZADD', ranges, from, string.format('%.0f', to))
  waiting = waiting + (to - from + 1)
  local over = redis.call('ZCARD', ranges) - 1000
  while true do
    local lowest = redis.call('ZRANGE', ranges, 0, 0, 'WITHSCORES')
    if #lowest == 0 then break end
    local last, first = tonumber(lowest[1]), tonumber(lowest[2])
    if first > cursor + 1 and over <= 0 then break end
    over = over - 1
    redis.call('ZREM', ranges, lowest[1])
    waiting = waiting - (last - first + 1)
    cursor = math.max(cursor, last)
  end
  redis.call('HSET', cursors, field, string.format('%.0f', cursor), field .. '|', string.format('%.0f', waiting))
  return marked
end
