-- ARGV: job, task, fence. A draining worker hands a lease back: ready at once, first in line, nothing counted.
local job, name = ARGV[1], ARGV[2]
local t = redis.call('HMGET', k_task(job, name), 'status', 'fence')
local account = job_of(job).account
if t[1] ~= 'PROCESSING' or t[2] ~= ARGV[3] or not account then return 'stale' end
redis.call('ZREM', k_leases(), job .. '/' .. name)
redis.call('HSET', k_task(job, name), 'status', 'WAITING', 'fence', '', 'worker', '', 'ver', touch(job))
enqueue(account, job, name, 'first')
return 'ok'
