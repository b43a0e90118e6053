-- ARGV: grace ms for a lease that is listed nowhere, tasks to look at before stopping, then jobs. An unfinished task is in exactly one place: leased, paused,
-- awaiting its bytes, ready in its lane, or behind its inputs. What is not where its record says is put there.
-- Replies {jobs looked at, mended, {{account, lane or '' for the line of jobs, task or job, ready since}…}}: places in lists, which
-- the caller compares with the lists, read once for all; looking for each one here would cost the length of the list.
local grace, budget, looked, mended, listed = tonumber(ARGV[1]), tonumber(ARGV[2]), 0, 0, {}

local function only_in(index, ref, score)
  for _, key in ipairs({k_leases(), k_delayed(), k_uploads()}) do
    local have = redis.call('ZSCORE', key, ref)
    if key == index and not have then
      redis.call('ZADD', key, score, ref)
      mended = mended + 1
    elseif key ~= index and have then
      redis.call('ZREM', key, ref)
      mended = mended + 1
    end
  end
end

local function has_turn(account, lane)
  if redis.call('ZSCORE', k_lane(lane), account) then return end
  redis.call('ZADD', k_lane(lane), redis.call('HGET', k_meta(), 'clock:' .. lane) or '0', account)
  woken[lane] = true
  mended = mended + 1
end

local function look_at_task(account, job, active, name)
  local ref = job .. '/' .. name
  local t = redis.call('HMGET', k_task(job, name), 'status', 'ready', 'deps', 'lane', 'ready_at', 'slot', 'file', 'slot_expires')
  if t[1] == 'PROCESSING' then
    -- Its worker may live: the next heartbeat extends this; if there is none, the reaper comes.
    only_in(k_leases(), ref, int(NOW + grace))
  elseif t[1] ~= 'WAITING' then
    return 0, 0
  elseif t[6] and not t[7] then
    only_in(k_uploads(), ref, t[8])
    return 1, 1
  elseif not active or t[3] ~= '0' then
    only_in('', ref)
  elseif t[2] == '1' then
    only_in('', ref)
    has_turn(account, t[4])
    listed[#listed + 1] = {account, t[4], ref, t[5] or '0'}
  elseif redis.call('ZSCORE', k_delayed(), ref) then
    only_in(k_delayed(), ref, NOWS)
  else
    only_in('', ref)
    enqueue(account, job, name, false)
    mended = mended + 1
  end
  return 1, 0
end

for i = 3, #ARGV do
  if budget <= 0 then break end
  local job = ARGV[i]
  looked = looked + 1
  local j = job_of(job)
  local account = j.account
  if account and (j.status == 'FINISHED' or j.status == 'ERROR') then
    if not redis.call('ZSCORE', k_expiry(), account .. '/' .. job) then
      local keep = tonumber(redis.call('HGET', k_meta(), 'keep_files') or '86400000')
      redis.call('ZADD', k_expiry(), int(NOW + keep), account .. '/' .. job)
      mended = mended + 1
    end
  elseif account then
    local left, uploads = 0, 0
    for name in words(redis.call('HGET', k_job(job), 'tasks')) do
      budget = budget - 1
      local unfinished, awaited = look_at_task(account, job, j.active == '1', name)
      left, uploads = left + unfinished, uploads + awaited
    end
    if int(uploads) ~= j.uploads then
      set(j, 'uploads', int(uploads))
      mended = mended + 1
    end
    if left > 0 and j.active ~= '1' and j.queued == '1' then
      listed[#listed + 1] = {account, '', job, '0'}
    elseif left == 0 or (j.active ~= '1' and uploads == 0) then
      set(j, 'left', int(left))
      settle_job(account, job)
      mended = mended + 1
    end
  end
end
return {looked, mended, listed}
