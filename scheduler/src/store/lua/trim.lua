-- ARGV: age ms. Drops events older than that from the outbox. Replies how many.
return redis.call('XTRIM', k_outbox(), 'MINID', int(NOW - tonumber(ARGV[1])))
