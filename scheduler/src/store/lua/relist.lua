-- ARGV: triples account, lane or '' for the line of jobs, task or job, that were not found where they are to be listed.
-- Looks again, and lists what is still missing. Replies how many.
local mended = 0
for i = 1, #ARGV, 3 do
  local account, lane, ref = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  if lane == '' then
    if job_of(ref).queued == '1' and not redis.call('LPOS', k_waiting(account), ref) then
      redis.call('RPUSH', k_waiting(account), ref)
      start_waiting(account)
      mended = mended + 1
    end
  else
    local job, name = string.match(ref, '^(.-)/(.+)$')
    local t = redis.call('HMGET', k_task(job, name), 'status', 'ready')
    if t[1] == 'WAITING' and t[2] == '1' and not redis.call('LPOS', k_lane_tasks(lane, account), ref)
      and not redis.call('LPOS', k_lane_begun(lane, account), ref) then
      enqueue(account, job, name, false)
      mended = mended + 1
    end
  end
end
return mended
