-- ARGV: batch, or account/job whose files are gone and how long the record stays.
-- One argument: replies the jobs that are due, {ref, 'files' | 'record'}. Two: notes that the files are gone.
if #ARGV == 1 then
  local reply = {}
  for _, ref in ipairs(redis.call('ZRANGEBYSCORE', k_expiry(), '-inf', NOWS, 'LIMIT', 0, ARGV[1])) do
    local job = string.match(ref, '/(.+)$')
    reply[#reply + 1] = {ref, redis.call('HGET', k_job(job), 'files') == 'gone' and 'record' or 'files'}
  end
  return reply
end
local job = string.match(ARGV[1], '/(.+)$')
if redis.call('ZSCORE', k_expiry(), ARGV[1]) then
  redis.call('HSET', k_job(job), 'files', 'gone')
  redis.call('ZADD', k_expiry(), int(NOW + tonumber(ARGV[2])), ARGV[1])
  touch(job)
end
return 'ok'
