-- ARGV: account, job, tag, key id, choices (JSON), claim; then per task:
--   name, spec, lane, price, deps, next, inputs, slot, slot lifetime ms, file, '1' for ignore_error
-- Replies {'ok', status, credits, balance} | {'exists'} | {'claim'} | {'account'} | {'credits', needed, balance} | {'full', limit}
--   | {'suspended'} | {'frozen'}
local account, job = ARGV[1], ARGV[2]
local a = account_of(account)
if not a.balance then return {'account'} end
if a.suspended then return {'suspended'} end
if redis.call('EXISTS', k_job(job)) == 1 then return {'exists'} end
if claim_lost(account, ARGV[6]) then return {'claim'} end
local price, uploads, count = 0, 0, 0
for i = 7, #ARGV, 11 do
  price = price + tonumber(ARGV[i + 3])
  if ARGV[i + 7] ~= '' then uploads = uploads + 1 end
  count = count + 1
end
if price > 0 and a.frozen then return {'frozen'} end
if tonumber(a.balance) < price then return {'credits', price, a.balance} end
local starts = uploads == 0 and has_slot(account)
if not starts then
  local waiting = redis.call('LLEN', k_waiting(account)) + tonumber(a.uploading or '0')
  if waiting + math.max(1, uploads) > tonumber(a.max_waiting) then return {'full', a.max_waiting} end
end

local fail_fast = ARGV[5] ~= '{}' and cjson.decode(ARGV[5]).fail_fast

-- Every record is written once, as it stands at the end of this call, without what is 0 or empty.
local status, queued, tag = starts and 'PROCESSING' or 'WAITING', uploads == 0 and not starts, ARGV[3]
local names, slots, ready = {}, {}, {}
for i = 7, #ARGV, 11 do
  local name = ARGV[i]
  names[#names + 1] = name
  local task = {'status', 'WAITING', 'spec', ARGV[i + 1], 'lane', ARGV[i + 2], 'price', ARGV[i + 3], 'deps', ARGV[i + 4]}
  local length = 10
  local function note(field, value)
    task[length + 1], task[length + 2] = field, value
    length = length + 2
  end
  if starts and ARGV[i + 4] == '0' then
    ready[#ready + 1] = {name, ARGV[i + 2]}
    note('ready', '1')
    note('ready_at', NOWS)
  end
  if ARGV[i + 5] ~= '' then note('next', ARGV[i + 5]) end
  if ARGV[i + 6] ~= '' then note('inputs', ARGV[i + 6]) end
  if ARGV[i + 7] ~= '' then
    local expires = int(NOW + tonumber(ARGV[i + 8]))
    note('slot', ARGV[i + 7])
    note('slot_expires', expires)
    slots[#slots + 1] = 'slot:' .. ARGV[i + 7]
    slots[#slots + 1] = name
    enter(k_uploads(), expires, job .. '/' .. name)
  end
  if ARGV[i + 9] ~= '' then note('file', ARGV[i + 9]) end
  if ARGV[i + 10] ~= '' then note('ignore', ARGV[i + 10]) end
  redis.call('HSET', k_task(job, name), unpack(task))
end
local fields = {'v', '1', 'account', account, 'status', status, 'created', NOWS, 'left', int(count), 'ver', '2', 'sver', '2',
  'credits', int(price), 'tasks', table.concat(names, ' ')}
local function field(name, value)
  fields[#fields + 1] = name
  fields[#fields + 1] = value
end
if starts then field('active', '1') end
if queued then field('queued', '1') end
if uploads > 0 then field('uploads', int(uploads)) end
if tag ~= '' then
  field('tag', tag)
  enter(k_jobs_tagged(account, tag), NOWS, job)
  enter(k_jobs_tagged_in(account, status, tag), NOWS, job)
end
if ARGV[4] ~= '' then field('key', ARGV[4]) end
if ARGV[5] ~= '{}' then field('choices', ARGV[5]) end
if fail_fast then field('fail_fast', '1') end
redis.call('HSET', k_job(job), unpack(fields))
if slots[1] then redis.call('HSET', k_job(job), unpack(slots)) end
enter(k_account_jobs(account), NOWS, job)
enter(k_jobs_in(account, status), NOWS, job)
if uploads > 0 then add(a, 'uploading', uploads) end
bind_claim(account, ARGV[6], job)
book(account, 'reserve', price, job, '', '0')
if starts then
  add(a, 'active', 1)
  for _, task in ipairs(ready) do line_up(account, job, task[1], false, task[2]) end
elseif queued then
  redis.call('RPUSH', k_waiting(account), job)
end
return {'ok', status, price, a.balance}
