-- ARGV: account, job, task. Replies 'ok' | 'missing' | {'state', status}
local account, job, name = ARGV[1], ARGV[2], ARGV[3]
local owner = job_of(job).account
local status = redis.call('HGET', k_task(job, name), 'status')
if owner ~= account or not status then return 'missing' end
if status ~= 'WAITING' and status ~= 'PROCESSING' then return status end
end_task(account, job, name, 'CANCELLED', CANCELLED)
fall(account, job, name, 'CANCELLED', CANCELLED, false)
settle_job(account, job)
return 'ok'
