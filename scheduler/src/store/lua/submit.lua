-- ARGV: account, job, tag, key id, choices (JSON), claim; then per task:
--   name, spec, lane, price, deps, next, inputs, slot, slot lifetime ms, file, '1' for ignore_error
-- Replies {'ok', status, credits, balance} | {'exists'} | {'claim'} | {'account'} | {'credits', needed, balance} | {'full', limit}
--   | {'suspended'} | {'frozen'}
local account, job = ARGV[1], ARGV[2]
local a = redis.call('HMGET', k_account(account), 'balance', 'active', 'max_concurrent', 'max_waiting', 'uploading', 'suspended', 'frozen')
if not a[1] then return {'account'} end
if a[6] then return {'suspended'} end
if redis.call('EXISTS', k_job(job)) == 1 then return {'exists'} end
if claim_lost(account, ARGV[6]) then return {'claim'} end
local price, uploads, count = 0, 0, 0
for i = 7, #ARGV, 11 do
  price = price + tonumber(ARGV[i + 3])
  if ARGV[i + 7] ~= '' then uploads = uploads + 1 end
  count = count + 1
end
if price > 0 and a[7] then return {'frozen'} end
if tonumber(a[1]) < price then return {'credits', price, a[1]} end
if uploads > 0 or tonumber(a[2] or '0') >= tonumber(a[3]) then
  local waiting = redis.call('LLEN', k_waiting(account)) + tonumber(a[5] or '0')
  if waiting + math.max(1, uploads) > tonumber(a[4]) then return {'full', a[4]} end
end

local fail_fast = ARGV[5] ~= '{}' and cjson.decode(ARGV[5]).fail_fast

local names, ready = {}, {}
for i = 7, #ARGV, 11 do
  local name = ARGV[i]
  names[#names + 1] = name
  if ARGV[i + 4] == '0' then ready[#ready + 1] = {name, ARGV[i + 2]} end
  redis.call('HSET', k_task(job, name), 'status', 'WAITING', 'spec', ARGV[i + 1], 'lane', ARGV[i + 2], 'price', ARGV[i + 3],
    'deps', ARGV[i + 4], 'next', ARGV[i + 5], 'inputs', ARGV[i + 6], 'attempts', '0', 'losses', '0', 'run', '0', 'ready', '0')
  if ARGV[i + 7] ~= '' then
    local expires = int(NOW + tonumber(ARGV[i + 8]))
    redis.call('HSET', k_task(job, name), 'slot', ARGV[i + 7], 'slot_expires', expires)
    redis.call('HSET', k_job(job), 'slot:' .. ARGV[i + 7], name)
    redis.call('ZADD', k_uploads(), expires, job .. '/' .. name)
  end
  if ARGV[i + 9] ~= '' then redis.call('HSET', k_task(job, name), 'file', ARGV[i + 9]) end
  if ARGV[i + 10] ~= '' then redis.call('HSET', k_task(job, name), 'ignore', ARGV[i + 10]) end
end
local fields = {'v', '1', 'account', account, 'created', NOWS, 'tasks', table.concat(names, ' '), 'left', count, 'failed', '0',
  'active', '0', 'queued', '0', 'uploads', uploads, 'credits', '0', 'run', '0', 'ver', '1'}
local function field(name, value)
  fields[#fields + 1] = name
  fields[#fields + 1] = value
end
if ARGV[3] ~= '' then
  field('tag', ARGV[3])
  redis.call('ZADD', k_jobs_tagged(account, ARGV[3]), NOWS, job)
end
if ARGV[4] ~= '' then field('key', ARGV[4]) end
if ARGV[5] ~= '{}' then field('choices', ARGV[5]) end
if fail_fast then field('fail_fast', '1') end
redis.call('HSET', k_job(job), unpack(fields))
redis.call('ZADD', k_account_jobs(account), NOWS, job)
if uploads > 0 then redis.call('HINCRBY', k_account(account), 'uploading', uploads) end
bind_claim(account, ARGV[6], job)
move(account, 'reserve', price, job, '', '0')
local known, status = {false, NOWS, ARGV[3] ~= '' and ARGV[3]}, 'WAITING'
if uploads == 0 then status = queue_job(account, job, ready, known) else set_status(account, job, status, known) end
flush()
return {'ok', status, price, int(a[1] - price)}
