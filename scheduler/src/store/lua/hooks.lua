-- Shared by the scripts of webhooks. An endpoint is a registered webhook (wh_…) or the webhook_url of jobs (whj_…, one for each
-- URL of an account); both have a queue of their own.

local HOOK_TTL = 691200 -- seconds; longer than the last attempt can be away

-- Puts an endpoint into the line of those that have something due, at the time of its next step.
local function schedule_hook(hook)
  local w = redis.call('HMGET', k_webhook(hook), 'status', 'failures')
  local suspect = tonumber(w[2] or '0') > 0
  local pot, other = suspect and 'suspect' or 'healthy', suspect and 'healthy' or 'suspect'
  redis.call('ZREM', k_webhooks_due(other), hook)
  local lease = redis.call('ZRANGE', k_webhook_flight(hook), 0, 0, 'WITHSCORES')[2]
  local at = lease
  -- One that fails is asked one thing at a time; one that is full waits for an answer.
  if w[1] == 'active' and redis.call('ZCARD', k_webhook_flight(hook)) < (suspect and 1 or HOOK_LIMIT) then
    local soonest = redis.call('ZRANGE', k_webhook_queue(hook), 0, 0, 'WITHSCORES')[2]
    if soonest and (not at or tonumber(soonest) < tonumber(at)) then at = soonest end
  end
  if at then
    redis.call('ZADD', k_webhooks_due(pot), at, hook)
  else
    redis.call('ZREM', k_webhooks_due(pot), hook)
  end
end

-- Writes a delivery down and queues it: at once, or behind the deliveries of the same job to the same endpoint.
-- `d`: event, name, account, job, task, run, at, body. Replies its identifier; does nothing the second time.
local function add_delivery(hook, d)
  local id = 'dlv_' .. string.sub(redis.sha1hex(d.event .. '/' .. hook), 1, 32)
  local key = k_delivery(id)
  if redis.call('EXISTS', key) == 1 then return id end
  redis.call('HSET', key, 'webhook', hook, 'account', d.account, 'event', d.event, 'name', d.name, 'job', d.job, 'task', d.task,
    'run', d.run, 'at', d.at, 'created', NOWS, 'status', 'PENDING', 'attempts', '0', 'next', NOWS)
  if d.body then redis.call('HSET', key, 'body', d.body) end
  redis.call('EXPIRE', key, HOOK_TTL)
  redis.call('ZADD', k_webhook_log(hook), NOWS, id)
  redis.call('EXPIRE', k_webhook_log(hook), HOOK_TTL)
  redis.call('ZREMRANGEBYSCORE', k_webhook_log(hook), '-inf', int(NOW - HOOK_TTL * 1000))
  if redis.call('ZCARD', k_webhook_log(hook)) > HOOK_LOG then
    local oldest = redis.call('ZPOPMIN', k_webhook_log(hook))[1]
    if redis.call('HGET', k_delivery(oldest), 'status') ~= 'PENDING' then redis.call('DEL', k_delivery(oldest)) end
  end
  local first = true
  if d.job ~= '' then
    local order = k_webhook_order(hook, d.job)
    first = redis.call('RPUSH', order, id) == 1
    redis.call('EXPIRE', order, HOOK_TTL)
  end
  if first then redis.call('ZADD', k_webhook_queue(hook), NOWS, id) end
  return id
end

-- Lets the next delivery of the same job go: the one before has ended, or has been waited for long enough.
local function next_in_order(hook, job, id)
  if job == '' then return end
  local order = k_webhook_order(hook, job)
  if redis.call('LINDEX', order, 0) ~= id then
    redis.call('LREM', order, 1, id)
    return
  end
  redis.call('LPOP', order)
  local following = redis.call('LINDEX', order, 0)
  if following then redis.call('ZADD', k_webhook_queue(hook), NOWS, following) end
end
