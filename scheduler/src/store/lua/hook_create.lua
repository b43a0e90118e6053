-- ARGV: account, webhook, url, events (sorted), sealed secret, hint, most webhooks of an account. Replies 'ok' | 'exists' | 'full' | 'account'
local account, hook = ARGV[1], ARGV[2]
if redis.call('EXISTS', k_account(account)) == 0 then return 'account' end
local count = 0
for _, other in ipairs(redis.call('ZRANGE', k_account_webhooks(account), 0, -1)) do
  local w = redis.call('HMGET', k_webhook(other), 'url', 'events')
  if w[1] == ARGV[3] and w[2] == ARGV[4] then return 'exists' end
  count = count + 1
end
if count >= tonumber(ARGV[7]) then return 'full' end
redis.call('HSET', k_webhook(hook), 'account', account, 'kind', 'account', 'url', ARGV[3], 'events', ARGV[4], 'secret', ARGV[5],
  'hint', ARGV[6], 'created', NOWS, 'status', 'active', 'failures', '0')
redis.call('ZADD', k_account_webhooks(account), NOWS, hook)
return 'ok'
