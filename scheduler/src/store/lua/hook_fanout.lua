-- ARGV: batch. Turns the outbox's next events into deliveries to every endpoint that wants them. The place up to which the
-- outbox has been read moves in the same step, so each event is taken once, whoever calls and however often.
-- Replies {events taken, where the reading stands}
local cursor = redis.call('HGET', k_meta(), 'fanout') or '0-0'
local entries = redis.call('XRANGE', k_outbox(), '(' .. cursor, '+', 'COUNT', ARGV[1])
if #entries == 0 then return {0, cursor} end
local touched = {}
for _, entry in ipairs(entries) do
  local e = {}
  for i = 1, #entry[2], 2 do e[entry[2][i]] = entry[2][i + 1] end
  e.task, e.run, e.at = e.task or '', e.run or '0', e.at or string.match(entry[1], '^%d+')
  local j = redis.call('HMGET', k_job(e.job), 'account', 'choices')
  -- A job that was deleted says nothing more.
  if j[1] == e.account then
    local d = {event = 'evt_' .. string.sub(redis.sha1hex(P .. entry[1] .. e.job .. e.task), 1, 32), name = e.event,
      account = e.account, job = e.job, task = e.task, run = e.run, at = e.at}
    for _, hook in ipairs(redis.call('ZRANGE', k_account_webhooks(e.account), 0, -1)) do
      local w = redis.call('HMGET', k_webhook(hook), 'status', 'events', 'created')
      if w[1] == 'active' and tonumber(w[3]) <= tonumber(e.at) and string.find(' ' .. w[2] .. ' ', ' ' .. e.event .. ' ', 1, true) then
        add_delivery(hook, d)
        touched[hook] = true
      end
    end
    if e.task == '' and j[2] then
      local url = cjson.decode(j[2]).webhook_url
      if type(url) == 'string' then
        local hook = 'whj_' .. string.sub(redis.sha1hex(e.account .. ' ' .. url), 1, 32)
        redis.call('HSET', k_webhook(hook), 'account', e.account, 'url', url, 'kind', 'job', 'status', 'active')
        redis.call('EXPIRE', k_webhook(hook), HOOK_TTL)
        add_delivery(hook, d)
        touched[hook] = true
      end
    end
  end
  cursor = entry[1]
end
for hook in pairs(touched) do schedule_hook(hook) end
redis.call('HSET', k_meta(), 'fanout', cursor)
return {#entries, cursor}
