-- ARGV: account, sealed secret, '' to only make one where there is none, or ms for which the old one stays valid.
-- Replies the sealed secret in force, '' for no such account.
local key = k_account(ARGV[1])
if redis.call('EXISTS', key) == 0 then return '' end
local old = redis.call('HGET', key, 'webhook_secret')
if old and ARGV[3] == '' then return old end
redis.call('HSET', key, 'webhook_secret', ARGV[2])
if old then redis.call('HSET', key, 'webhook_secret_old', old, 'webhook_secret_until', int(NOW + tonumber(ARGV[3]))) end
return ARGV[2]
