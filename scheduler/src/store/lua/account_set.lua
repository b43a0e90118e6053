-- ARGV: account, then pairs field, value ('' takes the field away). Replies 1, or 0 for an unknown account.
local account = ARGV[1]
if redis.call('EXISTS', k_account(account)) == 0 then return 0 end
for i = 2, #ARGV, 2 do
  if ARGV[i + 1] == '' then
    redis.call('HDEL', k_account(account), ARGV[i])
  else
    redis.call('HSET', k_account(account), ARGV[i], ARGV[i + 1])
  end
end
-- A larger plan has room at once.
start_waiting(account)
return 1
