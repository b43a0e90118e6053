-- ARGV: account, most entries to read, '1' to count from the start, how long entries stay (ms).
-- Adds what the ledger has grown by to the sums of the last audit; at its end, holds them against the account's pots. Only then,
-- when both agree, are entries of before that age dropped, and what they summed to is kept.
-- Replies {'missing'} | {'more'} | {'ok' | 'mismatch' | 'known', balance, held, spent by the ledger, then by the pots, granted}
local account, most = ARGV[1], tonumber(ARGV[2])
local pots = redis.call('HMGET', k_account(account), 'balance', 'held', 'spent', 'granted', 'frozen')
if not pots[1] then return {'missing'} end
local c = redis.call('HMGET', k_audit(account), 'at', 'balance', 'held', 'spent', 'base_balance', 'base_held', 'base_spent')
local names = {'balance', 'held', 'spent'}
local at, sums, base = c[1] or '0-0', {}, {}
for i = 1, 3 do
  base[i] = tonumber(c[4 + i] or '0')
  sums[i] = tonumber(c[1 + i] or '0')
end
if ARGV[3] == '1' then at, sums = '0-0', {base[1], base[2], base[3]} end

local function add(entry, to)
  for i = 1, #entry[2], 2 do
    for pot, name in ipairs(names) do
      if entry[2][i] == name then to[pot] = to[pot] + (tonumber(entry[2][i + 1]) or 0) end
    end
  end
end
local entries = redis.call('XRANGE', k_ledger(account), '(' .. at, '+', 'COUNT', most)
for _, entry in ipairs(entries) do add(entry, sums) end
if #entries > 0 then at = entries[#entries][1] end
if #entries > 0 or ARGV[3] == '1' then
  redis.call('HSET', k_audit(account), 'at', at, 'balance', int(sums[1]), 'held', int(sums[2]), 'spent', int(sums[3]))
end
if #entries == most then return {'more'} end

local function reply(word)
  return {word, int(sums[1]), int(sums[2]), int(sums[3]), pots[1], pots[2] or '', pots[3] or '', pots[4] or ''}
end
local agree = tonumber(pots[4] or '') == sums[1] + sums[2] + sums[3]
for i = 1, 3 do agree = agree and tonumber(pots[i] or '') == sums[i] end
if not agree then
  if pots[5] then return reply('known') end
  redis.call('HSET', k_account(account), 'frozen', NOWS)
  return reply('mismatch')
end
local old = redis.call('XRANGE', k_ledger(account), '-', int(math.max(0, NOW - tonumber(ARGV[4]))), 'COUNT', most)
if #old > 0 then
  for _, entry in ipairs(old) do add(entry, base) end
  local ms, sequence = string.match(old[#old][1], '^(%d+)-(%d+)$')
  redis.call('HSET', k_audit(account), 'base_balance', int(base[1]), 'base_held', int(base[2]), 'base_spent', int(base[3]))
  redis.call('XTRIM', k_ledger(account), 'MINID', ms .. '-' .. int(tonumber(sequence) + 1))
end
return reply('ok')
