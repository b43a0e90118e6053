-- ARGV: account, digest of the Idempotency-Key, fingerprint of the request, owner, lease ms, lifetime ms
-- A request claims its key. One whose process died gives the key up when its lease ends, and what it had bound stays.
-- Replies {'go'} | {'resume', what was done} | {'answered', answer} | {'busy', ms} | {'other'}
local key = k_claim(ARGV[1], ARGV[2])
local c = redis.call('HMGET', key, 'print', 'answer', 'until', 'bound')
if c[1] and c[1] ~= ARGV[3] then return {'other'} end
if c[2] then return {'answered', c[2]} end
if c[3] and tonumber(c[3]) > NOW then return {'busy', int(tonumber(c[3]) - NOW)} end
redis.call('HSET', key, 'print', ARGV[3], 'owner', ARGV[4], 'until', int(NOW + tonumber(ARGV[5])))
if not c[1] then redis.call('PEXPIRE', key, ARGV[6]) end
if c[4] then return {'resume', c[4]} end
return {'go'}
