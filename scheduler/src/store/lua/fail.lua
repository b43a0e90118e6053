-- ARGV: job, task, fence, error, explain, '1' to try again, limit of attempts, pause ms
-- Replies 'requeued' | 'ended' | 'stale'
local job, name = ARGV[1], ARGV[2]
local key, ref = k_task(job, name), job .. '/' .. name
local t = redis.call('HMGET', key, 'status', 'fence', 'attempts')
local account = job_of(job).account
if t[1] ~= 'PROCESSING' or t[2] ~= ARGV[3] or not account then return 'stale' end
redis.call('HSET', key, 'explain', ARGV[5])
local attempts = redis.call('HINCRBY', key, 'attempts', 1)
local outcome = 'ended'
if ARGV[6] == '1' and attempts < tonumber(ARGV[7]) then
  redis.call('ZREM', k_leases(), ref)
  redis.call('HSET', key, 'status', 'WAITING', 'fence', '', 'worker', '', 'ver', touch(job))
  redis.call('ZADD', k_delayed(), int(NOW + tonumber(ARGV[8])), ref)
  outcome = 'requeued'
else
  fail_task(account, job, name, ARGV[4])
end
return outcome
