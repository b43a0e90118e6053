-- ARGV: account, then every key that is the account's own. Replies 'ok' | 'missing' | 'live' | 'jobs'
local account = ARGV[1]
local a = redis.call('HMGET', k_account(account), 'v', 'suspended')
if not a[1] then return 'missing' end
if not a[2] then return 'live' end
if redis.call('ZCARD', k_account_jobs(account)) > 0 then return 'jobs' end
for _, record in ipairs(redis.call('HVALS', k_key_records(account))) do
  redis.call('PUBLISH', CHANNEL_KEYS, cjson.decode(record).hash)
end
for i = 2, #ARGV do redis.call('DEL', ARGV[i]) end
redis.call('SREM', k_accounts(), account)
return 'ok'
