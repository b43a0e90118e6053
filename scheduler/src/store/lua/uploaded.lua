-- ARGV: account, job, slot, file, '1' to only look. Replies 'ok' | 'missing' | 'arrived' | 'ended'
local account, job, slot = ARGV[1], ARGV[2], ARGV[3]
local j = redis.call('HMGET', k_job(job), 'account', 'slot:' .. slot)
if j[1] ~= account or not j[2] then return 'missing' end
local name = j[2]
local t = redis.call('HMGET', k_task(job, name), 'status', 'file')
if t[2] then return 'arrived' end
if t[1] ~= 'WAITING' then return 'ended' end
if ARGV[5] == '1' then return 'ok' end
redis.call('HSET', k_task(job, name), 'file', ARGV[4], 'ver', touch(job))
redis.call('ZREM', k_uploads(), job .. '/' .. name)
add(job_of(job), 'uploads', -1)
add(account_of(account), 'uploading', -1)
settle_job(account, job)
return 'ok'
