-- ARGV: account, credits (below zero: takes away), note. From outside: a top-up, or its correction.
-- Replies {'ok', balance} | {'account'} | {'low', balance}
local account, amount = ARGV[1], tonumber(ARGV[2])
local a = account_of(account)
if not a.balance then return {'account'} end
if tonumber(a.balance) + amount < 0 then return {'low', a.balance} end
book(account, 'grant', amount, '', '', '0', ARGV[3])
return {'ok', a.balance}
