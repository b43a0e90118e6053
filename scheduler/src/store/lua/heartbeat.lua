-- ARGV: ttl ms, then triples job, task, fence, progress ('' for none). Replies an array of 1 (held) or 0 (lost).
local reply = {}
for i = 2, #ARGV, 4 do
  local key = k_task(ARGV[i], ARGV[i + 1])
  local t = redis.call('HMGET', key, 'status', 'fence', 'progress')
  if t[1] == 'PROCESSING' and t[2] == ARGV[i + 2] then
    redis.call('ZADD', k_leases(), 'XX', int(NOW + tonumber(ARGV[1])), ARGV[i] .. '/' .. ARGV[i + 1])
    if ARGV[i + 3] ~= '' and tonumber(ARGV[i + 3]) ~= tonumber(t[3]) then
      redis.call('HSET', key, 'progress', ARGV[i + 3], 'ver', touch(ARGV[i]))
    end
    reply[#reply + 1] = 1
  else
    reply[#reply + 1] = 0
  end
end
return reply
