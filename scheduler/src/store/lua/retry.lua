-- ARGV: account, job, task, claim. Runs a failed or cancelled task again, and what fell with it.
-- Replies {'ok', credits, balance} | {'missing'} | {'claim'} | {'state', status} | {'input', name} | {'upload'} | {'gone'} | {'credits', needed, balance} | {'frozen'}
local account, job, name = ARGV[1], ARGV[2], ARGV[3]
local j = redis.call('HMGET', k_job(job), 'account', 'status', 'files')
local t = redis.call('HMGET', k_task(job, name), 'status', 'inputs', 'slot', 'file')
if j[1] ~= account or not t[1] then return {'missing'} end
if claim_lost(account, ARGV[4]) then return {'claim'} end
if t[1] ~= 'ERROR' and t[1] ~= 'CANCELLED' then return {'state', t[1]} end
if j[3] == 'gone' then return {'gone'} end
if t[3] and not t[4] then return {'upload'} end
for input in words(t[2]) do
  if redis.call('HGET', k_task(job, input), 'status') ~= 'FINISHED' then return {'input', input} end
end
-- The task and every failed or cancelled one behind it.
local again, seen, price, at = {name}, {[name] = true}, 0, 1
while at <= #again do
  price = price + tonumber(redis.call('HGET', k_task(job, again[at]), 'price'))
  for dependent in words(redis.call('HGET', k_task(job, again[at]), 'next')) do
    local status = redis.call('HGET', k_task(job, dependent), 'status')
    if not seen[dependent] and (status == 'ERROR' or status == 'CANCELLED') then
      seen[dependent] = true
      again[#again + 1] = dependent
    end
  end
  at = at + 1
end
local a = redis.call('HMGET', k_account(account), 'balance', 'frozen')
local balance = tonumber(a[1])
if price > 0 and a[2] then return {'frozen'} end
if balance < price then return {'credits', price, balance} end

local run = redis.call('HINCRBY', k_job(job), 'run', 1)
for _, task in ipairs(again) do
  local key = k_task(job, task)
  local deps = 0
  for input in words(redis.call('HGET', key, 'inputs')) do
    if redis.call('HGET', k_task(job, input), 'status') ~= 'FINISHED' then deps = deps + 1 end
  end
  redis.call('HSET', key, 'status', 'WAITING', 'deps', deps, 'attempts', '0', 'losses', '0', 'run', run, 'fence', '', 'ready', '0')
  redis.call('HDEL', key, 'error', 'explain', 'result', 'ended', 'started', 'progress')
end
redis.call('HINCRBY', k_job(job), 'left', #again)
redis.call('HINCRBY', k_job(job), 'failed', -#again)
redis.call('HDEL', k_job(job), 'error', 'ended')
-- A first failure that is not run again stays the job's error.
for other in words(redis.call('HGET', k_job(job), 'tasks')) do
  local o = redis.call('HMGET', k_task(job, other), 'status', 'error')
  if (o[1] == 'ERROR' or o[1] == 'CANCELLED') and o[2] then redis.call('HSETNX', k_job(job), 'error', o[2]) end
end
move(account, 'reserve', price, job, name, run)
bind_claim(account, ARGV[4], int(price))
if j[2] == 'FINISHED' or j[2] == 'ERROR' then
  redis.call('ZREM', k_expiry(), account .. '/' .. job)
  redis.call('HSET', k_job(job), 'status', 'WAITING', 'active', '0', 'queued', '0')
  queue_job(account, job)
elseif redis.call('HGET', k_job(job), 'active') == '1' then
  for _, task in ipairs(again) do
    if redis.call('HGET', k_task(job, task), 'deps') == '0' then enqueue(account, job, task, false) end
  end
end
touch(job)
flush()
return {'ok', price, redis.call('HGET', k_account(account), 'balance')}
