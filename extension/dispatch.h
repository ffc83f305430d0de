/*
 * dispatch.h
 *		What the files of dispatch share: compiled routes and the request in hand.
 */
#ifndef SC_DISPATCH_H
#define SC_DISPATCH_H

#include "fmgr.h"
#include "nodes/primnodes.h"
#include "utils/jsonb.h"
#include "utils/uuid.h"

#include "extension/student_coach.h"

/* Where a parameter's value comes from. */
typedef enum ParamSource
{
	FROM_PATH,
	FROM_QUERY,
	FROM_BODY,
	FROM_ACTOR,					/* the reserved ones, never bound from input */
	FROM_JTI,
	FROM_GIVEN,
	FROM_WHOLE_BODY,
	FROM_CTX,
	FROM_RAW
} ParamSource;

typedef struct Parameter
{
	const char *name;			/* without the leading underscore */
	ParamSource source;
	int			path_index;		/* FROM_PATH: which placeholder */
	Oid			type;
	Oid			element;		/* of an array, else InvalidOid */
	bool		required;		/* has no default */
	bool		default_isnull;
	Datum		default_value;	/* unless default_expr */
	Expr	   *default_expr;	/* a default that is no constant */
} Parameter;

typedef enum ResultKind
{
	RESULT_VOID,
	RESULT_ROW,
	RESULT_ROWS,
	RESULT_REPLY,
	RESULT_TEXT,
	RESULT_TEXTS
} ResultKind;

/* A row of sc.routes, compiled for this backend. */
typedef struct Route
{
	int			id;
	const char *method;
	const char *permission;		/* NULL: anonymous; "user"; or a named one */
	const char *lock_key;
	bool		read_only;
	bool		attempt_auth;
	bool		idempotency;
	int			status;
	bool		takes_json;		/* the body is JSON, bound to parameters */
	bool		paged;
	bool		keep_flinfo;	/* the handler's FmgrInfo may live from call
								 * to call */
	FmgrInfo	handler;
	bool		inlinable;		/* a set-returning function in SQL: in FROM
								 * its query takes its place */
	ResultKind	result;
	Oid			result_type;	/* of the row, or of one of the rows */
	int64		max_body;
	int			npath;
	int			nparams;
	Parameter  *params;
} Route;

/* What came in with a request. */
typedef struct Input
{
	bool		anonymous;
	int64		actor;
	pg_uuid_t  *jti;			/* NULL: none */
	int64		iat_ms;
	const char **path;
	int			npath;
	const char *query;			/* may be NULL */
	const char *body;			/* may be NULL */
	int			body_len;
	const char *ctx;			/* a JSON object; may be NULL */
} Input;

typedef struct Header
{
	const char *name;
	const char *value;
} Header;

/* An export that is handed out bit by bit (dispatch_stream.c). */
typedef struct Pieces Pieces;

/* The request in hand.  All of it lives in mcxt. */
typedef struct Call
{
	struct Call *outer;			/* the one that a handler interrupted, or NULL */
	MemoryContext mcxt;
	Route	   *route;
	Input	   *in;
	bool		admit_only;		/* just ask whether the user may */
	bool		in_batch;		/* shares its subtransaction with others */
	Pieces	   *pieces;			/* where the handler's text goes, or NULL: the
								 * answer is made whole */
	ScJsonDoc  *ctx;			/* of in->ctx, once somebody has asked for it */

	/* binding */
	Datum	   *values;
	bool	   *nulls;
	int			nfaults;		/* of the input, also those not listed */
	List	   *given;			/* of char *: names present in the body */
	ScJsonDoc  *doc;
	int			binding;		/* parameter whose input function is running,
								 * or -1 */
	Bitmapset  *unfit;			/* parameters that their input function
								 * refused */
	int64		page;
	int64		per_page;
	List	   *query_pairs;	/* of Header: decoded query parameters */

	/* what the handler said */
	List	   *field_errors;	/* of ScFieldError */
	List	   *headers;		/* of Header */
	List	   *events;			/* of char * */
	List	   *secrets;		/* of char *: texts not to be kept */
	int64		total;			/* -1: not said */
	bool		no_store;
	int			said_status;	/* by sc_api.answer(); 0: nothing said */
	char	   *said_code;		/* a refusal whose writes are kept, or NULL */
	char	   *said_params;

	/* the answer */
	ScProblem	problem;		/* status 0: none */
	bool		undo;			/* the handler's writes must go */
	int			status;
	char	   *body;			/* NULL: none */
	int			body_len;
} Call;

/* Columns of dispatch's result. */
enum
{
	OUT_STATUS,
	OUT_HEADERS,
	OUT_BODY,
	OUT_TOUCHED,
	OUT_EVENTS,
	DISPATCH_COLUMNS
};

/* dispatch_route.c */
extern Route *dispatch_route(int id);
extern void dispatch_forget_routes(void);

/* dispatch_auth.c */
extern bool dispatch_authenticate(Call *call);

/* dispatch_bind.c */
extern bool dispatch_bind(Call *call);

/* dispatch_reply.c */
extern void dispatch_run_handler(Call *call);
extern bool dispatch_is_callable(Call *call);
extern void dispatch_add_header(Call *call, const char *name, const char *value);

/* dispatch_once.c */
extern bool dispatch_replay(Call *call);
extern void dispatch_remember(Call *call);

/* dispatch_match.c */
extern bool dispatch_precondition(Call *call);

/* dispatch_stream.c */
extern void dispatch_begin_pieces(Call *call);

/* dispatch_upload.c */
extern bool dispatch_take_upload(Call *call);
extern void dispatch_open_upload(const pg_uuid_t *id, int64 limit);

/* dispatch.c */
extern void dispatch_fail(Call *call, int status, const char *code, const char *params);
extern const char *dispatch_ctx(Call *call, const char *name);
extern Call *dispatch_new_call(Input *in);
extern void dispatch_take_input(FunctionCallInfo fcinfo, Input *in);
extern TupleDesc dispatch_answer_desc(FunctionCallInfo fcinfo);
extern void dispatch_serve_call(Call *call, int route_id, Datum *values, bool *nulls);
extern void dispatch_go_on(Call *call, void (*part) (Call *call));
extern Route *dispatch_serve(int route_id, Input *in, bool admit_only, Datum *values, bool *nulls);
extern void dispatch_in_batch(Call *call, int route_id);
extern void dispatch_abandon(void);
extern bool dispatch_is_nested(void);
extern void dispatch_give_answer(Call *call, int mark, Datum *values, bool *nulls);
extern void dispatch_check_deferred(void);

#endif							/* SC_DISPATCH_H */
