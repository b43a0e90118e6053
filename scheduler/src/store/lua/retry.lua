-- ARGV: account, job, task, claim. Runs a failed or cancelled task again, and what fell with it.
-- Replies {'ok', credits, balance} | {'missing'} | {'claim'} | {'state', status} | {'input', name} | {'upload'} | {'gone'}
--   | {'credits', needed, balance} | {'full', limit} | {'frozen'}
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
-- The task and every failed or cancelled one behind it, but none that another failed input would leave waiting for ever.
local again, chosen, price, at = {name}, {[name] = true}, 0, 1
local function comes(input)
  local status = redis.call('HGET', k_task(job, input), 'status')
  return chosen[input] or (status ~= 'ERROR' and status ~= 'CANCELLED')
end
while at <= #again do
  local a = redis.call('HMGET', k_task(job, again[at]), 'price', 'next')
  price = price + tonumber(a[1])
  for dependent in words(a[2]) do
    local d = redis.call('HMGET', k_task(job, dependent), 'status', 'inputs')
    if not chosen[dependent] and (d[1] == 'ERROR' or d[1] == 'CANCELLED') then
      local all = true
      for input in words(d[2]) do all = all and comes(input) end
      if all then
        chosen[dependent] = true
        again[#again + 1] = dependent
      end
    end
  end
  at = at + 1
end
local a = redis.call('HMGET', k_account(account), 'balance', 'active', 'max_concurrent', 'max_waiting', 'uploading', 'frozen')
if price > 0 and a[6] then return {'frozen'} end
if tonumber(a[1]) < price then return {'credits', price, a[1]} end
local ended = j[2] == 'FINISHED' or j[2] == 'ERROR'
if ended and tonumber(a[2] or '0') >= tonumber(a[3])
  and redis.call('LLEN', k_waiting(account)) + tonumber(a[5] or '0') + 1 > tonumber(a[4]) then
  return {'full', a[4]}
end

local run = redis.call('HINCRBY', k_job(job), 'run', 1)
for _, task in ipairs(again) do
  local key = k_task(job, task)
  -- Each input counts once, however often it is named.
  local deps, counted = 0, {}
  for input in words(redis.call('HGET', key, 'inputs')) do
    if not counted[input] and redis.call('HGET', k_task(job, input), 'status') ~= 'FINISHED' then deps = deps + 1 end
    counted[input] = true
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
if ended then
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
