/*
 * dispatch_route.c
 *		Routes, compiled once per backend.
 *
 * A compiled route knows its handler's function, where each parameter comes
 * from and what the result becomes.  All of them are dropped when sc.routes or
 * any function changes (row changes send no relcache invalidation of their own:
 * the trigger on sc.routes sends one), but never while a request is in hand,
 * which may be using one.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_func.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/regproc.h"
#include "utils/syscache.h"

#include "extension/dispatch.h"
#include "extension/query.h"

SC_READ(Q_ROUTE,
		"SELECT method, path, handler, permission, access, auth, idempotency, status::int, "
		"content_type, lock_key, query, max_body "
		"FROM sc.routes WHERE id = $1",
		INT4OID);

typedef struct RouteSlot
{
	int			id;				/* hash key */
	Route	   *route;
} RouteSlot;

static MemoryContext routes_mcxt = NULL;
static HTAB *routes = NULL;
static Oid	routes_relid = InvalidOid;
static bool stale = true;
static bool callbacks_registered = false;

static void
on_relcache(Datum arg, Oid relid)
{
	if (relid == InvalidOid || relid == routes_relid)
		stale = true;
}

static void
on_syscache(Datum arg, int cacheid, uint32 hashvalue)
{
	stale = true;
}

/* Drop the compiled routes if they are stale.  Only between requests. */
void
dispatch_forget_routes(void)
{
	HASHCTL		ctl = {.keysize = sizeof(int), .entrysize = sizeof(RouteSlot)};

	if (!stale)
		return;
	if (!callbacks_registered)
	{
		CacheRegisterRelcacheCallback(on_relcache, (Datum) 0);
		CacheRegisterSyscacheCallback(PROCOID, on_syscache, (Datum) 0);
		CacheRegisterSyscacheCallback(TYPEOID, on_syscache, (Datum) 0);
		callbacks_registered = true;
	}
	routes = NULL;
	if (routes_mcxt != NULL)
		MemoryContextReset(routes_mcxt);
	else
		routes_mcxt = AllocSetContextCreate(TopMemoryContext, "sc routes", ALLOCSET_DEFAULT_SIZES);
	routes_relid = get_relname_relid("routes", get_namespace_oid("sc", false));
	ctl.hcxt = routes_mcxt;
	routes = hash_create("sc routes", 256, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	stale = false;
}

/* Position of {name} among the placeholders of a path, or -1. */
static int
placeholder(const char *path, const char *name)
{
	int			len = strlen(name);
	int			n = 0;

	for (const char *p = strchr(path, '{'); p != NULL; p = strchr(p + 1, '{'))
	{
		if (strncmp(p + 1, name, len) == 0 && p[1 + len] == '}')
			return n;
		n++;
	}
	return -1;
}

static int
count_placeholders(const char *path)
{
	int			n = 0;

	for (const char *p = strchr(path, '{'); p != NULL; p = strchr(p + 1, '{'))
		n++;
	return n;
}

/* Reserved parameters are known by name and type. */
static bool
reserved_source(const char *name, Oid type, ParamSource *source)
{
	static const struct
	{
		const char *name;
		Oid			type;
		ParamSource source;
	}			reserved[] = {
		{"actor", INT8OID, FROM_ACTOR},
		{"jti", UUIDOID, FROM_JTI},
		{"given", TEXTARRAYOID, FROM_GIVEN},
		{"body", JSONBOID, FROM_WHOLE_BODY},
		{"ctx", JSONBOID, FROM_CTX},
		{"raw", TEXTOID, FROM_RAW},
	};

	for (int i = 0; i < lengthof(reserved); i++)
		if (strcmp(reserved[i].name, name) == 0 && reserved[i].type == type)
		{
			*source = reserved[i].source;
			return true;
		}
	return false;
}

/* Defaults belong to the last input parameters; keep constants ready. */
static void
compile_defaults(Route *route, HeapTuple proc)
{
	bool		isnull;
	Datum		nodes = SysCacheGetAttr(PROCOID, proc, Anum_pg_proc_proargdefaults, &isnull);
	List	   *defaults;
	int			first;

	if (isnull)
		return;
	defaults = castNode(List, stringToNode(TextDatumGetCString(nodes)));
	first = route->nparams - list_length(defaults);
	for (int i = 0; i < list_length(defaults); i++)
	{
		Parameter  *param = &route->params[first + i];
		Node	   *node = eval_const_expressions(NULL, list_nth(defaults, i));

		param->required = false;
		if (IsA(node, Const))
		{
			Const	   *constant = (Const *) node;

			param->default_isnull = constant->constisnull;
			if (!constant->constisnull)
				param->default_value = datumCopy(constant->constvalue, constant->constbyval, constant->constlen);
		}
		else
			param->default_expr = (Expr *) node;
	}
}

static bool
is_member(const char *name, char **names, int n)
{
	for (int i = 0; i < n; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

/* query: names that are bound from the query string whatever the method. */
static void
compile_params(Route *route, HeapTuple proc, const char *path, char **query, int nquery)
{
	Oid		   *types;
	char	  **names;
	char	   *modes;
	int			nargs = get_func_arg_info(proc, &types, &names, &modes);
	bool		bodyless = strcmp(route->method, "GET") == 0 || strcmp(route->method, "DELETE") == 0;

	route->params = palloc0(Max(nargs, 1) * sizeof(Parameter));
	for (int i = 0; i < nargs; i++)
	{
		Parameter  *param = &route->params[route->nparams];

		if (modes != NULL && modes[i] != PROARGMODE_IN)
			continue;
		param->name = pstrdup(names != NULL && names[i] != NULL && names[i][0] != '\0' ? names[i] : "?");
		param->type = types[i];
		param->element = get_element_type(types[i]);
		param->required = true;
		param->path_index = -1;
		route->nparams++;
		if (reserved_source(param->name, param->type, &param->source))
			continue;
		if (param->name[0] == '_')
			param->name++;
		param->path_index = placeholder(path, param->name);
		if (param->path_index >= 0)
			param->source = FROM_PATH;
		else if (bodyless || is_member(param->name, query, nquery))
			param->source = FROM_QUERY;
		else
			param->source = FROM_BODY;
		if (strcmp(param->name, "page") == 0 && param->source == FROM_QUERY && param->type == INT4OID)
			route->paged = true;
	}
	compile_defaults(route, proc);
}

static void
compile_result(Route *route, const char *handler, Form_pg_proc form)
{
	Oid			type = form->prorettype;

	route->result_type = type;
	if (type == VOIDOID)
		route->result = RESULT_VOID;
	else if (type == TEXTOID)
		route->result = form->proretset ? RESULT_TEXTS : RESULT_TEXT;
	else if (!type_is_rowtype(type) || type == RECORDOID)
		elog(ERROR, "handler %s of route %d returns neither void, text nor a named composite type",
			 handler, route->id);
	else if (form->proretset)
		route->result = RESULT_ROWS;
	else
	{
		char	   *name = format_type_be_qualified(type);

		route->result = strcmp(name, "sc_api.reply") == 0 ? RESULT_REPLY : RESULT_ROW;
	}
	if (route->result != RESULT_ROWS)
		route->paged = false;
}

/* Compile the route of a row, in a context of its own. */
static Route *
compile(const ScRows *rows, int id)
{
	Route	   *route = palloc0(sizeof(Route));
	const char *path = sc_get_text(rows, 0, 2);
	const char *handler = sc_get_text(rows, 0, 3);
	const char *auth = sc_get_text(rows, 0, 6);
	Datum	   *query = NULL;
	char	  **query_names;
	int			nquery = 0;
	Oid			proc_oid;
	HeapTuple	proc;
	Form_pg_proc form;

	route->id = id;
	route->method = sc_get_text(rows, 0, 1);
	route->permission = sc_get_text(rows, 0, 4);
	route->read_only = strcmp(sc_get_text(rows, 0, 5), "read") == 0;
	route->attempt_auth = auth != NULL && strcmp(auth, "attempt") == 0;
	route->idempotency = sc_get_bool(rows, 0, 7);
	route->status = sc_isnull(rows, 0, 8) ? 0 : sc_get_int4(rows, 0, 8);
	route->takes_json = strcmp(sc_get_text(rows, 0, 9), "application/json") == 0;
	route->lock_key = sc_get_text(rows, 0, 10);
	route->max_body = sc_get_int8(rows, 0, 12);
	route->npath = count_placeholders(path);

	if (!sc_isnull(rows, 0, 11))
	{
		bool		isnull;

		deconstruct_array(DatumGetArrayTypeP(sc_get_copy(rows, 0, 11, &isnull)), TEXTOID, -1, false,
						  TYPALIGN_INT, &query, NULL, &nquery);
	}
	query_names = palloc(Max(nquery, 1) * sizeof(char *));
	for (int i = 0; i < nquery; i++)
		query_names[i] = TextDatumGetCString(query[i]);

	proc_oid = LookupFuncName(stringToQualifiedNameList(handler), -1, NULL, false);
	proc = SearchSysCache1(PROCOID, ObjectIdGetDatum(proc_oid));
	if (!HeapTupleIsValid(proc))
		elog(ERROR, "cache lookup failed for function %u", proc_oid);
	form = (Form_pg_proc) GETSTRUCT(proc);

	fmgr_info_cxt(proc_oid, &route->handler, CurrentMemoryContext);

	/*
	 * A set-returning function keeps the state of its call in the FmgrInfo,
	 * and so does LANGUAGE sql: an error would leave it behind for the next
	 * call.
	 */
	route->keep_flinfo = !form->proretset && form->prolang != SQLlanguageId;
	route->inlinable = form->proretset && form->prolang == SQLlanguageId;
	compile_params(route, proc, path, query_names, nquery);
	compile_result(route, handler, form);
	ReleaseSysCache(proc);
	return route;
}

/* The compiled route of an id, or NULL: the shim's table is older than ours. */
Route *
dispatch_route(int id)
{
	RouteSlot  *slot = hash_search(routes, &id, HASH_FIND, NULL);
	MemoryContext mcxt;
	MemoryContext caller;
	Route	   *route = NULL;
	ScRows		rows;
	bool		found;

	if (slot != NULL)
		return slot->route;

	sc_query_begin();
	rows = sc_query(&Q_ROUTE, SC_INT4(id));
	if (rows.count > 0)
	{
		/*
		 * ours only when complete: a route that does not compile leaves
		 * nothing
		 */
		mcxt = AllocSetContextCreate(CurrentMemoryContext, "sc route", ALLOCSET_SMALL_SIZES);
		caller = MemoryContextSwitchTo(mcxt);
		route = compile(&rows, id);
		MemoryContextSwitchTo(caller);
		MemoryContextSetParent(mcxt, routes_mcxt);
		slot = hash_search(routes, &id, HASH_ENTER, &found);
		slot->route = route;
	}
	sc_query_end();
	return route;
}
