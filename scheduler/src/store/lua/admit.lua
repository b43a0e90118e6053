-- Counts a request against its bucket. It runs with every request, so its counter is kept out of the append-only file: a read
-- must not wait for the disk. After a crash of Redis the running window begins anew.
-- ARGV: account ('' for a caller without a key), bucket, limit ('' for the account's), window ms, requests (0 only looks)
-- Replies {'missing'} | {'ok' or 'over', limit, used, end of the window ms, now ms, balance, '1' if suspended}
local account, bucket, window, requests = ARGV[1], ARGV[2], tonumber(ARGV[4]), tonumber(ARGV[5])
local limit, balance, suspended = ARGV[3], '', ''
if account ~= '' then
  local a = redis.call('HMGET', k_account(account), 'rpm', 'balance', 'suspended')
  -- A key that was revoked is nobody's, whatever a process still remembers of it.
  if not a[2] or redis.call('HEXISTS', k_key_records(account), bucket) == 0 then return {'missing'} end
  if limit == '' then limit = a[1] or '0' end
  balance, suspended = a[2], a[3] or ''
end
-- Windows are aligned to the clock, and each has a counter of its own: the last one can never leak into the next.
local number = math.floor(NOW / window)
local ends = int((number + 1) * window)
local key = k_rate(bucket, int(number))
local used = tonumber(redis.call('GET', key) or '0')
local word = 'ok'
if used + requests > tonumber(limit) then
  word = 'over'
elseif requests > 0 then
  redis.set_repl(redis.REPL_NONE)
  used = redis.call('INCRBY', key, requests)
  redis.call('PEXPIREAT', key, ends)
end
return {word, limit, int(used), ends, NOWS, balance, suspended}
