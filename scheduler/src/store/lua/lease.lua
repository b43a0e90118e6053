-- ARGV: worker, ttl ms, random, then pairs lane, slots. Replies an array of leases.
local leases, weights = {}, {}

local function weight_of(account)
  weights[account] = weights[account] or math.max(1, tonumber(redis.call('HGET', k_account(account), 'weight') or '1'))
  return weights[account]
end

-- One account's turns, until its slots or tasks are used up or another one is before it: {name, time}, or nothing where it is alone.
-- Returns how many slots are left.
local function serve(lane, slots, account, at, other, other_at)
  local step, served = 1 / weight_of(account), nil
  while slots > 0 do
    -- Alone, it gets all the slots at once.
    local count = other and 1 or slots
    local refs = redis.call('LPOP', k_lane_begun(lane, account), count) or redis.call('LPOP', k_lane_tasks(lane, account), count)
    if not refs then
      redis.call('HSET', k_lane_times(lane), account, string.format('%.17g', at))
      redis.call('ZREM', k_lane(lane), account)
      break
    end
    for _, ref in ipairs(refs) do
      local job, name = string.match(ref, '^(.-)/(.+)$')
      -- A place in line outlives a cancelled, deleted or already leased task: pass it over.
      local t = read_task(job, name)
      if t[1] == 'WAITING' and t[2] == '1' then
        leases[#leases + 1] = grant(account, job, name, t, ARGV[1], tonumber(ARGV[2]), ARGV[3], '', {}, #refs)
        slots, served, at = slots - 1, at, at + step
      end
    end
    if served then redis.call('ZADD', k_lane(lane), string.format('%.17g', at), account) end
    if other and (at > other_at or (at == other_at and account > other)) then break end
  end
  if served then redis.call('HSET', k_meta(), 'clock:' .. lane, string.format('%.17g', served)) end
  return slots
end

for i = 4, #ARGV, 2 do
  local lane, slots = ARGV[i], tonumber(ARGV[i + 1])
  while slots > 0 do
    local turn = redis.call('ZRANGE', k_lane(lane), 0, 1, 'WITHSCORES')
    if not turn[1] then break end
    slots = serve(lane, slots, turn[1], tonumber(turn[2]), turn[3], tonumber(turn[4] or '0'))
  end
end
return leases
