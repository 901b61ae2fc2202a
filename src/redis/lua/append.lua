#!lua
-- Appends messages to the logs of rooms and publishes them.
--
-- A room's messages of one call leave in one publication. One bad or repeated message never fails
-- its neighbours. Every offset is given explicitly (0-<tip+1>): when log and tip disagree the XADD
-- fails before anything else was written.
--
-- In a room with the agent a message is a question until its answer is stored; an answer's via says `agent:<question>`.
--
-- KEYS   per room: room, log, recent, members (of an agent room: the questions without an answer), read;
--        then per message of it: read ranges of the sender, idempotency key (the room key again where
--        there is none)
-- ARGV   1 most entries a log keeps (0: all), 2 seconds an idempotency key is kept; then
--        per room: id, channel, number of messages;
--        per message: nonce, sender, sender as a field name, text, attachments (JSON or ''),
--        via, sender's profile (JSON or ''), '1' with an idempotency key, '1' to make a member
-- ANSWER three integers per message: 1 stored | 2 repeated | 0 no such room | -1 log and tip
--        disagree; offset; created (ms)
-- @include mark
local now = redis.call('TIME')
now = now[1] * 1000 + math.floor(now[2] / 1000)
local keep = tonumber(ARGV[1])
local answer = {}
local k, a = 1, 3

while a <= #ARGV do
  local roomKey, logKey, recentKey, membersKey, readKey = KEYS[k], KEYS[k + 1], KEYS[k + 2], KEYS[k + 3], KEYS[k + 4]
  local room, channel, count = ARGV[a], ARGV[a + 1], tonumber(ARGV[a + 2])
  k, a = k + 5, a + 3
  local head = redis.call('HMGET', roomKey, 'kind', 'tip')
  local kind = head[1]
  local offset, created, prev = 0, 0, ''
  if head[2] then
    local o, c, n = string.match(head[2], '^(%d+) (%d+) (.*)$')
    offset, created, prev = tonumber(o), tonumber(c), n
  end
  local records = {}

  for _ = 1, count do
    local rangesKey, sentKey = KEYS[k], KEYS[k + 1]
    local nonce, sender, field, text, files = ARGV[a], ARGV[a + 1], ARGV[a + 2], ARGV[a + 3], ARGV[a + 4]
    local via, profile, keyed, join = ARGV[a + 5], ARGV[a + 6], ARGV[a + 7] == '1', ARGV[a + 8] == '1'
    k, a = k + 2, a + 9
    local first = keyed and redis.call('GET', sentKey)
    if not kind then
      answer[#answer + 1], answer[#answer + 2], answer[#answer + 3] = 0, 0, 0
    elseif first then
      -- Written again, so that waiting for this call's writes covers the first one, whoever made it.
      redis.call('SET', sentKey, first, 'KEEPTTL')
      answer[#answer + 1], answer[#answer + 2], answer[#answer + 3] = 2, tonumber(first), 0
    else
      -- A clock set back must not make a message older than the one before it.
      local at = math.max(now, created)
      local id = '0-' .. (offset + 1)
      -- The same fields in the same order each time: streams pack them.
      local added
      if keep > 0 then
        added = redis.pcall('XADD', logKey, 'MAXLEN', '~', keep, id,
          'n', nonce, 's', sender, 't', text, 'a', files, 'c', at, 'v', via)
      else
        added = redis.pcall('XADD', logKey, id, 'n', nonce, 's', sender, 't', text, 'a', files, 'c', at, 'v', via)
      end
      if type(added) == 'table' and added.err then
        answer[#answer + 1], answer[#answer + 2], answer[#answer + 3] = -1, offset, 0
      else
        offset, created = offset + 1, at
        if keyed then redis.call('SET', sentKey, offset, 'EX', ARGV[2]) end
        if kind == 'public' then
          redis.call('HSET', readKey, field, offset)
          if join then redis.call('HSETNX', membersKey, field, at) end
        else
          mark(readKey, rangesKey, field, offset, offset)
          if kind == 'agent' then
            local question = string.match(via, '^agent:(%d+)$')
            local pending = room .. ':' .. string.format('%016d', question or offset)
            if question then redis.call('ZREM', membersKey, pending) else redis.call('ZADD', membersKey, room, pending) end
          end
        end
        records[#records + 1] = '[' .. offset .. ',' .. at .. ',"' .. nonce .. '","' .. prev .. '",'
          .. cjson.encode(sender) .. ',' .. cjson.encode(text) .. ',' .. (files == '' and '[]' or files)
          .. ',"' .. via .. '",' .. (profile == '' and 'null' or profile) .. ']'
        prev = nonce
        answer[#answer + 1], answer[#answer + 2], answer[#answer + 3] = 1, offset, at
      end
    end
  end

  if #records > 0 then
    redis.call('HSET', roomKey, 'tip', offset .. ' ' .. created .. ' ' .. prev)
    redis.call('ZADD', recentKey, created, room)
    redis.call('SPUBLISH', channel, '1[' .. table.concat(records, ',') .. ']')
  end
end
return answer
