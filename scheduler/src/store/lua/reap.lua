-- ARGV: batch, limit of losses, error for a lost worker, error for an expired upload.
-- Replies {requeued, lost, delayed, expired uploads}
local batch = tonumber(ARGV[1])
local function due(key) return redis.call('ZRANGEBYSCORE', key, '-inf', NOWS, 'LIMIT', 0, batch) end
local requeued, lost, delayed, expired = 0, 0, 0, 0
for _, ref in ipairs(due(k_leases())) do
  local job, name = string.match(ref, '^(.-)/(.+)$')
  local key = k_task(job, name)
  redis.call('ZREM', k_leases(), ref)
  local account = job_of(job).account
  if account and redis.call('HGET', key, 'status') == 'PROCESSING' then
    if redis.call('HINCRBY', key, 'losses', 1) >= tonumber(ARGV[2]) then
      fail_task(account, job, name, ARGV[3])
      lost = lost + 1
    else
      redis.call('PUBLISH', CHANNEL_STOP, redis.call('HGET', key, 'fence'))
      redis.call('HSET', key, 'status', 'WAITING', 'fence', '', 'worker', '', 'ver', touch(job))
      enqueue(account, job, name, 'first')
      requeued = requeued + 1
    end
  end
end
for _, ref in ipairs(due(k_delayed())) do
  local job, name = string.match(ref, '^(.-)/(.+)$')
  redis.call('ZREM', k_delayed(), ref)
  local account = job_of(job).account
  if account and redis.call('HGET', k_task(job, name), 'status') == 'WAITING' then
    enqueue(account, job, name, false)
    delayed = delayed + 1
  end
end
for _, ref in ipairs(due(k_uploads())) do
  local job, name = string.match(ref, '^(.-)/(.+)$')
  local account = job_of(job).account
  redis.call('ZREM', k_uploads(), ref)
  if account and redis.call('HGET', k_task(job, name), 'status') == 'WAITING' then
    fail_task(account, job, name, ARGV[4])
    expired = expired + 1
  end
end
return {requeued, lost, delayed, expired}
