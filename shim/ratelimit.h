/*
 * ratelimit.h
 *		Token buckets: in Redis, and while it is away, here.
 */
#ifndef SHIM_RATELIMIT_H
#define SHIM_RATELIMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/buf.h"
#include "daemon/config.h"

typedef enum BucketKind
{
	BUCKET_API,
	BUCKET_EXAM,
	BUCKET_IP,
	BUCKET_LOGIN,				/* failed log-ins of an address */
	BUCKETS
} BucketKind;

#define RATE_TEXT 64
#define RATE_KEY 96

/* `size` tokens, a new one every `step_us`. */
typedef struct Bucket
{
	const char *name;
	int64_t		step_us;
	int64_t		size;
	char		policy[RATE_TEXT];	/* value of the RateLimit-Policy header */
	char		args[3][24];	/* of the script: step, size, ms to refill */
} Bucket;

#define LOCAL_BUCKETS 4096

typedef struct LocalBucket
{
	uint64_t	hash;
	int64_t		full_us;		/* when it will be full again */
} LocalBucket;

typedef struct Limiter
{
	Bucket		buckets[BUCKETS];
	Bucket		school_ip;		/* for addresses of trusted networks */
	Bucket		school_login;
	LocalBucket local[LOCAL_BUCKETS];
} Limiter;

extern void limiter_init(Limiter *l, const Config *c);

/*
 * Takes a token (or only looks) at `now_us`.  Gives the tokens left, or minus
 * the milliseconds until there is one; as the script in Redis does.
 */
extern int64_t limiter_take(Limiter *l, const Bucket *b, const char *key,
							size_t len, int64_t now_us, bool take);

/* Keys; they give the length.  user: the digits of an id. */
extern int	limiter_user_key(char out[RATE_KEY], const char *user, const Bucket *b);
extern int	limiter_ip_key(char out[RATE_KEY], const char *ip, bool login);

/* Value of the RateLimit header. */
extern void limiter_state(char out[RATE_TEXT], const Bucket *b, int64_t left);

#endif							/* SHIM_RATELIMIT_H */
