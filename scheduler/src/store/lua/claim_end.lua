-- ARGV: account, digest, owner, then one of: 'renew', lease ms | 'answer', answer | 'leave' | 'drop'
-- renew: goes on; answer: what every later request gets; leave: the outcome is uncertain, the next request finds out;
-- drop: nothing happened, the key is free again. Replies 1, or 0 when another request has taken the key over.
local key = k_claim(ARGV[1], ARGV[2])
local c = redis.call('HMGET', key, 'owner', 'bound')
if c[1] ~= ARGV[3] then return 0 end
if ARGV[4] == 'renew' then
  redis.call('HSET', key, 'until', int(NOW + tonumber(ARGV[5])))
elseif ARGV[4] == 'answer' then
  redis.call('HSET', key, 'answer', ARGV[5], 'owner', '', 'until', '0')
elseif ARGV[4] == 'leave' or c[2] then
  redis.call('HSET', key, 'owner', '', 'until', '0')
else
  redis.call('DEL', key)
end
return 1
