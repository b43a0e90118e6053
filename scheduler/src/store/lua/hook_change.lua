-- ARGV: account, webhook, what, then its arguments. Replies 'ok' | 'missing' | 'exists'
--   'delete'; 'active'; 'disabled', reason; 'events', events (sorted); 'rotate', sealed secret, hint, ms for which the old one stays valid
local account, hook, what = ARGV[1], ARGV[2], ARGV[3]
local key = k_webhook(hook)
local w = redis.call('HMGET', key, 'account', 'kind', 'secret', 'url')
if w[1] ~= account or w[2] ~= 'account' then return 'missing' end
if what == 'delete' then
  for _, id in ipairs(redis.call('ZRANGE', k_webhook_log(hook), 0, -1)) do redis.call('DEL', k_delivery(id)) end
  redis.call('DEL', key, k_webhook_queue(hook), k_webhook_flight(hook), k_webhook_log(hook))
  redis.call('ZREM', k_account_webhooks(account), hook)
  redis.call('ZREM', k_webhooks_due('healthy'), hook)
  redis.call('ZREM', k_webhooks_due('suspect'), hook)
  return 'ok'
elseif what == 'active' then
  redis.call('HSET', key, 'status', 'active', 'failures', '0')
  redis.call('HDEL', key, 'reason', 'disabled')
elseif what == 'disabled' then
  redis.call('HSET', key, 'status', 'disabled', 'reason', ARGV[4], 'disabled', NOWS)
elseif what == 'events' then
  for _, other in ipairs(redis.call('ZRANGE', k_account_webhooks(account), 0, -1)) do
    local o = redis.call('HMGET', k_webhook(other), 'url', 'events')
    if other ~= hook and o[1] == w[4] and o[2] == ARGV[4] then return 'exists' end
  end
  redis.call('HSET', key, 'events', ARGV[4])
elseif what == 'rotate' then
  redis.call('HSET', key, 'secret', ARGV[4], 'hint', ARGV[5], 'secret_old', w[3], 'secret_until', int(NOW + tonumber(ARGV[6])))
end
schedule_hook(hook)
return 'ok'
