/*
 * route.h
 *		The route table: what sc_api.routes() says, ready for matching.
 *
 * A table never changes once built.  Each loop has its own, counted
 * references: one for the loop, one for every request that found its route
 * there; a reload swaps the loop's table and the old one goes with its last
 * request.
 */
#ifndef SHIM_ROUTE_H
#define SHIM_ROUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/buf.h"
#include "daemon/pgpool.h"

#define ROUTE_MAX_PATH_PARAMS 8

typedef enum Method
{
	METHOD_GET,
	METHOD_POST,
	METHOD_PUT,
	METHOD_PATCH,
	METHOD_DELETE,
	METHODS,
	METHOD_HEAD,				/* matched as GET */
	METHOD_OPTIONS,
	METHOD_OTHER
} Method;

typedef enum RouteRate
{
	RATE_API,
	RATE_EXAM,
	RATE_LOGIN,
	RATE_NONE,
	RATES
} RouteRate;

typedef enum ParamPlace
{
	PARAM_PATH,
	PARAM_QUERY,
	PARAM_BODY
} ParamPlace;

typedef struct RouteParam
{
	Str			name;
	Str			type;			/* as PostgreSQL names it: bigint, text, ... */
	Str			fallback;		/* the default as text; data NULL: none */
	ParamPlace	place;
	bool		required;
} RouteParam;

typedef struct Route
{
	int			id;
	char		id_text[12];
	Method		method;
	Str			path;			/* template, label of metrics and logs */
	bool		writes;
	PgLane		lane;
	PgCost		cost;
	bool		batch;			/* requests that meet travel as one */
	bool		anonymous;		/* permission NULL */
	bool		attempt;		/* an X-Attempt-Token may stand in */
	bool		is_public;		/* Cache-Control: public */
	bool		idempotent;		/* may be sent again after a lost connection */
	bool		replica;
	RouteRate	rate;
	int64_t		max_body;
	Str			content_type;
	Str			produces;		/* data NULL: JSON */

	/* Cache; key.data is NULL when the route is not cached. */
	Str			cache_key;		/* with {param} and {actor} */
	Str		   *cache_query;	/* names appended to the key, sorted */
	int			n_cache_query;
	Str		   *cache_tags;
	int			n_cache_tags;
	int			cache_ttl;		/* seconds */

	RouteParam *params;
	int			n_params;
	int			metric;			/* this route's place in the metrics */
	bool		id_param[ROUTE_MAX_PATH_PARAMS];	/* nth placeholder is an
													 * id */
} Route;

typedef struct RouteTable RouteTable;

/* Builds a table from the rows of SELECT * FROM sc_api.routes(); NULL and a log line if they make no sense. */
extern RouteTable *route_table_new(PgRows *rows);
extern RouteTable *route_table_keep(RouteTable *t);
extern void route_table_release(RouteTable *t);
extern int	route_table_count(const RouteTable *t);

typedef struct RouteMatch
{
	const Route *route;			/* NULL: see allowed */
	unsigned	allowed;		/* bit per Method that this path knows; 0: 404 */
	int			n_values;
	Str			values[ROUTE_MAX_PATH_PARAMS];	/* the placeholders, in order */
} RouteMatch;

/*
 * Finds a route for a path below the base, already percent-decoded by
 * segment: `segments` are its n parts.
 */
extern void route_match(const RouteTable *t, Method method,
						const Str *segments, int n, RouteMatch *m);

/* On the stream lane bodies come in pieces; without one the answer goes out so. */
static inline bool
route_takes_upload(const Route *r)
{
	return r->lane == PG_LANE_STREAM && r->method != METHOD_GET;
}

/* The SELECT whose rows the table is built from. */
extern const char *const ROUTES_SQL;

extern const char *method_name(Method m);
extern Method method_parse(const char *s);

#endif							/* SHIM_ROUTE_H */
