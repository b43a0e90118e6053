-- ARGV: account, job, slot, op, holder, hold ms, progress (JSON), longest life ms.
-- op: 'look' reads; 'take' takes the slot for one request; 'note' writes the progress and keeps the slot for hold ms more, or
-- gives it back with 0. Replies {'ok' | 'arrived' | 'ended' | 'missing' | 'held' | 'lost', progress, expires, file}
local account, job, slot, op, holder = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local j = redis.call('HMGET', k_job(job), 'account', 'slot:' .. slot, 'created')
if j[1] ~= account or not j[2] then return {'missing'} end
local key, ref = k_task(job, j[2]), job .. '/' .. j[2]
local t = redis.call('HMGET', key, 'status', 'file', 'growing', 'growing_held', 'slot_expires')
local function reply(word, progress) return {word, progress or t[3] or '', t[5] or '0', t[2] or ''} end
if t[2] then return reply('arrived') end
if t[1] ~= 'WAITING' then return reply('ended') end
if op == 'look' then return reply('ok') end
local other, til = string.match(t[4] or '', '^(%S+) (%d+)$')
if op == 'take' and other and other ~= holder and tonumber(til) > NOW then return reply('held') end
if op == 'note' and other ~= holder then return reply('lost') end

local hold = tonumber(ARGV[6])
if hold > 0 then redis.call('HSET', key, 'growing_held', holder .. ' ' .. int(NOW + hold))
else redis.call('HDEL', key, 'growing_held') end
if op == 'note' and ARGV[7] ~= t[3] then
  if ARGV[7] == '' then redis.call('HDEL', key, 'growing') else redis.call('HSET', key, 'growing', ARGV[7]) end
  -- An upload that makes progress does not expire, within bounds: it has an hour from its last byte.
  local expires = math.min(NOW + 3600000, tonumber(j[3]) + tonumber(ARGV[8]))
  if expires > tonumber(t[5] or '0') then
    t[5] = int(expires)
    redis.call('HSET', key, 'slot_expires', t[5])
    redis.call('ZADD', k_uploads(), t[5], ref)
    touch(job)
  end
end
return reply('ok', ARGV[7] ~= '' and ARGV[7] or (op == 'note' and '' or nil))
