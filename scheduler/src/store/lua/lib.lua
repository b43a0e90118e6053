-- Shared by every script: time, money, lanes, and the steps by which tasks and jobs end.
-- Rules: read and check everything first, then write; no command that can fail after the first write; time is the server's.

local time = redis.call('TIME')
local NOW = time[1] * 1000 + math.floor(time[2] / 1000)

-- Integers as text without an exponent (Lua's own conversion keeps 14 digits).
local function int(number) return string.format('%.0f', number) end
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

local woken, changed = {}, {}
-- Announces what became ready and which jobs have changed; every script that may change a job ends with it.
local function flush()
  for lane in pairs(woken) do
    redis.call('PUBLISH', CHANNEL_READY, string.match(P, '%d+') .. ':' .. lane)
  end
  for job, version in pairs(changed) do redis.call('PUBLISH', CHANNEL_JOB .. job, version) end
end

-- Raises a job's version and returns it. Each change of a task, and of the job's status, has a version of its own, noted as
-- `ver` of the task or `sver` of the job: who has seen version n lacks exactly what carries a higher one.
local function touch(job)
  local version = redis.call('HINCRBY', k_job(job), 'ver', 1)
  changed[job] = version
  return version
end

-- Sets a job's status, with any further fields, and moves it between the account's lists by status and by tag. `known` is
-- {status, created, tag} as they are, where the caller has them at hand.
local function set_status(account, job, status, known, ...)
  local key = k_job(job)
  local j = known or redis.call('HMGET', key, 'status', 'created', 'tag')
  if j[1] == status then
    if select('#', ...) > 0 then redis.call('HSET', key, ...) end
    return
  end
  if j[1] then redis.call('ZREM', k_jobs_in(account, j[1]), job) end
  redis.call('ZADD', k_jobs_in(account, status), j[2], job)
  if j[3] then
    if j[1] then redis.call('ZREM', k_jobs_tagged_in(account, j[1], j[3]), job) end
    redis.call('ZADD', k_jobs_tagged_in(account, status, j[3]), j[2], job)
  end
  redis.call('HSET', key, 'status', status, 'sver', touch(job), ...)
end

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
  local left = int((pots[1] or 0) + balance)
  redis.call('HSET', key, 'balance', left, 'held', int((pots[2] or 0) + held), 'spent', int((pots[3] or 0) + spent))
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

-- Puts a ready task into its account's line in a lane (its own, where the caller knows it): at the end, or, for a job that has
-- `begun`, behind the others of its kind and before all that have not, or, where it was running before, 'first' of all.
local function enqueue(account, job, name, begun, lane)
  lane = lane or redis.call('HGET', k_task(job, name), 'lane')
  redis.call('HSET', k_task(job, name), 'ready', '1', 'ready_at', NOWS, 'deps', '0')
  local line, other = k_lane_tasks(lane, account), k_lane_begun(lane, account)
  if begun then line, other = other, line end
  local length = redis.call(begun == 'first' and 'LPUSH' or 'RPUSH', line, job .. '/' .. name)
  if length == 1 and redis.call('EXISTS', other) == 0 then
    -- An account that comes back starts at the lane's clock, never earlier than it left: no gain from leaving.
    local clock = tonumber(redis.call('HGET', k_meta(), 'clock:' .. lane) or '0')
    local left_at = tonumber(redis.call('HGET', k_lane_times(lane), account) or '0')
    redis.call('ZADD', k_lane(lane), string.format('%.17g', math.max(clock, left_at)), account)
    -- While the line is not empty, its beginning has been announced and not yet been worked off.
    woken[lane] = true
  end
end

-- What `is_blocked` and `grant` have to know of a task, and its lane.
local function read_task(job, name)
  return redis.call('HMGET', k_task(job, name), 'status', 'ready', 'attempts', 'deps', 'lane', 'spec', 'losses', 'ready_at', 'file',
    'inputs', 'started')
end

-- Whether a task that was read as `t` is behind its inputs, or in a job without a slot. One that has been ready, even if it
-- now pauses after a failure, no longer minds what becomes of an input that it has gone on without.
local function is_blocked(t) return t[1] == 'WAITING' and t[2] ~= '1' and t[3] == '0' end

local epoch = nil
-- Leases a ready task that was read as `t`. Returns the flat description that the worker gets. `results` are those of tasks
-- that are at hand.
local function grant(account, job, name, t, worker, ttl, random, from, results)
  epoch = epoch or redis.call('HGET', k_meta(), 'epoch') or '0'
  local fence = epoch .. '-' .. int(redis.call('HINCRBY', k_meta(), 'fence', 1)) .. '-' .. random
  redis.call('HSET', k_task(job, name), 'status', 'PROCESSING', 'fence', fence, 'worker', worker, 'ready', '0', 'from', from,
    'progress', '0', 'started', t[11] or NOWS, 'deps', '0', 'ver', touch(job))
  redis.call('ZADD', k_leases(), int(NOW + ttl), job .. '/' .. name)
  local waited = from == '' and NOW - tonumber(t[8] or NOWS) or 0
  local lease = {account, job, fence, t[6], t[3], t[7], int(math.max(0, waited)), t[9] or ''}
  for input in words(t[10]) do
    -- An input that failed and may (`ignore_error`) has no result: the task goes on without its files.
    lease[#lease + 1] = results[input] or redis.call('HGET', k_task(job, input), 'result') or '{}'
  end
  return lease
end

-- Gives a job a slot. `ready` are its tasks that wait for nothing, {name, lane}, where the caller knows them; `known` as for
-- `set_status`.
local function activate(account, job, ready, known)
  redis.call('HINCRBY', k_account(account), 'active', 1)
  set_status(account, job, 'PROCESSING', known, 'active', '1', 'queued', '0')
  if ready then
    for _, task in ipairs(ready) do enqueue(account, job, task[1], false, task[2]) end
    return
  end
  for name in words(redis.call('HGET', k_job(job), 'tasks')) do
    local t = redis.call('HMGET', k_task(job, name), 'status', 'deps', 'lane')
    if t[1] == 'WAITING' and t[2] == '0' then enqueue(account, job, name, false, t[3]) end
  end
end

-- Gives a job that has all its bytes a slot, or its place in the account's queue. Returns its status.
local function queue_job(account, job, ready, known)
  local a = redis.call('HMGET', k_account(account), 'active', 'max_concurrent')
  if tonumber(a[1] or '0') < tonumber(a[2] or '0') then
    activate(account, job, ready, known)
    return 'PROCESSING'
  end
  set_status(account, job, 'WAITING', known, 'queued', '1')
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

-- Ends an unfinished task without success: its lease, upload and place in line go, its credits come back. Returns whether
-- the job may go on without it: it failed, and says `ignore_error`.
local function end_task(account, job, name, status, err)
  local key, ref = k_task(job, name), job .. '/' .. name
  local t = redis.call('HMGET', key, 'status', 'price', 'run', 'fence', 'slot', 'file', 'ignore')
  local ignored = status == 'ERROR' and t[7] == '1'
  redis.call('HSET', key, 'status', status, 'error', err, 'ended', NOWS, 'ready', '0', 'ver', touch(job))
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
  if not ignored then
    redis.call('HINCRBY', k_job(job), 'failed', 1)
    redis.call('HSETNX', k_job(job), 'error', err)
  end
  if status == 'ERROR' then event('task.failed', account, job, name, t[3]) end
  return ignored
end

-- Whether some input of a task has delivered.
local function has_input(job, name)
  for input in words(redis.call('HGET', k_task(job, name), 'inputs')) do
    if redis.call('HGET', k_task(job, input), 'status') == 'FINISHED' then return true end
  end
  return false
end

-- What follows from a task's end without success. What waits for it, directly or not, ends like it; but for a task that was
-- `ignored` they wait no longer, and go on with the files of their other inputs, or end where there are none. Returns whether
-- anything ended that the job cannot go on without.
local function fall(account, job, name, status, err, ignored)
  local active = redis.call('HGET', k_job(job), 'active') == '1'
  local stack, hard = {{name, ignored}}, false
  while #stack > 0 do
    local fallen = table.remove(stack)
    for dependent in words(redis.call('HGET', k_task(job, fallen[1]), 'next')) do
      local d = redis.call('HMGET', k_task(job, dependent), 'status', 'ready', 'attempts', 'lane')
      if d[1] == 'WAITING' then
        local ends = not fallen[2]
        if not ends and is_blocked(d) and redis.call('HINCRBY', k_task(job, dependent), 'deps', -1) == 0 then
          ends = not has_input(job, dependent)
          if not ends and active then enqueue(account, job, dependent, false, d[4]) end
        end
        if ends then
          local pardoned = end_task(account, job, dependent, status, err)
          stack[#stack + 1] = {dependent, pardoned}
          hard = hard or not pardoned
        end
      end
    end
  end
  return hard
end

-- After a change: ends the job if nothing is left, or lets it start once its last upload is settled.
local function settle_job(account, job)
  local key = k_job(job)
  local j = redis.call('HMGET', key, 'left', 'failed', 'active', 'uploads', 'status', 'queued', 'run', 'created', 'tag')
  if j[1] == '0' then
    local failed = j[2] ~= '0'
    -- A job that is cancelled in the line gives up its place.
    if j[6] == '1' then redis.call('LREM', k_waiting(account), 1, job) end
    set_status(account, job, failed and 'ERROR' or 'FINISHED', {j[5], j[8], j[9]}, 'ended', NOWS, 'queued', '0', 'active', '0')
    local keep = tonumber(redis.call('HGET', k_meta(), 'keep_files') or '86400000')
    redis.call('ZADD', k_expiry(), int(NOW + keep), account .. '/' .. job)
    event(failed and 'job.failed' or 'job.finished', account, job, '', j[7])
    if j[3] == '1' then
      redis.call('HINCRBY', k_account(account), 'active', -1)
      start_waiting(account)
    end
    redis.call('PUBLISH', CHANNEL_DONE, job)
  elseif j[5] == 'WAITING' and j[3] == '0' and j[4] == '0' and j[6] == '0' then
    queue_job(account, job, nil, {j[5], j[8], j[9]})
  end
end

local INPUT_FAILED = '{"code":"INPUT_TASK_FAILED","message":"A task whose output this one needs has failed"}'
local CANCELLED = '{"code":"CANCELLED","message":"The task was cancelled"}'
local FAIL_FAST = '{"code":"CANCELLED","message":"Another task of the job has failed, and the job says fail_fast"}'

local function fail_task(account, job, name, err)
  local ignored = end_task(account, job, name, 'ERROR', err)
  local hard = fall(account, job, name, 'ERROR', INPUT_FAILED, ignored) or not ignored
  local j = redis.call('HMGET', k_job(job), 'fail_fast', 'tasks')
  if j[1] == '1' and hard then
    for other in words(j[2]) do
      local status = redis.call('HGET', k_task(job, other), 'status')
      if status == 'WAITING' or status == 'PROCESSING' then
        end_task(account, job, other, 'CANCELLED', FAIL_FAST)
        redis.call('HSET', k_task(job, other), 'felled_by', name)
      end
    end
  end
  settle_job(account, job)
end
