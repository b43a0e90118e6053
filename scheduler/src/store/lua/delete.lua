-- ARGV: account, job. Deletes a job whatever its state: no event follows, what it held comes back. Replies 'ok' | 'missing'
local account, job = ARGV[1], ARGV[2]
-- Milliseconds after which a worker that was told to stop has stopped.
local DOOM = 15000
local j = job_of(job)
if j.account ~= account then return 'missing' end
for name in words(redis.call('HGET', k_job(job), 'tasks')) do
  local key, ref = k_task(job, name), job .. '/' .. name
  local t = redis.call('HMGET', key, 'status', 'price', 'run', 'fence', 'slot', 'file')
  if t[1] == 'WAITING' or t[1] == 'PROCESSING' then
    move(account, 'refund', tonumber(t[2]), job, name, t[3])
    if t[1] == 'PROCESSING' then redis.call('PUBLISH', CHANNEL_STOP, t[4]) end
    if t[5] and not t[6] then add(account_of(account), 'uploading', -1) end
  end
  redis.call('ZREM', k_leases(), ref)
  redis.call('ZREM', k_delayed(), ref)
  redis.call('ZREM', k_uploads(), ref)
  redis.call('DEL', key)
end
-- Nothing of it is to be written any more.
jobs[job], moved[job] = nil, nil
redis.call('DEL', k_job(job))
redis.call('ZREM', k_account_jobs(account), job)
redis.call('ZREM', k_jobs_in(account, j.status), job)
if j.tag then
  redis.call('ZREM', k_jobs_tagged(account, j.tag), job)
  redis.call('ZREM', k_jobs_tagged_in(account, j.status, j.tag), job)
end
-- Whatever happens to the caller now, and to a worker that is still writing: the scheduler removes the files again.
redis.call('ZADD', k_doomed(), int(NOW + DOOM), account .. '/' .. job)
redis.call('ZREM', k_expiry(), account .. '/' .. job)
redis.call('LREM', k_waiting(account), 0, job)
if j.active == '1' then
  add(account_of(account), 'active', -1)
  start_waiting(account)
end
redis.call('PUBLISH', CHANNEL_DONE, job)
redis.call('PUBLISH', CHANNEL_JOB .. job, '0')
return 'ok'
