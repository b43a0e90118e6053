-- ARGV: worker, ttl ms, random, then pairs lane, slots. Replies an array of leases.
local leases = {}
for i = 4, #ARGV, 2 do
  local lane, slots = ARGV[i], tonumber(ARGV[i + 1])
  while slots > 0 do
    local turn = redis.call('ZRANGE', k_lane(lane), 0, 0, 'WITHSCORES')
    local account = turn[1]
    if not account then break end
    local ref = redis.call('LPOP', k_lane_tasks(lane, account))
    if not ref then
      redis.call('HSET', k_lane_times(lane), account, turn[2])
      redis.call('ZREM', k_lane(lane), account)
    else
      local job, name = string.match(ref, '^(.-)/(.+)$')
      local t = redis.call('HMGET', k_task(job, name), 'status', 'ready')
      -- A place in line outlives a cancelled, deleted or already leased task: pass it over.
      if t[1] == 'WAITING' and t[2] == '1' then
        leases[#leases + 1] = grant(account, job, name, ARGV[1], tonumber(ARGV[2]), ARGV[3], '')
        slots = slots - 1
        local weight = math.max(1, tonumber(redis.call('HGET', k_account(account), 'weight') or '1'))
        redis.call('HSET', k_meta(), 'clock:' .. lane, turn[2])
        redis.call('ZADD', k_lane(lane), string.format('%.17g', tonumber(turn[2]) + 1 / weight), account)
      end
    end
  end
end
flush()
return leases
