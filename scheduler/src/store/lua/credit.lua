-- ARGV: account, credits (below zero: takes away), note. From outside: a top-up, or its correction.
-- Replies {'ok', balance} | {'account'} | {'low', balance}
local account, amount = ARGV[1], tonumber(ARGV[2])
local balance = redis.call('HGET', k_account(account), 'balance')
if not balance then return {'account'} end
if tonumber(balance) + amount < 0 then return {'low', balance} end
move(account, 'grant', amount, '', '', '0', ARGV[3])
return {'ok', redis.call('HGET', k_account(account), 'balance')}
