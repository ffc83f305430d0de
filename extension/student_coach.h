/*
 * student_coach.h
 *		What the parts of the extension know of each other, by file.
 *		The interface to tables has a header of its own, query.h.
 */
#ifndef STUDENT_COACH_H
#define STUDENT_COACH_H

#include "access/tupdesc.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "nodes/pg_list.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#if PG_VERSION_NUM < 150000 || PG_VERSION_NUM >= 160000
#error "student_coach is written for PostgreSQL 15"
#endif

/*
 * error.c: refusals, field errors, problem documents
 *
 * sc_refuse raises SQLSTATE SC<status> with the code as message; params is the
 * text of a JSON object or NULL.  sc_invalid collects a field error of the
 * request that is being dispatched (and raises SC422 outside of one);
 * sc_check_valid raises if any have been collected.
 */
typedef struct ScFieldError
{
	char	   *field;
	char	   *code;
	char	   *params;			/* JSON object or NULL */
} ScFieldError;

/* What an error becomes.  A status of 0 means: not ours to answer, rethrow. */
typedef struct ScProblem
{
	int			status;
	const char *code;
	const char *params;			/* JSON object or NULL */
	List	   *fields;			/* of ScFieldError */
} ScProblem;

extern void sc_refuse(int status, const char *code, const char *params) pg_attribute_noreturn();
extern void sc_invalid(const char *field, const char *code, const char *params);
extern void sc_check_valid(void);
extern ScFieldError *sc_field_error(const char *field, const char *code, const char *params);
extern ScProblem sc_classify(const ErrorData *edata);
extern char *sc_problem_document(const ScProblem *problem, const char *lang, const char *request_id);

/* json.c: strict reading, fast writing */

typedef enum ScJsonKind
{
	SC_JSON_NULL,
	SC_JSON_BOOL,
	SC_JSON_NUMBER,
	SC_JSON_STRING,
	SC_JSON_OBJECT,
	SC_JSON_ARRAY
} ScJsonKind;

/* A value: the decoded text of a scalar, and the bytes as they were sent. */
typedef struct ScJsonValue
{
	const char *name;			/* NULL in an array */
	ScJsonKind	kind;
	const char *text;			/* scalars: decoded; bool is "true"/"false" */
	const char *raw;			/* not terminated */
	int			raw_len;
} ScJsonValue;

/* A document whose outermost level has been taken apart. */
typedef struct ScJsonDoc
{
	ScJsonKind	kind;
	int			count;
	int			allocated;
	ScJsonValue *items;			/* members of an object, elements of an array */
	const char *fault;			/* NULL or a problem code */
	int			fault_offset;	/* byte at which reading stopped, or -1 */
} ScJsonDoc;

extern bool sc_json_parse(ScJsonDoc *doc, const char *text, int len);
extern void sc_json_string(StringInfo out, const char *s, int len);
extern void sc_json_cstring(StringInfo out, const char *s);
extern void sc_json_jsonb(StringInfo out, Jsonb *jsonb);
extern void sc_json_datum(StringInfo out, Datum value, Oid type);
extern void sc_json_row(StringInfo out, TupleDesc desc, const Datum *values, const bool *nulls);

/* touch.c: cache keys that the transaction touches */

extern void sc_touch_key_cstring(const char *entry);
extern int	sc_touch_mark(void);
extern void sc_touch_truncate(int mark);
extern Datum sc_touch_since(int mark, bool *isnull);
extern void sc_touch_init(void);

/*
 * dispatch.c: the request in hand
 *
 * sc_ctx gives a text member of ctx, NULL where there is none or no request.
 * sc_call_collect notes a field error, false where no request is in hand.
 * sc_call_no_store forbids to cache the answer.
 */
extern const char *sc_ctx(const char *name);
extern bool sc_call_collect(const char *field, const char *code, const char *params);
extern bool sc_call_collected(void);
extern void sc_call_no_store(void);

/* dispatch_upload.c */

extern void sc_upload_init(void);

/* dispatch_auth.c */

extern bool sc_has_permission(int64 actor, const char *permission);

#endif							/* STUDENT_COACH_H */
