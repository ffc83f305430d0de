/*
 * request.h
 *		A request from its first byte to its last, and who may touch it when.
 *
 * A request belongs to one loop.  It is counted: HTTP holds one reference
 * until MHD reports it completed, and everything that will call back later
 * (a database job, the gate, an invalidation) holds one more.  Whoever calls
 * back looks at `state` and `timed_out` through request_is_over(): an answer
 * that comes after the deadline or after the client left is dropped there,
 * and the memory goes with the last reference.
 *
 * Everything a request allocates is in its arena.
 */
#ifndef SHIM_REQUEST_H
#define SHIM_REQUEST_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/arena.h"
#include "daemon/buf.h"
#include "daemon/loop.h"
#include "daemon/pgpool.h"
#include "shim/ratelimit.h"
#include "shim/replica.h"
#include "shim/route.h"
#include "shim/server.h"
#include "shim/token.h"

struct MHD_Connection;
struct MHD_Response;

typedef struct Request Request;

/* Headers we look at; values lie in MHD's memory until the request is done. */
typedef enum HeaderName
{
	HEADER_AUTHORIZATION,
	HEADER_CONTENT_TYPE,
	HEADER_CONTENT_LENGTH,
	HEADER_TRANSFER_ENCODING,
	HEADER_REQUEST_ID,
	HEADER_ACCEPT_LANGUAGE,
	HEADER_IF_NONE_MATCH,
	HEADER_IF_MATCH,
	HEADER_IDEMPOTENCY_KEY,
	HEADER_USER_AGENT,
	HEADER_ORIGIN,
	HEADER_FORWARDED_FOR,
	HEADER_TRACEPARENT,
	HEADER_ATTEMPT_TOKEN,
	HEADER_CORS_METHOD,
	HEADERS
} HeaderName;

/* Only forwards. */
typedef enum RequestState
{
	REQUEST_NEW,				/* the request line is known */
	REQUEST_HEADERS,			/* headers are checked, the route is found */
	REQUEST_BODY,				/* the body is coming in */
	REQUEST_GATE,				/* Redis was asked; http is suspended */
	REQUEST_DATABASE,			/* a job is queued or sent */
	REQUEST_TOUCH,				/* it is committed; keys are being invalidated */
	REQUEST_ANSWERED,			/* a response is queued at MHD */
	REQUEST_DONE				/* MHD is through with it */
} RequestState;

/* What the gate says. */
typedef enum GateVerdict
{
	GATE_GO,					/* ask the database */
	GATE_HIT,					/* req->answer is the cached answer */
	GATE_LIMITED,				/* too many: 429, retry_after is set */
	GATE_REVOKED				/* the token is on the blacklist: 401 */
} GateVerdict;

/* What X-Cache says. */
typedef enum CacheStatus
{
	CACHE_NONE,					/* the route is not cached: no header */
	CACHE_HIT,
	CACHE_MISS,
	CACHE_BYPASS
} CacheStatus;

/*
 * What dispatch() gave, or the cache kept.  The memory is the request's: in
 * its arena, in req->rows, or constant.
 */
typedef struct Answer
{
	int			status;
	Str			headers;		/* a JSON object of strings, or empty */
	Str			body;
	char		etag[33];		/* 32 hex digits; "" until computed */
	bool		no_store;		/* dispatch said X-No-Store: keep it out of
								 * caches */
} Answer;

typedef struct QueryParam
{
	Str			name;
	Str			value;
} QueryParam;

struct Request
{
	Server	   *server;
	int			refs;
	RequestState state;
	bool		suspended;		/* MHD waits for us */
	bool		gone;			/* MHD dropped the connection */
	bool		timed_out;

	/* What was asked */
	struct MHD_Connection *http;
	Method		method;
	bool		head;			/* HEAD: as GET without the body */
	const char *uri;			/* as sent */
	Str			path;			/* as sent, without the query */
	Str			query;			/* as sent, without the question mark */
	QueryParam *query_params;	/* decoded; n_query_params < 0: malformed */
	int			n_query_params;
	Str		   *path_values;	/* decoded placeholders of the route */
	int			n_path_values;
	const Route *route;			/* NULL when none matched */
	RouteTable *routes;			/* the table it lies in, referenced */
	unsigned	allowed;		/* methods that the path knows, a bit each */
	Str			headers[HEADERS];	/* data NULL: not sent */
	Buf			body;
	bool		body_complete;	/* the last of it was here */
	bool		unread;			/* refused before it was read to its end */
	struct Upload *uploading;	/* a body that goes on as it comes; or NULL */
	struct Export *exporting;	/* an answer that goes on as it comes; or NULL */
	int			refused;		/* status of an early refusal, 0 for none */
	const char *refused_code;
	bool		turkish;		/* the language of answers */
	char		id[65];			/* X-Request-Id */
	const char *ip;				/* of the client, behind trusted proxies too */
	struct in6_addr address;	/* the same; IPv4 mapped */

	/* Who asks */
	Token		who;			/* actor 0 and texts empty: anonymous */

	/*
	 * The gate (gate.c, cache.c): filled between gate_enter() and
	 * request_gated()
	 */
	GateVerdict verdict;
	CacheStatus cache;
	int			retry_after;	/* seconds */
	int64_t		epoch;			/* of the cache, known when it came in */
	bool		vouched;		/* Redis knows that the session is good */
	ReplicaChoice replica;		/* may the replica answer? */
	const char *rate_policy;	/* header values; NULL and "" for none */
	char		rate[RATE_TEXT];
	void	   *gate_data;		/* the gate's own, in the arena */
	void	   *cache_data;		/* the cache's own, in the arena */

	/* The answer */
	Answer		answer;
	Str			events;			/* of dispatch(), JSON */
	PgRows	   *rows;			/* keeps the memory of the answer */
	PgJob		job;
	int			tries;
	int64_t		started_us;
	int64_t		deadline_ms;
	LoopTimer	timer;
	int			sent_status;	/* what the client got, for log and metrics */
	size_t		sent_bytes;
	const char *sent_code;		/* problem code of our own, for the log */

	Arena		arena;
	Request    *next;			/* in server->requests or the free list */
	Request   **link;
	char		first[2048];	/* the arena's first block */
};

/* Counting references. */
extern void request_hold(Request *r);
extern void request_release(Request *r);

/* Is it too late for an answer? Callbacks ask before they do anything. */
extern bool request_is_over(const Request *r);

/* A request for MHD's callbacks: uri as it came. */
extern Request *request_new(Server *s, const char *uri);

/* Everything has arrived: authenticate, ask, answer. */
extern void request_start(Request *r);

/* MHD is through with it, well or not. */
extern void request_completed(Request *r, bool well);

/* Who is it?  NULL, or the code of a 401. */
extern const char *request_authenticate(Request *r);

/* HTTP goes on with a suspended request; nothing if it is not suspended. */
extern void request_resume(Request *r);

/* Makes r->job a call of dispatch(); upload: id of the body, data NULL for none. */
extern void request_fill_job(Request *r, Str upload);

/* r->job ended with a row of dispatch().  Gives a reference back. */
extern void request_take_answer(Request *r);

/* More of the body; false when the connection should be cut. */
extern bool request_body(Request *r, const char *data, size_t len);

/* Takes back a job that was not sent; false if there is none. */
extern bool request_withdraw(Request *r);

/* gate_enter() ends here, once, at once or later. */
extern void request_gated(Request *r);

#endif							/* SHIM_REQUEST_H */
