-- ARGV: account, job, task, claim. Runs a failed or cancelled task again, and what fell with it.
-- Replies {'ok', credits, balance} | {'missing'} | {'claim'} | {'state', status} | {'input', name} | {'upload'} | {'gone'} | {'credits', needed, balance}
--   | {'full', limit} | {'frozen'}
local account, job, name = ARGV[1], ARGV[2], ARGV[3]
local j, more = job_of(job), redis.call('HMGET', k_job(job), 'files', 'fail_fast', 'tasks')
local t = redis.call('HMGET', k_task(job, name), 'status', 'inputs', 'slot', 'file')
if j.account ~= account or not t[1] then return {'missing'} end
if claim_lost(account, ARGV[4]) then return {'claim'} end
if t[1] ~= 'ERROR' and t[1] ~= 'CANCELLED' then return {'state', t[1]} end
if more[1] == 'gone' then return {'gone'} end
if t[3] and not t[4] then return {'upload'} end
-- Inputs that have failed and may are no obstacle, as long as another one has delivered.
local finished, missing = 0, nil
for input in words(t[2]) do
  local i = redis.call('HMGET', k_task(job, input), 'status', 'ignore')
  if i[1] == 'FINISHED' then
    finished = finished + 1
  elseif i[1] ~= 'ERROR' or i[2] ~= '1' then
    return {'input', input}
  else
    missing = input
  end
end
if missing and finished == 0 then return {'input', missing} end
-- The task, every failed or cancelled one behind it, and what its failure has cancelled by `fail_fast`.
local again, seen, at = {}, {}, 1
local function take(task)
  local status = redis.call('HGET', k_task(job, task), 'status')
  if seen[task] or (status ~= 'ERROR' and status ~= 'CANCELLED') then return end
  seen[task] = true
  again[#again + 1] = task
end
take(name)
if more[2] == '1' then
  for other in words(more[3]) do
    if redis.call('HGET', k_task(job, other), 'felled_by') == name then take(other) end
  end
end
while at <= #again do
  for dependent in words(redis.call('HGET', k_task(job, again[at]), 'next')) do take(dependent) end
  at = at + 1
end
-- Without those that also need something else which has failed and stays so: they would wait for ever.
local function obstructed(task)
  local r = redis.call('HMGET', k_task(job, task), 'inputs', 'slot', 'file')
  if r[2] and not r[3] then return true end
  for input in words(r[1]) do
    local i = redis.call('HMGET', k_task(job, input), 'status', 'ignore')
    if not seen[input] and (i[1] == 'CANCELLED' or (i[1] == 'ERROR' and i[2] ~= '1')) then return true end
  end
  return false
end
local stable
repeat
  stable = true
  for i = #again, 2, -1 do
    if obstructed(again[i]) then
      seen[again[i]] = nil
      table.remove(again, i)
      stable = false
    end
  end
until stable
local price, counted = 0, 0
for _, task in ipairs(again) do
  local r = redis.call('HMGET', k_task(job, task), 'status', 'price', 'ignore')
  price = price + tonumber(r[2])
  if r[1] == 'CANCELLED' or r[3] ~= '1' then counted = counted + 1 end
end
local a = account_of(account)
local balance = tonumber(a.balance)
if price > 0 and a.frozen then return {'frozen'} end
if balance < price then return {'credits', price, balance} end
local ended = j.status == 'FINISHED' or j.status == 'ERROR'
if ended and not has_slot(account)
  and redis.call('LLEN', k_waiting(account)) + tonumber(a.uploading or '0') + 1 > tonumber(a.max_waiting) then
  return {'full', a.max_waiting}
end

add(j, 'run', 1)
local run = j.run
for _, task in ipairs(again) do
  local key = k_task(job, task)
  -- Each input counts once, however often it is named.
  local deps, told = 0, {}
  for input in words(redis.call('HGET', key, 'inputs')) do
    local i = redis.call('HMGET', k_task(job, input), 'status', 'ignore')
    local passed = i[1] == 'FINISHED' or (i[1] == 'ERROR' and i[2] == '1' and not seen[input])
    if not passed and not told[input] then deps = deps + 1 end
    told[input] = true
  end
  redis.call('HSET', key, 'deps', deps)
  -- What still waits for others counts this task's next end, too.
  for dependent in words(redis.call('HGET', key, 'next')) do
    local d = redis.call('HMGET', k_task(job, dependent), 'status', 'ready', 'attempts')
    if not seen[dependent] and is_blocked(d) then redis.call('HINCRBY', k_task(job, dependent), 'deps', 1) end
  end
end
for _, task in ipairs(again) do
  local key = k_task(job, task)
  redis.call('HSET', key, 'status', 'WAITING', 'attempts', '0', 'losses', '0', 'run', run, 'fence', '', 'ready', '0',
    'ver', touch(job))
  redis.call('HDEL', key, 'error', 'explain', 'result', 'ended', 'started', 'progress', 'felled_by')
end
add(j, 'left', #again)
add(j, 'failed', -counted)
redis.call('HDEL', k_job(job), 'error', 'ended')
-- A first failure that is not run again stays the job's error.
for other in words(more[3]) do
  local o = redis.call('HMGET', k_task(job, other), 'status', 'error', 'ignore')
  if ((o[1] == 'ERROR' and o[3] ~= '1') or o[1] == 'CANCELLED') and o[2] then redis.call('HSETNX', k_job(job), 'error', o[2]) end
end
move(account, 'reserve', price, job, name, run)
bind_claim(account, ARGV[4], int(price))
if ended then
  redis.call('ZREM', k_expiry(), account .. '/' .. job)
  set(j, 'active', '0')
  set(j, 'queued', '0')
  queue_job(account, job)
elseif j.active == '1' then
  for _, task in ipairs(again) do
    if redis.call('HGET', k_task(job, task), 'deps') == '0' then enqueue(account, job, task, false) end
  end
end
return {'ok', price, a.balance}
