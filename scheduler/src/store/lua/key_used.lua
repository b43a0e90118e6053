-- ARGV: account, key id. Notes that the key was used now; a revoked one leaves no trace.
if redis.call('HEXISTS', k_key_records(ARGV[1]), ARGV[2]) == 0 then return 0 end
redis.call('HSET', k_key_uses(ARGV[1]), ARGV[2], NOWS)
return 1
