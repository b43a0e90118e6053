-- ARGV: account, key id, record (JSON), most keys of an account. Replies 'ok' | 'account' | 'full'
local account, id = ARGV[1], ARGV[2]
if redis.call('EXISTS', k_account(account)) == 0 then return 'account' end
if redis.call('HLEN', k_key_records(account)) >= tonumber(ARGV[4]) then return 'full' end
redis.call('HSET', k_key_records(account), id, ARGV[3])
return 'ok'
