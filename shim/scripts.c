/*
 * scripts.c
 *		The Lua that runs inside Redis.
 *
 * Redis runs a script as one step, which is what makes each of these safe.
 * What they are for, and why they are right, stands in ratelimit.c, cache.c
 * and epoch.c.
 */
#include "shim/scripts.h"

#include <stddef.h>

/*
 * Token buckets, each kept as one number, the moment at which it will be full
 * again, in microseconds of Redis' clock.  A key that is named twice gives a
 * token to each.
 *
 * KEYS: buckets of one kind.  ARGV: microseconds for a token, size, ms in
 * which an empty one fills up, 1 to take or 0 to look.
 * Gives for each the tokens left, or minus the milliseconds until there is one.
 */
static const char bucket[] =
"local t = redis.call('TIME')\n"
"local now = t[1] * 1000000 + t[2]\n"
"local step = tonumber(ARGV[1])\n"
"local most = now + step * ARGV[2]\n"
"local kept = redis.call('MGET', unpack(KEYS))\n"
"local moved, out = {}, {}\n"
"for i, key in ipairs(KEYS) do\n"
"  local full = moved[key] or tonumber(kept[i] or 0)\n"
"  if full < now then full = now end\n"
"  full = full + step\n"
"  if full > most then\n"
"    out[i] = -math.ceil((full - most) / 1000)\n"
"  else\n"
"    out[i] = math.floor((most - full) / step)\n"
"    if ARGV[4] == '1' then moved[key] = full end\n"
"  end\n"
"end\n"
"for key, full in pairs(moved) do\n"
"  redis.call('PSETEX', key, ARGV[3], string.format('%.0f', full))\n"
"end\n"
"return out\n";

/*
 * KEYS: lease, generations.  ARGV: token, ms of the lease, ms of a
 * generation, and a generation for each that has none.
 * Gives 1 or 0 (somebody else has the lease), then the generations.
 */
static const char lease[] =
"local out = {0}\n"
"for i = 2, #KEYS do\n"
"  local g = redis.call('GET', KEYS[i])\n"
"  if not g then\n"
"    g = ARGV[4]\n"
"    redis.call('SET', KEYS[i], g, 'PX', ARGV[3])\n"
"  end\n"
"  out[i] = g\n"
"end\n"
"if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then out[1] = 1 end\n"
"return out\n";

/*
 * KEYS: value, lease, generations.  ARGV: token, value, ms of the value, ms of
 * a generation, generations as they were.  Gives 1 if the value was taken.
 */
static const char fill[] =
"if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end\n"
"redis.call('DEL', KEYS[2])\n"
"for i = 3, #KEYS do\n"
"  if redis.call('GET', KEYS[i]) ~= ARGV[i + 2] then return 0 end\n"
"end\n"
"for i = 3, #KEYS do redis.call('PEXPIRE', KEYS[i], ARGV[4]) end\n"
"redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])\n"
"return 1\n";

/* KEYS: lease.  ARGV: token. */
static const char release[] =
"if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end\n"
"return 0\n";

/*
 * KEYS: keys and groups.  ARGV: prefix of generations, prefix of leases, the
 * new generation, ms of a generation.
 */
static const char invalidate[] =
"for i = 1, #KEYS do\n"
"  redis.call('SET', ARGV[1] .. KEYS[i], ARGV[3], 'PX', ARGV[4])\n"
"  redis.call('DEL', KEYS[i], ARGV[2] .. KEYS[i])\n"
"end\n"
"return #KEYS\n";

/*
 * A session entry that dispatch() sent: the moment before which tokens are
 * void, or "off".  The later moment wins, whatever the order of arrival.
 *
 * KEYS: entry.  ARGV: moment, epoch, ms to live.
 */
static const char session[] =
"local cur = redis.call('GET', KEYS[1])\n"
"local nbf, epoch, ms = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])\n"
"if cur then\n"
"  local n, e = string.match(cur, '^(.-)@(%d+)$')\n"
"  if n then\n"
"    if tonumber(e) > epoch then epoch = tonumber(e) end\n"
"    if nbf ~= 'off' and (n == 'off' or (tonumber(n) or 0) > (tonumber(nbf) or 0)) then nbf = n end\n"
"  end\n"
"  ms = math.max(ms, redis.call('PTTL', KEYS[1]))\n"
"end\n"
"redis.call('SET', KEYS[1], nbf .. '@' .. string.format('%.0f', epoch), 'PX', ms)\n"
"return 1\n";

/*
 * dispatch() took a token of whom Redis knew nothing in this epoch.
 *
 * KEYS: entry.  ARGV: moment, epoch, ms to live.
 */
static const char vouch[] =
"local cur = redis.call('GET', KEYS[1])\n"
"local nbf = ARGV[1]\n"
"if cur then\n"
"  local n, e = string.match(cur, '^(.-)@(%d+)$')\n"
"  if n == 'off' or (e and tonumber(e) >= tonumber(ARGV[2])) then return 0 end\n"
"  if n and (tonumber(n) or 0) > tonumber(nbf) then nbf = n end\n"
"end\n"
"redis.call('SET', KEYS[1], nbf .. '@' .. ARGV[2], 'PX', ARGV[3])\n"
"return 1\n";

/*
 * A sign of life.  KEYS: set of instances.  ARGV: prefix of the signs, own
 * name, ms that a sign lives; "bye" as a fourth ends it cleanly.
 * Gives how many vanished without a good-bye, and how many others there are.
 */
static const char beat[] =
"if ARGV[4] == 'bye' then\n"
"  redis.call('DEL', ARGV[1] .. ARGV[2])\n"
"  redis.call('SREM', KEYS[1], ARGV[2])\n"
"  return {0, 0}\n"
"end\n"
"redis.call('SET', ARGV[1] .. ARGV[2], 'unclean', 'PX', ARGV[3])\n"
"redis.call('SADD', KEYS[1], ARGV[2])\n"
"local vanished, others = 0, 0\n"
"for _, name in ipairs(redis.call('SMEMBERS', KEYS[1])) do\n"
"  if redis.call('EXISTS', ARGV[1] .. name) == 0 then\n"
"    redis.call('SREM', KEYS[1], name)\n"
"    vanished = vanished + 1\n"
"  elseif name ~= ARGV[2] then\n"
"    others = others + 1\n"
"  end\n"
"end\n"
"return {vanished, others}\n";

const char *const redis_scripts[] = {
	[SCRIPT_BUCKET] = bucket,
	[SCRIPT_LEASE] = lease,
	[SCRIPT_FILL] = fill,
	[SCRIPT_RELEASE] = release,
	[SCRIPT_INVALIDATE] = invalidate,
	[SCRIPT_SESSION] = session,
	[SCRIPT_VOUCH] = vouch,
	[SCRIPT_BEAT] = beat,
	NULL
};
