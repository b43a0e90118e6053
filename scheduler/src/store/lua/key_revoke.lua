-- ARGV: account, key id, '1' to revoke even the last one that can manage keys, '1' to revoke test keys alone.
-- Replies {'ok', hash} | {'missing'} | {'last'} | {'live'}
local account, id = ARGV[1], ARGV[2]
local record = redis.call('HGET', k_key_records(account), id)
if not record then return {'missing'} end
local function manages(key)
  if key.test then return false end
  for _, scope in ipairs(key.scopes) do
    if scope == '*' then return true end
  end
  return false
end
local key = cjson.decode(record)
if ARGV[4] == '1' and not key.test then return {'live'} end
if ARGV[3] ~= '1' and manages(key) then
  local others = 0
  for _, other in ipairs(redis.call('HVALS', k_key_records(account))) do
    if manages(cjson.decode(other)) then others = others + 1 end
  end
  if others < 2 then return {'last'} end
end
redis.call('HDEL', k_key_records(account), id)
redis.call('HDEL', k_key_uses(account), id)
redis.call('PUBLISH', CHANNEL_KEYS, key.hash)
return {'ok', key.hash}
