-- ARGV: account, name, plan, weight, max concurrent, max waiting, requests a minute, credits. Replies 1, or 0 where it exists.
local account = ARGV[1]
if redis.call('EXISTS', k_account(account)) == 1 then return 0 end
redis.call('HSET', k_account(account), 'v', '1', 'name', ARGV[2], 'plan', ARGV[3], 'weight', ARGV[4], 'max_concurrent', ARGV[5],
  'max_waiting', ARGV[6], 'rpm', ARGV[7], 'balance', '0', 'held', '0', 'spent', '0', 'granted', '0', 'active', '0', 'uploading', '0',
  'created', NOWS)
redis.call('SADD', k_accounts(), account)
book(account, 'grant', tonumber(ARGV[8]), '', '', '0')
return 1
