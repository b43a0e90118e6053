-- Shared by every function: time, money, lanes, and the steps by which tasks and jobs end.
-- Rules: read and check everything first, then write; no command that can fail after the first write; time is the server's;
-- what lives outside of a function's body is set anew by `begin`, since it would outlive the call.

local NOW, NOWS

-- Integers as text without an exponent (Lua's own conversion keeps 14 digits).
local function int(number) return string.format('%d', number) end

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

local jobs, accounts, moved, entering, leaving, woken, changed, epoch, keep_files, fences, last_fence
-- Starts a call on the shard whose keys begin with `prefix`.
local function begin(prefix)
  local time = redis.call('TIME')
  NOW = time[1] * 1000 + math.floor(time[2] / 1000)
  NOWS = int(NOW)
  P, jobs, accounts, moved, entering, leaving, woken, changed = prefix, {}, {}, {}, {}, {}, {}, {}
  epoch, keep_files, fences = nil, nil, 0
end

-- What a call reads and changes of a job and of an account, once each: changes are made here, and `flush` writes them, one
-- command a record. Nothing else may write these fields of a record that has been read in the same call.
-- Counters and flags that are 0 are not written at first.
local function job_of(job)
  local j = jobs[job]
  if j then return j end
  local v = redis.call('HMGET', k_job(job), 'account', 'status', 'created', 'tag', 'left', 'failed', 'active', 'queued', 'uploads',
    'run', 'ver', 'credits')
  j = {account = v[1], status = v[2], created = v[3], tag = v[4], left = v[5], failed = v[6] or '0', active = v[7] or '0',
    queued = v[8] or '0', uploads = v[9] or '0', run = v[10] or '0', ver = v[11], credits = v[12], changes = {}}
  jobs[job] = j
  return j
end
local function account_of(account)
  local a = accounts[account]
  if a then return a end
  local v = redis.call('HMGET', k_account(account), 'balance', 'held', 'spent', 'active', 'max_concurrent', 'uploading',
    'max_waiting', 'suspended', 'frozen')
  a = {balance = v[1], held = v[2], spent = v[3], active = v[4], max_concurrent = v[5], uploading = v[6], max_waiting = v[7],
    suspended = v[8], frozen = v[9], changes = {}}
  accounts[account] = a
  return a
end

local function set(record, field, value)
  if record[field] ~= value then record[field], record.changes[field] = value, value end
end
local function add(record, field, amount) set(record, field, int((record[field] or 0) + amount)) end

-- What is to enter and to leave sorted sets, gathered until the end: one command a set. Within a call a member enters or
-- leaves a set, never both.
local function gathered(sets, key)
  local words = sets[key]
  if not words then
    words = {}
    sets[key] = words
  end
  return words
end
local function enter(key, score, member)
  local words = gathered(entering, key)
  words[#words + 1] = score
  words[#words + 1] = member
end
local function leave(key, member)
  local words = gathered(leaving, key)
  words[#words + 1] = member
end
-- No more at once than fit on Lua's stack; pairs stay together.
local function apply(command, sets)
  for key, words in pairs(sets) do
    for first = 1, #words, 1000 do redis.call(command, key, unpack(words, first, math.min(first + 999, #words))) end
  end
end

local function write(key, record)
  local fields = {}
  for field, value in pairs(record.changes) do
    fields[#fields + 1] = field
    fields[#fields + 1] = value
  end
  if fields[1] then redis.call('HSET', key, unpack(fields)) end
end

-- Writes what has changed, and announces what became ready and which jobs have changed; every call ends with it.
local function flush()
  for job, record in pairs(jobs) do write(k_job(job), record) end
  for account, record in pairs(accounts) do write(k_account(account), record) end
  -- A job that has changed its status is in the account's lists of the new one.
  for job, from in pairs(moved) do
    local j = jobs[job]
    if j and from ~= j.status then
      if from then leave(k_jobs_in(j.account, from), job) end
      enter(k_jobs_in(j.account, j.status), j.created, job)
      if j.tag then
        if from then leave(k_jobs_tagged_in(j.account, from, j.tag), job) end
        enter(k_jobs_tagged_in(j.account, j.status, j.tag), j.created, job)
      end
    end
  end
  apply('ZREM', leaving)
  apply('ZADD', entering)
  for lane in pairs(woken) do
    redis.call('PUBLISH', CHANNEL_READY, string.match(P, '%d+') .. ':' .. lane)
  end
  for job, version in pairs(changed) do redis.call('PUBLISH', CHANNEL_JOB .. job, version) end
end

-- Raises a job's version and returns it. Each change of a task, and of the job's status, has a version of its own, noted as
-- `ver` of the task or `sver` of the job: who has seen version n lacks exactly what carries a higher one.
local function touch(job)
  local record = jobs[job]
  if record then
    add(record, 'ver', 1)
    changed[job] = record.ver
  else
    changed[job] = redis.call('HINCRBY', k_job(job), 'ver', 1)
  end
  return changed[job]
end

-- Sets a job's status; `flush` moves it between the account's lists by status and by tag.
local function set_status(job, status)
  local j = job_of(job)
  if j.status == status then return end
  if moved[job] == nil then moved[job] = j.status end
  set(j, 'status', status)
  set(j, 'sver', touch(job))
end

-- One movement of credits: the account's three pots and the ledger entry, always together. What is 0 or empty in an entry is left out.
-- reserve: balance -> held; settle: held -> spent; refund: held -> balance; grant: from outside, with the operator's note.
local function book(account, kind, amount, job, task, run, note)
  if amount == 0 then return end
  local a, text = account_of(account), int(amount)
  local entry
  if kind == 'reserve' then
    entry = {'kind', kind, 'amount', text, 'balance', '-' .. text, 'held', text}
    add(a, 'balance', -amount)
    add(a, 'held', amount)
  elseif kind == 'settle' then
    entry = {'kind', kind, 'amount', text, 'held', '-' .. text, 'spent', text}
    add(a, 'held', -amount)
    add(a, 'spent', amount)
  elseif kind == 'refund' then
    entry = {'kind', kind, 'amount', text, 'balance', text, 'held', '-' .. text}
    add(a, 'balance', amount)
    add(a, 'held', -amount)
  else
    entry = {'kind', kind, 'amount', text, 'balance', text}
    add(a, 'balance', amount)
    redis.call('HINCRBY', k_account(account), 'granted', text)
  end
  if note then
    entry[#entry + 1] = 'note'
    entry[#entry + 1] = note
  end
  if run and run ~= '0' then
    entry[#entry + 1] = 'run'
    entry[#entry + 1] = run
  end
  local key = k_ledger(account)
  if task ~= '' then
    redis.call('XADD', key, '*', 'left', a.balance, 'job', job, 'task', task, unpack(entry))
  elseif job ~= '' then
    redis.call('XADD', key, '*', 'left', a.balance, 'job', job, unpack(entry))
  else
    redis.call('XADD', key, '*', 'left', a.balance, unpack(entry))
  end
end

-- The same for a job's tasks: what the job has cost changes with it.
local function move(account, kind, amount, job, task, run)
  book(account, kind, amount, job, task, run)
  if amount == 0 then return end
  if kind == 'reserve' then add(job_of(job), 'credits', amount)
  elseif kind == 'refund' then add(job_of(job), 'credits', -amount) end
end

-- An event for webhooks; when it was is in the entry's identifier.
local function event(name, account, job, task, run)
  if run and run ~= '0' then
    redis.call('XADD', k_outbox(), '*', 'event', name, 'account', account, 'job', job, 'task', task, 'run', run)
  elseif task ~= '' then
    redis.call('XADD', k_outbox(), '*', 'event', name, 'account', account, 'job', job, 'task', task)
  else
    redis.call('XADD', k_outbox(), '*', 'event', name, 'account', account, 'job', job)
  end
end

-- Puts a ready task into its account's line in a lane (its own, where the caller knows it): at the end, or, for a job that has
-- `begun`, behind the others of its kind and before all that have not, or, where it was running before, 'first' of all.
local function line_up(account, job, name, begun, lane)
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

-- The same for a task whose record does not say yet that it is ready.
local function enqueue(account, job, name, begun, lane)
  lane = lane or redis.call('HGET', k_task(job, name), 'lane')
  redis.call('HSET', k_task(job, name), 'ready', '1', 'ready_at', NOWS, 'deps', '0')
  line_up(account, job, name, begun, lane)
end

-- What `is_blocked` and `grant` have to know of a task, and its lane.
local function read_task(job, name)
  return redis.call('HMGET', k_task(job, name), 'status', 'ready', 'attempts', 'deps', 'lane', 'spec', 'losses', 'ready_at', 'file',
    'inputs', 'started', 'from', 'progress')
end

-- Whether a task that was read as `t` is behind its inputs, or in a job without a slot. One that has been ready, even if it
-- now pauses after a failure, no longer minds what becomes of an input that it has gone on without.
local function is_blocked(t) return t[1] == 'WAITING' and t[2] ~= '1' and (t[3] or '0') == '0' end

-- A number that no other lease of this shard has had. `count` says how many the call may still need: they are drawn at once, and
-- what is not used is lost.
local function next_fence(count)
  if fences == 0 then
    last_fence = redis.call('HINCRBY', k_meta(), 'fence', count)
    fences = count
  end
  fences = fences - 1
  return int(last_fence - fences)
end

-- Leases a ready task that was read as `t`. Returns the flat description that the worker gets. `results` are those of tasks
-- that are at hand; `count`: how many this call may still lease, this one among them.
local function grant(account, job, name, t, worker, ttl, random, from, results, count)
  epoch = epoch or redis.call('HGET', k_meta(), 'epoch') or '0'
  local fence = epoch .. '-' .. next_fence(count or 1) .. '-' .. random
  local fields = {'status', 'PROCESSING', 'fence', fence, 'worker', worker, 'ready', '0', 'ver', touch(job), 'started', t[11] or NOWS}
  -- What an earlier lease, or the wait for inputs, has left behind.
  if from ~= (t[12] or '') then
    fields[#fields + 1] = 'from'
    fields[#fields + 1] = from
  end
  if t[13] and t[13] ~= '0' then
    fields[#fields + 1] = 'progress'
    fields[#fields + 1] = '0'
  end
  if t[4] ~= '0' then
    fields[#fields + 1] = 'deps'
    fields[#fields + 1] = '0'
  end
  redis.call('HSET', k_task(job, name), unpack(fields))
  enter(k_leases(), int(NOW + ttl), job .. '/' .. name)
  local waited = from == '' and NOW - tonumber(t[8] or NOWS) or 0
  local lease = {account, job, fence, t[6], t[3] or '0', t[7] or '0', int(math.max(0, waited)), t[9] or ''}
  for input in words(t[10]) do
    -- An input that failed and may (`ignore_error`) has no result: the task goes on without its files.
    lease[#lease + 1] = results[input] or redis.call('HGET', k_task(job, input), 'result') or '{}'
  end
  return lease
end

-- Gives a job a slot.
local function activate(account, job)
  local j = job_of(job)
  add(account_of(account), 'active', 1)
  set_status(job, 'PROCESSING')
  set(j, 'active', '1')
  set(j, 'queued', '0')
  for name in words(redis.call('HGET', k_job(job), 'tasks')) do
    local t = redis.call('HMGET', k_task(job, name), 'status', 'deps', 'lane')
    if t[1] == 'WAITING' and t[2] == '0' then enqueue(account, job, name, false, t[3]) end
  end
end

-- Whether a job of the account could have a slot now.
local function has_slot(account)
  local a = account_of(account)
  return tonumber(a.active or '0') < tonumber(a.max_concurrent or '0')
end

-- Gives a job that has all its bytes a slot, or its place in the account's queue.
local function queue_job(account, job)
  if has_slot(account) then return activate(account, job) end
  set_status(job, 'WAITING')
  set(job_of(job), 'queued', '1')
  redis.call('RPUSH', k_waiting(account), job)
end

-- Fills free slots from the account's queue; jobs that were deleted meanwhile are passed over.
local function start_waiting(account)
  while has_slot(account) do
    local job = redis.call('LPOP', k_waiting(account))
    if not job then break end
    if job_of(job).queued == '1' then activate(account, job) end
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
    add(job_of(job), 'uploads', -1)
    add(account_of(account), 'uploading', -1)
  end
  local kept = is_charged(status, t[1] == 'PROCESSING', err)
  move(account, kept and 'settle' or 'refund', tonumber(t[2]), job, name, t[3])
  add(job_of(job), 'left', -1)
  if not ignored then
    add(job_of(job), 'failed', 1)
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
  local active = job_of(job).active == '1'
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
  local j = job_of(job)
  if j.left == '0' then
    local failed, was_active = j.failed ~= '0', j.active == '1'
    -- A job that is cancelled in the line gives up its place.
    if j.queued == '1' then redis.call('LREM', k_waiting(account), 1, job) end
    set_status(job, failed and 'ERROR' or 'FINISHED')
    set(j, 'ended', NOWS)
    set(j, 'queued', '0')
    set(j, 'active', '0')
    keep_files = keep_files or tonumber(redis.call('HGET', k_meta(), 'keep_files') or '86400000')
    enter(k_expiry(), int(NOW + keep_files), account .. '/' .. job)
    event(failed and 'job.failed' or 'job.finished', account, job, '', j.run)
    if was_active then
      add(account_of(account), 'active', -1)
      start_waiting(account)
    end
    redis.call('PUBLISH', CHANNEL_DONE, job)
  elseif j.status == 'WAITING' and j.active == '0' and j.uploads == '0' and j.queued == '0' then
    queue_job(account, job)
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

-- Makes `body` callable: one key, the shard's prefix, and the arguments as its ARGV.
local function register(name, body)
  redis.register_function(FUNCTIONS .. name, function(keys, args)
    begin(keys[1])
    local reply = body(args)
    flush()
    return reply
  end)
end

-- The same for several calls in one, in the order of their arguments: how many each has, then those. What they read and write of
-- the same records is read and written once. A call that fails does so alone. Replies an array of their replies,
-- {'failed', why} for such a one.
local function register_many(name, body)
  redis.register_function(FUNCTIONS .. name, function(keys, args)
    begin(keys[1])
    local replies, at = {}, 1
    while at <= #args do
      local count, own = tonumber(args[at]), nil
      if count <= 1000 then
        own = {unpack(args, at + 1, at + count)}
      else
        -- More than fit on Lua's stack.
        own = {}
        for i = 1, count do own[i] = args[at + i] end
      end
      at = at + count + 1
      local done, reply = pcall(body, own)
      replies[#replies + 1] = done and reply or {'failed', type(reply) == 'table' and reply.err or tostring(reply)}
    end
    flush()
    return replies
  end)
end
