-- ARGV: account, webhook, then 'test', event, name, body; or 'replay', delivery.
-- Replies {'ok', delivery} | {'missing'} | {'disabled'} | {'pending'}
local account, hook = ARGV[1], ARGV[2]
local w = redis.call('HMGET', k_webhook(hook), 'account', 'kind', 'status')
if w[1] ~= account or w[2] ~= 'account' then return {'missing'} end
local id = ARGV[4]
if ARGV[3] == 'replay' then
  local d = redis.call('HMGET', k_delivery(id), 'webhook', 'status')
  if d[1] ~= hook then return {'missing'} end
  if d[2] == 'PENDING' then return {'pending'} end
end
if w[3] ~= 'active' then return {'disabled'} end
if ARGV[3] == 'replay' then
  redis.call('HSET', k_delivery(id), 'status', 'PENDING', 'attempts', '0', 'next', NOWS)
  redis.call('EXPIRE', k_delivery(id), HOOK_TTL)
  redis.call('ZADD', k_webhook_queue(hook), NOWS, id)
else
  id = add_delivery(hook, {event = ARGV[4], name = ARGV[5], account = account, job = '', task = '', run = '0', at = NOWS, body = ARGV[6]})
end
schedule_hook(hook)
return {'ok', id}
