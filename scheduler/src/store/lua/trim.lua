-- ARGV: age ms. Drops events older than that from the outbox, but none that has not become deliveries yet. Replies how many.
local before = int(NOW - tonumber(ARGV[1]))
local cursor = redis.call('HGET', k_meta(), 'fanout')
local read = cursor and string.match(cursor, '^%d+')
if read and tonumber(read) < tonumber(before) then before = read end
return redis.call('XTRIM', k_outbox(), 'MINID', before)
