-- ARGV: delivery, fence, outcome ('delivered' | 'retry' | 'failed' | 'gone' | 'dropped'), pause ms, code, this attempt as JSON,
--   reason that an endpoint is disabled, attempts after which later events of the job are no longer held back,
--   seconds for which a delivered and a failed one stay in the log.
-- Replies 'ok' | 'stale'
local id, outcome = ARGV[1], ARGV[3]
local key = k_delivery(id)
local d = redis.call('HMGET', key, 'webhook', 'fence', 'status', 'job', 'log')
if not d[1] or d[2] ~= ARGV[2] or d[3] ~= 'PENDING' then return 'stale' end
local hook = d[1]
redis.call('ZREM', k_webhook_flight(hook), id)
if outcome == 'dropped' then
  redis.call('DEL', key)
  redis.call('ZREM', k_webhook_log(hook), id)
  next_in_order(hook, d[4], id)
  schedule_hook(hook)
  return 'ok'
end
local attempts = redis.call('HINCRBY', key, 'attempts', 1)
redis.call('HSET', key, 'fence', '', 'code', ARGV[5], 'last', NOWS, 'log', (d[5] and d[5] .. ',' or '') .. ARGV[6])
if outcome == 'delivered' then
  redis.call('HSET', key, 'status', 'DELIVERED', 'next', '')
  redis.call('EXPIRE', key, ARGV[9])
  if redis.call('EXISTS', k_webhook(hook)) == 1 then redis.call('HSET', k_webhook(hook), 'failures', '0') end
  next_in_order(hook, d[4], id)
else
  if redis.call('EXISTS', k_webhook(hook)) == 1 then redis.call('HINCRBY', k_webhook(hook), 'failures', 1) end
  if outcome == 'retry' then
    local at = int(NOW + tonumber(ARGV[4]))
    redis.call('HSET', key, 'next', at)
    redis.call('ZADD', k_webhook_queue(hook), at, id)
    if attempts == tonumber(ARGV[8]) then next_in_order(hook, d[4], id) end
  else
    redis.call('HSET', key, 'status', 'FAILED', 'next', '')
    redis.call('EXPIRE', key, ARGV[10])
    next_in_order(hook, d[4], id)
    if outcome == 'gone' and redis.call('HGET', k_webhook(hook), 'kind') == 'account' then
      redis.call('HSET', k_webhook(hook), 'status', 'disabled', 'reason', ARGV[7], 'disabled', NOWS)
    end
  end
end
schedule_hook(hook)
return 'ok'
