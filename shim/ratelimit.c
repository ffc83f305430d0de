/*
 * ratelimit.c
 *		Token buckets: in Redis, and while it is away, here.
 *
 * A bucket of n tokens with a new one every step is kept as one number: the
 * moment at which it will be full again.  Taking a token moves it a step
 * on; it may not lie more than n steps ahead.
 *
 * The local buckets are approximate: those of this loop only, and when the
 * table is full the one that is full soonest makes room.
 */
#include "shim/ratelimit.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "daemon/net.h"

#define SCHOOL_FACTOR 10		/* COACH_TRUSTED_NETS: a school is one address */
#define PROBES 4

static Bucket
bucket(const char *name, int64_t rate, int64_t per_us, int64_t size)
{
	int64_t		step = per_us / rate > 0 ? per_us / rate : 1;
	Bucket		b = {.name = name, .step_us = step, .size = size};

	snprintf(b.policy, sizeof(b.policy), "\"%s\";q=%lld;w=%lld", name, (long long) size,
			 (long long) ((size * step + 999999) / 1000000));
	snprintf(b.args[0], sizeof(b.args[0]), "%lld", (long long) step);
	snprintf(b.args[1], sizeof(b.args[1]), "%lld", (long long) size);
	snprintf(b.args[2], sizeof(b.args[2]), "%lld", (long long) ((size * step + 999) / 1000));
	return b;
}

void
limiter_init(Limiter *l, const Config *c)
{
	memset(l, 0, sizeof(*l));
	l->buckets[BUCKET_API] = bucket("api", c->rate_api, 1000000, c->rate_api_burst);
	l->buckets[BUCKET_EXAM] = bucket("exam", c->rate_exam, 1000000, c->rate_exam_burst);
	l->buckets[BUCKET_IP] = bucket("ip", c->rate_ip, 1000000, c->rate_ip_burst);
	l->buckets[BUCKET_LOGIN] = bucket("login", c->rate_login_failures, 60000000, c->rate_login_failures);
	l->school_ip = bucket("ip", c->rate_ip * SCHOOL_FACTOR, 1000000, c->rate_ip_burst * SCHOOL_FACTOR);
	l->school_login = bucket("login", c->rate_login_failures * SCHOOL_FACTOR, 60000000,
							 c->rate_login_failures * SCHOOL_FACTOR);
}

/* FNV-1a, with a finish that spreads it over the low bits. */
static uint64_t
hash_of(const char *key, size_t len)
{
	uint64_t	h = 14695981039346656037u;

	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned char) key[i]) * 1099511628211u;
	return h ^ (h >> 29);
}

int64_t
limiter_take(Limiter *l, const Bucket *b, const char *key, size_t len,
			 int64_t now_us, bool take)
{
	uint64_t	h = hash_of(key, len);
	LocalBucket *slot = NULL;
	int64_t		full;
	int64_t		room;

	for (int i = 0; i < PROBES; i++)
	{
		LocalBucket *probe = &l->local[(h + (uint64_t) i) % LOCAL_BUCKETS];

		if (probe->hash == h)
		{
			slot = probe;
			break;
		}
		if (slot == NULL || probe->full_us < slot->full_us)
			slot = probe;
	}
	full = slot->hash == h && slot->full_us > now_us ? slot->full_us : now_us;
	full += b->step_us;
	room = now_us + b->step_us * b->size - full;
	if (room < 0)
		return -((-room + 999) / 1000);
	if (take)
		*slot = (LocalBucket) {.hash = h, .full_us = full};
	return room / b->step_us;
}

/* Keys and headers are written for every request, which is why printf() does not do it. */
static char *
put(char *p, const char *text)
{
	size_t		len = strlen(text);

	memcpy(p, text, len + 1);
	return p + len;
}

int
limiter_user_key(char out[RATE_KEY], const char *user, const Bucket *b)
{
	char	   *p = put(out, "ratelimit:user:");

	p = put(p, user);
	*p++ = ':';
	return (int) (put(p, b->name) - out);
}

/* An IPv6 customer has a /64 at least, so that is what counts as one address. */
int
limiter_ip_key(char out[RATE_KEY], const char *ip, bool login)
{
	struct in6_addr address;
	char		text[INET6_ADDRSTRLEN] = "unknown";
	const char *bits = "";

	if (net_address(ip, &address))
	{
		if (IN6_IS_ADDR_V4MAPPED(&address))
			inet_ntop(AF_INET, &address.s6_addr[12], text, sizeof(text));
		else
		{
			memset(&address.s6_addr[8], 0, 8);
			inet_ntop(AF_INET6, &address, text, sizeof(text));
			bits = "/64";
		}
	}
	return snprintf(out, RATE_KEY, "ratelimit:ip:%s%s%s", text, bits, login ? ":login" : "");
}

static char *
put_number(char *p, int64_t n)
{
	char		digits[24];
	char	   *d = digits + sizeof(digits);

	do
		*--d = (char) ('0' + n % 10);
	while ((n /= 10) > 0);
	memcpy(p, d, (size_t) (digits + sizeof(digits) - d));
	return p + (digits + sizeof(digits) - d);
}

void
limiter_state(char out[RATE_TEXT], const Bucket *b, int64_t left)
{
	int64_t		wait_us = left < 0 ? -left * 1000 : (b->size - left) * b->step_us;
	char	   *p = out;

	*p++ = '"';
	p = put(p, b->name);
	p = put(p, "\";r=");
	p = put_number(p, left < 0 ? 0 : left);
	p = put(p, ";t=");
	p = put_number(p, (wait_us + 999999) / 1000000);
	*p = '\0';
}
