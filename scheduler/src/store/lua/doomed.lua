-- ARGV: batch, or account/job whose files have been removed once more.
-- One number: replies the deleted jobs whose files are to be removed. A name: removes it, or sets it for the last time: by then
-- even a worker that hung in the middle of a large file has ended.
local LAST = 900000
local batch = tonumber(ARGV[1])
if batch then return redis.call('ZRANGEBYSCORE', k_doomed(), '-inf', NOWS, 'LIMIT', 0, batch) end
local account, job, last = string.match(ARGV[1], '^([^/]+)/([^/]+)(/?)')
if redis.call('ZREM', k_doomed(), ARGV[1]) == 1 and last == '' then
  redis.call('ZADD', k_doomed(), int(NOW + LAST), account .. '/' .. job .. '/last')
end
return {}
