#!lua
-- Appends messages to the logs of rooms and publishes them.
--
-- A room's messages of one call leave in one publication. One bad or repeated message never fails
-- its neighbours. Every offset is given explicitly (0-<tip+1>): when log and tip disagree the XADD
-- fails before anything else was written.
--
-- In a room with the agent a message is a question until its answer is stored; an answer's via says `agent:<question>`.
--
-- This script is most of what a message costs Redis. So it is given few and long arguments, and turns each number into
-- text once: Lua would print it as a floating one each time. Every key that may be written is declared: while a slot moves,
-- Redis refuses the whole call when one of them is not here, where an undeclared one would stop the script half-way.
--
-- KEYS   per room: room, log, recent, members (of an agent room: the questions without an answer), read;
--        then per message of it: read ranges of the sender (not in a public room), idempotency key (if there is one)
-- ARGV   1 most entries a log keeps (0: all), 2 seconds an idempotency key is kept, 3 the last offset of any log; then
--        per room: `<number of messages> <when it was made (ms)>`;
--        per message: `<nonce> <sender as a field name> <via> <flags>`, sender and text as JSON (`"...","..."`),
--        attachments (JSON) if any, sender's profile (JSON) if any. The flags are five digits, 1 for yes: make the sender
--        a member; there are read ranges, an idempotency key, attachments, a profile
-- ANSWER three integers per message: 1 stored | 2 repeated | 0 no such room, any more | -1 log and tip
--        disagree | -2 the log is at its last offset; offset; created (ms)
-- @include mark
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local nowText = string.format('%.0f', now)
local keep = tonumber(ARGV[1])
local last = tonumber(ARGV[3])
local answer = {}
local YES = string.byte('1')
local n, k, a = 0, 1, 4

while a <= #ARGV do
  local roomKey, logKey, recentKey, membersKey, readKey = KEYS[k], KEYS[k + 1], KEYS[k + 2], KEYS[k + 3], KEYS[k + 4]
  local count, made = string.match(ARGV[a], '^(%d+) (%d+)$')
  k, a = k + 5, a + 1
  local head = redis.call('HMGET', roomKey, 'kind', 'tip', 'created')
  -- After a fail-over that lost a room its number may be another room's.
  local kind = head[3] == made and head[1]
  local offset, offsetText, created, createdText, prev = 0, '0', 0, '0', ''
  if head[2] then
    offsetText, createdText, prev = string.match(head[2], '^(%d+) (%d+) (.*)$')
    offset, created = tonumber(offsetText), tonumber(createdText)
  end
  local records = {}
  local second = math.floor(created / 1000)

  for _ = 1, count do
    local nonce, field, via, flags = string.match(ARGV[a], '^(%S+) (%S+) (%S+) (%d+)$')
    local join, ranged, keyed, filed, profiled = string.byte(flags, 1, 5)
    local said, files, profile, rangesKey, sentKey = ARGV[a + 1], '', 'null', nil, nil
    a = a + 2
    if filed == YES then files, a = ARGV[a], a + 1 end
    if profiled == YES then profile, a = ARGV[a], a + 1 end
    if ranged == YES then rangesKey, k = KEYS[k], k + 1 end
    if keyed == YES then sentKey, k = KEYS[k], k + 1 end
    local first = kind and sentKey and redis.call('GET', sentKey)
    local outcome, at = 0, 0
    if first then
      -- Written again, so that waiting for this call's writes covers the first one, whoever made it.
      redis.call('SET', sentKey, first, 'KEEPTTL')
      outcome = 2
    elseif kind and offset >= last then
      outcome = -2
    elseif kind then
      -- A clock set back must not make a message older than the one before it.
      local atText = createdText
      at = created
      if now > at then at, atText = now, nowText end
      local nextText = string.format('%.0f', offset + 1)
      local id = '0-' .. nextText
      -- What needs no escapes in JSON reads the same without it, and is had for less.
      local who, text = string.match(said, '^"([^"\\]*)","([^"\\]*)"$')
      if not who then who, text = unpack(cjson.decode('[' .. said .. ']')) end
      -- The same fields in the same order each time: streams pack them.
      local added
      if keep > 0 then
        added = redis.pcall('XADD', logKey, 'MAXLEN', '~', keep, id,
          'n', nonce, 's', who, 't', text, 'a', files, 'c', atText, 'v', via)
      else
        added = redis.pcall('XADD', logKey, id,
          'n', nonce, 's', who, 't', text, 'a', files, 'c', atText, 'v', via)
      end
      if type(added) == 'table' and added.err then
        outcome, at = -1, 0
      else
        outcome, offset, offsetText, created, createdText = 1, offset + 1, nextText, at, atText
        if sentKey then redis.call('SET', sentKey, offsetText, 'EX', ARGV[2]) end
        if kind == 'public' then
          redis.call('HSET', readKey, field, offsetText)
          if join == YES then redis.call('HSETNX', membersKey, field, atText) end
        else
          mark(readKey, rangesKey, field, offset, offset)
          if kind == 'agent' then
            local room = string.match(roomKey, '%d+$')
            local question = string.match(via, '^agent:(%d+)$')
            local pending = room .. ':' .. string.format('%016d', question or offset)
            if question then redis.call('ZREM', membersKey, pending) else redis.call('ZADD', membersKey, room, pending) end
          end
        end
        records[#records + 1] = '[' .. offsetText .. ',' .. atText .. ',"' .. nonce .. '","' .. prev .. '",'
          .. said .. ',' .. (files == '' and '[]' or files) .. ',"' .. via .. '",' .. profile .. ']'
        prev = nonce
      end
    end
    answer[n + 1], answer[n + 2], answer[n + 3] = outcome, first and tonumber(first) or (kind and offset or 0), at
    n = n + 3
  end

  if #records > 0 then
    redis.call('HSET', roomKey, 'tip', offsetText .. ' ' .. createdText .. ' ' .. prev)
    -- Once a second is enough to know what is recent.
    local latest = math.floor(created / 1000)
    if latest > second then
      redis.call('ZADD', recentKey, string.format('%.0f', latest * 1000), string.match(roomKey, '%d+$'))
    end
    redis.call('SPUBLISH', roomKey .. ':events', '1[' .. table.concat(records, ',') .. ']')
  end
end
return answer
