-- ARGV: account, 'pots' to take the account's own figures as true, or 'ledger' for those of its ledger. After an audit from the
-- start that found them apart; charging goes on. Replies {'ok', balance} | {'missing'} | {'more'} | {'unreadable'}
local account = ARGV[1]
local pots = redis.call('HMGET', k_account(account), 'balance', 'held', 'spent')
if not pots[1] then return {'missing'} end
local c = redis.call('HMGET', k_audit(account), 'at', 'balance', 'held', 'spent')
if #redis.call('XRANGE', k_ledger(account), '(' .. (c[1] or '0-0'), '+', 'COUNT', 1) > 0 then return {'more'} end
local true_pots, apart = {}, {}
for i = 1, 3 do
  local sum, pot = tonumber(c[i + 1] or '0'), tonumber(pots[i] or '')
  if ARGV[2] == 'pots' and not pot then return {'unreadable'} end
  true_pots[i] = ARGV[2] == 'pots' and pot or sum
  apart[i] = true_pots[i] - sum
end
redis.call('HSET', k_account(account), 'balance', int(true_pots[1]), 'held', int(true_pots[2]), 'spent', int(true_pots[3]),
  'granted', int(true_pots[1] + true_pots[2] + true_pots[3]))
redis.call('HDEL', k_account(account), 'frozen')
if apart[1] ~= 0 or apart[2] ~= 0 or apart[3] ~= 0 then
  redis.call('XADD', k_ledger(account), '*', 'kind', 'correction', 'amount', int(math.abs(apart[1])), 'balance', int(apart[1]),
    'held', int(apart[2]), 'spent', int(apart[3]), 'job', '', 'task', '', 'run', '0', 'left', int(true_pots[1]))
end
return {'ok', int(true_pots[1])}
