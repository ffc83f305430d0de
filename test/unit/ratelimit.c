/*
 * ratelimit.c
 *		Token buckets kept here, their keys and headers.
 *
 * links: shim/ratelimit.c daemon/net.c daemon/arena.c
 */
#include "shim/ratelimit.h"

#include <stdio.h>
#include <string.h>

static int	failures;
static Limiter limiter;

static void
check(bool ok, const char *what)
{
	if (!ok)
	{
		printf("failed: %s\n", what);
		failures++;
	}
}

static int64_t
take(const Bucket *b, const char *key, int64_t now_us)
{
	return limiter_take(&limiter, b, key, strlen(key), now_us, true);
}

static void
test_bucket(void)
{
	const Bucket *b = &limiter.buckets[BUCKET_API];
	int64_t		t = 1000000000;

	for (int i = 59; i >= 0; i--)
		check(take(b, "a", t) == i, "sixty at once");
	check(take(b, "a", t) == -50, "the next in 50 ms");
	check(take(b, "a", t + 49000) == -1, "not a ms earlier");
	check(take(b, "a", t + 50000) == 0, "then one");
	check(take(b, "a", t + 50000) == -50, "and no more");
	check(take(b, "b", t) == 59, "another key is another bucket");
	check(take(b, "a", t + 60000000) == 59, "it is full again after a while, and not fuller");
	check(limiter_take(&limiter, b, "c", 1, t, false) == 59
		  && limiter_take(&limiter, b, "c", 1, t, false) == 59, "looking takes none");
}

/* The table is far smaller than the number of keys: nobody is refused for others. */
static void
test_crowd(void)
{
	const Bucket *b = &limiter.buckets[BUCKET_API];
	char		key[32];

	for (int i = 0; i < 100000; i++)
	{
		snprintf(key, sizeof(key), "user%d", i);
		if (take(b, key, 2000000000) < 59)
		{
			check(false, "a newcomer finds a full bucket");
			return;
		}
	}
}

static void
test_names(void)
{
	char		text[128];
	const Bucket *api = &limiter.buckets[BUCKET_API];
	const Bucket *login = &limiter.buckets[BUCKET_LOGIN];

	limiter_user_key(text, "42", api);
	check(strcmp(text, "ratelimit:user:42:api") == 0, "key of a user");
	limiter_ip_key(text, "192.0.2.7", false);
	check(strcmp(text, "ratelimit:ip:192.0.2.7") == 0, "key of an address");
	limiter_ip_key(text, "::ffff:192.0.2.7", false);
	check(strcmp(text, "ratelimit:ip:192.0.2.7") == 0, "the same, mapped");
	limiter_ip_key(text, "2001:db8:1:2:3:4:5:6", true);
	check(strcmp(text, "ratelimit:ip:2001:db8:1:2::/64:login") == 0, "a network of IPv6");
	limiter_ip_key(text, "nonsense", false);
	check(strcmp(text, "ratelimit:ip:unknown") == 0, "no address");

	check(strcmp(api->policy, "\"api\";q=60;w=3") == 0, "policy");
	check(strcmp(login->policy, "\"login\";q=60;w=60") == 0, "policy of failed log-ins");
	check(strcmp(api->args[0], "50000") == 0 && strcmp(api->args[1], "60") == 0
		  && strcmp(api->args[2], "3000") == 0, "arguments of the script");
	limiter_state(text, api, 59);
	check(strcmp(text, "\"api\";r=59;t=1") == 0, "state");
	limiter_state(text, api, 60);
	check(strcmp(text, "\"api\";r=60;t=0") == 0, "full");
	limiter_state(text, api, -1500);
	check(strcmp(text, "\"api\";r=0;t=2") == 0, "empty");
}

int
main(void)
{
	Config		config = {
		.rate_api = 20, .rate_api_burst = 60, .rate_exam = 10, .rate_exam_burst = 30,
		.rate_ip = 100, .rate_ip_burst = 200, .rate_login_failures = 60
	};

	limiter_init(&limiter, &config);
	test_bucket();
	test_crowd();
	test_names();
	return failures != 0;
}
