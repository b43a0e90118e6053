-- ARGV: the server's run id. A new server process starts a new epoch of fences. Replies the epoch.
if redis.call('HGET', k_meta(), 'server') ~= ARGV[1] then
  redis.call('HSET', k_meta(), 'server', ARGV[1])
  return redis.call('HINCRBY', k_meta(), 'epoch', 1)
end
return tonumber(redis.call('HGET', k_meta(), 'epoch'))
