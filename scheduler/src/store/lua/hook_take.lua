-- ARGV: pot ('healthy' | 'suspect'), most deliveries, lease ms, random. Leases what is due, an endpoint after the other.
-- Replies {ms until something more is due or -1, delivery…}, a delivery being
--   {id, fence, webhook, kind, url, secret, older secret or '', account, event, name, job, task, at, attempts, body}
local pot, budget = ARGV[1], tonumber(ARGV[2])
local line, taken = k_webhooks_due(pot), {}
for _, hook in ipairs(redis.call('ZRANGEBYSCORE', line, '-inf', NOWS, 'LIMIT', 0, 64)) do
  local w = redis.call('HMGET', k_webhook(hook), 'status', 'url', 'secret', 'secret_old', 'secret_until', 'failures', 'account', 'kind')
  if not w[1] then
    redis.call('ZREM', line, hook)
  else
    -- Whoever sent these has died or lost its time: they are sent again, under the same identifier.
    for _, id in ipairs(redis.call('ZRANGEBYSCORE', k_webhook_flight(hook), '-inf', NOWS)) do
      redis.call('ZREM', k_webhook_flight(hook), id)
      redis.call('ZADD', k_webhook_queue(hook), NOWS, id)
    end
    if w[8] == 'job' then
      local a = redis.call('HMGET', k_account(w[7]), 'webhook_secret', 'webhook_secret_old', 'webhook_secret_until')
      w[3], w[4], w[5] = a[1], a[2], a[3]
    end
    if w[5] and tonumber(w[5]) <= NOW then w[4] = false end
    local limit = tonumber(w[6] or '0') > 0 and 1 or HOOK_LIMIT
    local room = math.min(budget, limit - redis.call('ZCARD', k_webhook_flight(hook)))
    if w[1] == 'active' and room > 0 then
      for _, id in ipairs(redis.call('ZRANGEBYSCORE', k_webhook_queue(hook), '-inf', NOWS, 'LIMIT', 0, room)) do
        local key = k_delivery(id)
        local d = redis.call('HMGET', key, 'status', 'event', 'name', 'job', 'task', 'at', 'attempts', 'body')
        redis.call('ZREM', k_webhook_queue(hook), id)
        if d[1] == 'PENDING' then
          local fence = ARGV[4] .. '-' .. #taken
          redis.call('HSET', key, 'fence', fence)
          redis.call('ZADD', k_webhook_flight(hook), int(NOW + tonumber(ARGV[3])), id)
          taken[#taken + 1] = {id, fence, hook, w[8] or '', w[2], w[3] or '', w[4] or '', w[7], d[2], d[3], d[4], d[5], d[6], d[7],
            d[8] or ''}
          budget = budget - 1
        end
      end
    end
    schedule_hook(hook)
  end
  if budget <= 0 then break end
end
local soonest = redis.call('ZRANGE', line, 0, 0, 'WITHSCORES')[2]
table.insert(taken, 1, soonest and math.max(0, tonumber(soonest) - NOW) or -1)
return taken
