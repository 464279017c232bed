"""The steps of the Redis ledger, one Lua script each: a step is atomic, and one round trip.

Every key begins with `{namespace}`, so that a cluster keeps them together:

    :a:<scope>:<start>   account, a hash: b budget, s scope, e end, ln lt limits, and the tally
    :t:<budget>:<start>  scopes of a period by spend
    :p:<budget>          periods by when they may go
    :b                   names of budgets
    :h:<call>            what a call holds
    :l                   calls by the end of their lease
    :d:<call>            settled
    :x                   what operators did

Lua counts in doubles: exact up to 2^53, which the limits of budgets stay below; sums are Redis's own 64-bit integers.
"""

from __future__ import annotations

_PRELUDE = """
local ns, now_s, now_ms = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2])
local TALLY = {'sn', 'st', 'hn', 'ht', 'xn', 'xt', 'un', 'fi'}

local function whole(n) return string.format('%.0f', n) end

local function add(key, field, n)
  if n ~= 0 then redis.call('HINCRBY', key, field, whole(n)) end
end

local function read(key)
  local v = redis.call('HMGET', key, unpack(TALLY))
  for i = 1, 8 do v[i] = tonumber(v[i] or 0) end
  return v
end

local function account(c) return ns .. ':a:' .. c.h .. ':' .. whole(c.start) end

local function tally(c)
  if not c.rolling then return read(account(c)) end
  local sum = {0, 0, 0, 0, 0, 0, 0, 0}
  for _, period in ipairs(redis.call('ZRANGE', ns .. ':p:' .. c.hb, 0, -1)) do
    local start = string.match(period, '^(-?%d+)')
    if tonumber(start) >= c.since then
      local v = read(ns .. ':a:' .. c.h .. ':' .. start)
      for i = 1, 7 do sum[i] = sum[i] + v[i] end
      sum[8] = bit.bor(sum[8], v[8])
    end
  end
  return sum
end

local function touch(c)
  local key, periods, top = account(c), ns .. ':p:' .. c.hb, ns .. ':t:' .. c.hb .. ':' .. whole(c.start)
  redis.call('HSET', key, 'b', c.b, 's', c.s, 'e', whole(c.ends), 'ln', whole(c.ln), 'lt', whole(c.lt))
  redis.call('HSET', ns .. ':b', c.hb, c.b)
  redis.call('ZADD', top, redis.call('HGET', key, 'sn') or 0, c.h)
  redis.call('ZREMRANGEBYSCORE', periods, '-inf', now_s)
  if c.kept < 0 then
    redis.call('ZADD', periods, '+inf', whole(c.start) .. ':-1')
  else
    local left = math.max(c.kept - now_s, 60)
    redis.call('ZADD', periods, now_s + left, whole(c.start) .. ':' .. whole(c.ends))
    redis.call('EXPIRE', key, left)
    redis.call('EXPIRE', top, left)
  end
  return key, top
end

local function fire(c, bits)
  local key = touch(c)
  redis.call('HSET', key, 'fi', whole(bit.bor(read(key)[8], bits)))
end

local function free(call)
  redis.call('ZREM', ns .. ':l', call)
  local held = redis.call('GET', ns .. ':h:' .. call)
  if not held then return 0 end
  redis.call('DEL', ns .. ':h:' .. call)
  for key, nano, tokens in string.gmatch(held, '(%S+) (%S+) (%S+);') do
    if redis.call('EXISTS', key) == 1 then
      add(key, 'hn', -tonumber(nano))
      add(key, 'ht', -tonumber(tokens))
    end
  end
  return 1
end

for _, call in ipairs(redis.call('ZRANGEBYSCORE', ns .. ':l', '-inf', now_ms, 'LIMIT', 0, 1000)) do free(call) end
"""

RESERVE = (
    _PRELUDE
    + """
local call, due, claims = ARGV[3], ARGV[4], cjson.decode(ARGV[5])
local held = redis.call('GET', ns .. ':h:' .. call)
if held then
  local answer = {'held'}
  for nano, tokens in string.gmatch(held, '%S+ (%S+) (%S+);') do
    answer[#answer + 1] = nano
    answer[#answer + 1] = tokens
  end
  return answer
end
if redis.call('EXISTS', ns .. ':d:' .. call) == 1 then return {'settled'} end

local answer, given = {'reserved'}, {}
for i, c in ipairs(claims) do
  local t = tally(c)
  local nano_left, tokens_left = c.ln + t[5] - t[1] - t[3], c.lt + t[6] - t[2] - t[4]
  local short = (c.ln >= 0 and c.nano > math.max(nano_left, 0) and 'usd')
    or (c.lt >= 0 and c.tokens > math.max(tokens_left, 0) and 'tokens')
  local nano, tokens, over = c.nano, c.tokens, '0'
  if short and not c.blocking then
    over = '1'
  elseif short then
    if c.ln >= 0 then nano = math.max(math.min(nano, nano_left), 0) end
    if c.lt >= 0 then tokens = math.max(math.min(tokens, tokens_left), 0) end
    if not c.resize or (nano <= 0 and c.nano > 0) or (tokens <= 0 and c.tokens > 0) then
      local bits = bit.band(c.full, bit.bnot(t[8]))
      if bits ~= 0 then fire(c, bits) end
      local refusal = {'refused', whole(i - 1), short, whole(bits)}
      for n = 1, 8 do refusal[#refusal + 1] = whole(t[n]) end
      return refusal
    end
  end
  given[i] = {nano, tokens}
  answer[#answer + 1] = whole(nano)
  answer[#answer + 1] = whole(tokens)
  answer[#answer + 1] = over
end

local holds = ''
for i, c in ipairs(claims) do
  local key = touch(c)
  add(key, 'hn', given[i][1])
  add(key, 'ht', given[i][2])
  holds = holds .. key .. ' ' .. whole(given[i][1]) .. ' ' .. whole(given[i][2]) .. ';'
end
redis.call('SET', ns .. ':h:' .. call, holds)
redis.call('ZADD', ns .. ':l', due, call)
return answer
"""
)

SETTLE = (
    _PRELUDE
    + """
local call, remember, claims = ARGV[3], ARGV[4], cjson.decode(ARGV[5])
free(call)
if redis.call('EXISTS', ns .. ':d:' .. call) == 1 then return {'0'} end
redis.call('SET', ns .. ':d:' .. call, '1', 'EX', remember)

local function threshold(limit, level)
  local millions = math.floor(limit / 1000000)
  return millions * level + math.ceil((limit - millions * 1000000) * level / 1000000)
end

local answer = {'1'}
for i, c in ipairs(claims) do
  local key, top = touch(c)
  add(key, 'sn', c.nano)
  add(key, 'st', c.tokens)
  add(key, 'un', c.unpriced)
  redis.call('ZADD', top, redis.call('HGET', key, 'sn') or 0, c.h)
  local t, bits = tally(c), 0
  for place, level in ipairs(c.levels) do
    local dollars = c.ln >= 0 and t[1] >= threshold(c.ln + t[5], level)
    local tokens = c.lt >= 0 and t[2] >= threshold(c.lt + t[6], level)
    if dollars or tokens then bits = bit.bor(bits, bit.lshift(1, place - 1)) end
  end
  bits = bit.band(bits, bit.bnot(t[8]))
  if bits ~= 0 then
    fire(c, bits)
    answer[#answer + 1] = whole(i - 1)
    answer[#answer + 1] = whole(bits)
    for n = 1, 8 do answer[#answer + 1] = whole(t[n]) end
  end
end
return answer
"""
)

RELEASE = _PRELUDE + "return free(ARGV[3])"

RENEW = (
    _PRELUDE
    + """
local running = 0
for i = 4, #ARGV do
  if redis.call('EXISTS', ns .. ':h:' .. ARGV[i]) == 1 then
    redis.call('ZADD', ns .. ':l', ARGV[3], ARGV[i])
    running = running + 1
  end
end
return running
"""
)

STANDING = (
    _PRELUDE
    + """
local answer = tally(cjson.decode(ARGV[3]))
for i = 1, 8 do answer[i] = whole(answer[i]) end
return answer
"""
)

# Operators' steps, for the accounts in KEYS[2..]: what they were, then changed.
_ROWS = """
local answer = {}
for i = 2, #KEYS do
  answer[i - 1] = redis.call('HMGET', KEYS[i], 'b', 's', 'e', 'ln', 'lt', unpack(TALLY))
end
"""
LOOK = _PRELUDE + _ROWS + "return answer"
RESET = (
    _PRELUDE
    + _ROWS
    + """
for i = 2, #KEYS do
  if answer[i - 1][1] then
    redis.call('HSET', KEYS[i], 'sn', 0, 'st', 0, 'un', 0, 'fi', 0)
    local h, start = string.match(KEYS[i], ':a:(%x+):(-?%d+)$')
    redis.call('ZADD', ns .. ':t:' .. ARGV[3] .. ':' .. start, 0, h)
  end
end
return answer
"""
)
RAISE = (
    _PRELUDE
    + _ROWS
    + """
local newest
for i = 2, #KEYS do
  if answer[i - 1][1] then
    redis.call('HSET', KEYS[i], 'fi', 0)
    newest = KEYS[i]
  end
end
if newest then
  add(newest, 'xn', tonumber(ARGV[3]))
  add(newest, 'xt', tonumber(ARGV[4]))
  redis.call('LPUSH', ns .. ':x', ARGV[5])
  redis.call('LTRIM', ns .. ':x', 0, 999)
end
return answer
"""
)
