-- Shared by every script: time, money, lanes, and the steps by which tasks and jobs end.
-- Rules: read and check everything first, then write; no command that can fail after the first write; time is the server's.

local time = redis.call('TIME')
local NOW = time[1] * 1000 + math.floor(time[2] / 1000)

-- Integers as text without an exponent (Lua's own conversion keeps 14 digits).
local function int(number) return string.format('%d', number) end
local NOWS = int(NOW)

local function words(text) return string.gmatch(text or '', '%S+') end

-- The claim of a request on its Idempotency-Key: 'digest owner', or '' for a request that came without one.
local function claim_lost(account, claim)
  local digest, owner = string.match(claim or '', '^(%S+) (%S+)$')
  return digest ~= nil and redis.call('HGET', k_claim(account, digest), 'owner') ~= owner
end

-- Notes with the claim what the request has done, in the script that does it: a later request with the key will not do it again.
local function bind_claim(account, claim, what)
  local digest = string.match(claim or '', '^%S+')
  if digest then redis.call('HSET', k_claim(account, digest), 'bound', what) end
end

local woken = {}
-- Announces what became ready; every script that may enqueue ends with it.
local function flush()
  for lane in pairs(woken) do
    redis.call('PUBLISH', CHANNEL_READY, string.match(P, '%d+') .. ':' .. lane)
  end
end

local function touch(job) redis.call('HINCRBY', k_job(job), 'ver', 1) end

-- One movement of credits: the account's three pots and the ledger entry, always together.
-- reserve: balance -> held; settle: held -> spent; refund: held -> balance; grant: from outside, with the operator's note.
local function move(account, kind, amount, job, task, run, note)
  if amount == 0 then return end
  local key = k_account(account)
  local balance, held, spent = 0, 0, 0
  if kind == 'reserve' then balance, held = -amount, amount
  elseif kind == 'settle' then held, spent = -amount, amount
  elseif kind == 'refund' then balance, held = amount, -amount
  else balance = amount end
  local pots = redis.call('HMGET', key, 'balance', 'held', 'spent')
  local left = int(pots[1] + balance)
  redis.call('HSET', key, 'balance', left, 'held', int(pots[2] + held), 'spent', int(pots[3] + spent))
  if kind == 'grant' then redis.call('HINCRBY', key, 'granted', amount) end
  local entry = {'kind', kind, 'amount', amount, 'balance', balance, 'held', held, 'spent', spent, 'job', job, 'task', task,
    'run', run, 'left', left, note and 'note', note}
  redis.call('XADD', k_ledger(account), '*', unpack(entry))
  if job ~= '' then
    if kind == 'reserve' then redis.call('HINCRBY', k_job(job), 'credits', amount)
    elseif kind == 'refund' then redis.call('HINCRBY', k_job(job), 'credits', -amount) end
  end
end

local function event(name, account, job, task, run)
  redis.call('XADD', k_outbox(), '*', 'event', name, 'account', account, 'job', job, 'task', task, 'run', run, 'at', NOWS)
end

-- Puts a ready task at the end (or the front) of its account's turn in a lane (its own, where the caller knows it).
local function enqueue(account, job, name, front, lane)
  lane = lane or redis.call('HGET', k_task(job, name), 'lane')
  redis.call('HSET', k_task(job, name), 'ready', '1', 'ready_at', NOWS)
  local length = redis.call(front and 'LPUSH' or 'RPUSH', k_lane_tasks(lane, account), job .. '/' .. name)
  if length == 1 then
    -- An account that comes back starts at the lane's clock, never earlier than it left: no gain from leaving.
    local clock = tonumber(redis.call('HGET', k_meta(), 'clock:' .. lane) or '0')
    local left_at = tonumber(redis.call('HGET', k_lane_times(lane), account) or '0')
    redis.call('ZADD', k_lane(lane), string.format('%.17g', math.max(clock, left_at)), account)
    -- While the line is not empty, its beginning has been announced and not yet been worked off.
    woken[lane] = true
  end
end

-- What `grant` has to know of a task, and its lane.
local function read_task(job, name)
  return redis.call('HMGET', k_task(job, name), 'status', 'ready', 'spec', 'attempts', 'losses', 'ready_at', 'file', 'inputs',
    'started', 'lane')
end

local epoch = nil
-- Leases a ready task that was read as `t`. Returns the flat description that the worker gets. `results` are those of tasks that
-- are at hand.
local function grant(account, job, name, t, worker, ttl, random, from, results)
  epoch = epoch or redis.call('HGET', k_meta(), 'epoch') or '0'
  local fence = epoch .. '-' .. int(redis.call('HINCRBY', k_meta(), 'fence', 1)) .. '-' .. random
  redis.call('HSET', k_task(job, name), 'status', 'PROCESSING', 'fence', fence, 'worker', worker, 'ready', '0', 'from', from,
    'progress', '0', 'started', t[9] or NOWS)
  redis.call('ZADD', k_leases(), int(NOW + ttl), job .. '/' .. name)
  touch(job)
  local waited = from == '' and NOW - tonumber(t[6] or NOWS) or 0
  local lease = {account, job, fence, t[3], t[4], t[5], int(math.max(0, waited)), t[7] or ''}
  for input in words(t[8]) do
    lease[#lease + 1] = results[input] or redis.call('HGET', k_task(job, input), 'result') or ''
  end
  return lease
end

-- Gives a job a slot. `ready` are its tasks that wait for nothing, {name, lane}, where the caller knows them.
local function activate(account, job, ready)
  redis.call('HSET', k_job(job), 'status', 'PROCESSING', 'active', '1', 'queued', '0')
  redis.call('HINCRBY', k_account(account), 'active', 1)
  touch(job)
  for _, task in ipairs(ready or {}) do enqueue(account, job, task[1], false, task[2]) end
  if ready then return end
  for name in words(redis.call('HGET', k_job(job), 'tasks')) do
    local t = redis.call('HMGET', k_task(job, name), 'status', 'deps', 'lane')
    if t[1] == 'WAITING' and t[2] == '0' then enqueue(account, job, name, false, t[3]) end
  end
end

-- Gives a job that has all its bytes a slot, or its place in the account's queue. Returns its status.
local function queue_job(account, job, ready)
  local a = redis.call('HMGET', k_account(account), 'active', 'max_concurrent')
  if tonumber(a[1] or '0') < tonumber(a[2] or '0') then
    activate(account, job, ready)
    return 'PROCESSING'
  end
  redis.call('HSET', k_job(job), 'status', 'WAITING', 'queued', '1')
  redis.call('RPUSH', k_waiting(account), job)
  return 'WAITING'
end

-- Fills free slots from the account's queue; jobs that were deleted meanwhile are passed over.
local function start_waiting(account)
  local a = redis.call('HMGET', k_account(account), 'active', 'max_concurrent')
  local free = tonumber(a[2] or '0') - tonumber(a[1] or '0')
  while free > 0 do
    local job = redis.call('LPOP', k_waiting(account))
    if not job then break end
    if redis.call('HGET', k_job(job), 'queued') == '1' then
      activate(account, job)
      free = free - 1
    end
  end
end

-- Failures that are the customer's own. Where the operator charges for those, their credits do not come back.
local OWN_FAULTS = {INVALID_DATA = true, UNSUPPORTED_FORMAT = true, PAYLOAD_TOO_LARGE = true}
local function is_charged(status, ran, err)
  return status == 'ERROR' and ran and OWN_FAULTS[string.match(err, '"code":"([A-Z_]+)"') or '']
    and redis.call('HGET', k_meta(), 'charge_errors') == '1'
end

-- Ends an unfinished task without success: its lease, upload and place in line go, its credits come back.
local function end_task(account, job, name, status, err)
  local key, ref = k_task(job, name), job .. '/' .. name
  local t = redis.call('HMGET', key, 'status', 'price', 'run', 'fence', 'slot', 'file')
  redis.call('HSET', key, 'status', status, 'error', err, 'ended', NOWS, 'ready', '0')
  if t[1] == 'PROCESSING' then
    redis.call('ZREM', k_leases(), ref)
    redis.call('PUBLISH', CHANNEL_STOP, t[4])
  end
  redis.call('ZREM', k_delayed(), ref)
  if t[5] and not t[6] then
    redis.call('ZREM', k_uploads(), ref)
    redis.call('HINCRBY', k_job(job), 'uploads', -1)
    redis.call('HINCRBY', k_account(account), 'uploading', -1)
  end
  local kept = is_charged(status, t[1] == 'PROCESSING', err)
  move(account, kept and 'settle' or 'refund', tonumber(t[2]), job, name, t[3])
  redis.call('HINCRBY', k_job(job), 'left', -1)
  redis.call('HINCRBY', k_job(job), 'failed', 1)
  redis.call('HSETNX', k_job(job), 'error', err)
  if status == 'ERROR' then event('task.failed', account, job, name, t[3]) end
end

-- Ends everything that waits, directly or not, for a task that will not deliver.
local function fall(account, job, name, status, err)
  local stack = {name}
  while #stack > 0 do
    for dependent in words(redis.call('HGET', k_task(job, table.remove(stack)), 'next')) do
      if redis.call('HGET', k_task(job, dependent), 'status') == 'WAITING' then
        end_task(account, job, dependent, status, err)
        stack[#stack + 1] = dependent
      end
    end
  end
end

-- After a change: ends the job if nothing is left, or lets it start once its last upload is settled.
local function settle_job(account, job)
  local key = k_job(job)
  local j = redis.call('HMGET', key, 'left', 'failed', 'active', 'uploads', 'status', 'queued', 'run')
  touch(job)
  if j[1] == '0' then
    local failed = j[2] ~= '0'
    redis.call('HSET', key, 'status', failed and 'ERROR' or 'FINISHED', 'ended', NOWS, 'queued', '0', 'active', '0')
    local keep = tonumber(redis.call('HGET', k_meta(), 'keep_files') or '86400000')
    redis.call('ZADD', k_expiry(), int(NOW + keep), account .. '/' .. job)
    event(failed and 'job.failed' or 'job.finished', account, job, '', j[7])
    -- A job whose tasks were all cancelled while it waited for a slot gives up its place in the line.
    if j[6] == '1' then redis.call('LREM', k_waiting(account), 0, job) end
    if j[3] == '1' then
      redis.call('HINCRBY', k_account(account), 'active', -1)
      start_waiting(account)
    end
    redis.call('PUBLISH', CHANNEL_DONE, job)
  elseif j[5] == 'WAITING' and j[3] == '0' and j[4] == '0' and j[6] == '0' then
    queue_job(account, job)
  end
end

local INPUT_FAILED = '{"code":"INPUT_TASK_FAILED","message":"A task whose output this one needs has failed"}'
local CANCELLED = '{"code":"CANCELLED","message":"The task was cancelled"}'

local function fail_task(account, job, name, err)
  end_task(account, job, name, 'ERROR', err)
  fall(account, job, name, 'ERROR', INPUT_FAILED)
  settle_job(account, job)
end
