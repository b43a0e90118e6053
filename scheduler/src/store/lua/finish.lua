-- ARGV: job, task, fence, result, explain, worker, ttl ms, random, what the work is worth ('' for what was reserved), then the
-- lanes that the worker continues in, each as often as it has a slot there.
-- Replies {'ok' | 'already', lease…} | {'stale'}
local job, name, fence = ARGV[1], ARGV[2], ARGV[3]
local key = k_task(job, name)
local t = redis.call('HMGET', key, 'status', 'fence', 'price', 'run', 'next')
if t[2] ~= fence then return {'stale'} end
local j = job_of(job)
local account = j.account
if not account then return {'stale'} end
local lanes = {}
for i = 10, #ARGV do lanes[ARGV[i]] = (lanes[ARGV[i]] or 0) + 1 end

if t[1] == 'FINISHED' then
  -- The same call again after a lost reply: hand out once more what it had leased.
  local reply = {'already'}
  for dependent in words(t[5]) do
    local d = redis.call('HMGET', k_task(job, dependent), 'status', 'from', 'worker')
    if d[1] == 'PROCESSING' and d[2] == fence and d[3] == ARGV[6] then
      reply[#reply + 1] = grant(account, job, dependent, read_task(job, dependent), ARGV[6], tonumber(ARGV[7]), ARGV[8],
        fence, {})
    end
  end
  return reply
end
if t[1] ~= 'PROCESSING' then return {'stale'} end

leave(k_leases(), job .. '/' .. name)
redis.call('HSET', key, 'status', 'FINISHED', 'result', ARGV[4], 'explain', ARGV[5], 'ended', NOWS,
  'ver', touch(job))
-- Never more than was promised: what turned out to be cheaper gives the rest back.
local reserved = tonumber(t[3])
local charged = math.min(reserved, tonumber(ARGV[9]) or reserved)
move(account, 'settle', charged, job, name, t[4])
move(account, 'refund', reserved - charged, job, name, t[4])
event('task.finished', account, job, name, t[4])
local reply, ready = {'ok'}, {}
for dependent in words(t[5]) do
  local d = read_task(job, dependent)
  if is_blocked(d) then
    if d[4] ~= '1' then
      redis.call('HINCRBY', k_task(job, dependent), 'deps', -1)
    elseif (lanes[d[5]] or 0) > 0 then
      -- Continuation: successors stay on this node, whose scratch still holds their input, as long as it has slots for them.
      lanes[d[5]] = lanes[d[5]] - 1
      reply[#reply + 1] = grant(account, job, dependent, d, ARGV[6], tonumber(ARGV[7]), ARGV[8], fence, {[name] = ARGV[4]})
    else
      ready[#ready + 1] = {dependent, d[5]}
    end
  end
end
-- A job that has begun ends soon; among those the oldest comes first, or it would wait for as long as others begin.
for _, task in ipairs(ready) do enqueue(account, job, task[1], true, task[2]) end
add(j, 'left', -1)
if j.left == '0' then settle_job(account, job) end
return reply
