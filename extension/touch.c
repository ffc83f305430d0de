/*
 * touch.c
 *		Which cache keys a transaction touches.
 *
 * Row triggers and handlers note entries: "0:<key>" (a cached value is void),
 * "0:<prefix>*" (a group is), "1:<key>=<value>@<ttl>" (a session key is to be
 * set).  dispatch() takes the entries of its request out of the list when the
 * shim promised to apply them (ctx.touch = 'ack') and hands them over with the
 * answer; what is left at commit goes out by NOTIFY sc_touch.
 *
 * The list is a superset of the truth: entries noted by a subtransaction that
 * was rolled back stay, because voiding a cached value that is still good costs
 * a miss and nothing else.  Only dispatch cuts its own failed requests off, by
 * the mark it took at their beginning.
 *
 * A transaction that touches more than MAX_KEYS cache keys says "0:*" instead:
 * everything is void.  Session entries are never given up so.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type_d.h"
#include "commands/async.h"
#include "commands/trigger.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "extension/student_coach.h"

#define MAX_KEYS 256
#define MAX_KEY_LEN 500
#define MAX_PAYLOAD 7900

typedef struct TouchSlot
{
	const char *entry;			/* hash key */
	uint32		hash;
	char		status;
} TouchSlot;

#define SH_PREFIX touched
#define SH_ELEMENT_TYPE TouchSlot
#define SH_KEY_TYPE const char *
#define SH_KEY entry
#define SH_HASH_KEY(tb, key) hash_bytes((const unsigned char *) (key), strlen(key))
#define SH_EQUAL(tb, a, b) (strcmp(a, b) == 0)
#define SH_STORE_HASH
#define SH_GET_HASH(tb, a) (a)->hash
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/* The entries of the open transaction, in the order of their first mention. */
static MemoryContext touch_mcxt = NULL;
static const char **entries = NULL;
static int	nentries = 0;
static int	allocated = 0;
static struct touched_hash *known = NULL;

static void
start_list(void)
{
	MemoryContext caller;

	if (touch_mcxt != NULL)
		return;
	touch_mcxt = AllocSetContextCreate(TopTransactionContext, "sc touched keys", ALLOCSET_SMALL_SIZES);
	caller = MemoryContextSwitchTo(touch_mcxt);
	allocated = 16;
	nentries = 0;
	entries = palloc(allocated * sizeof(char *));
	known = touched_create(touch_mcxt, 32, NULL);
	MemoryContextSwitchTo(caller);
}

/* The transaction's memory goes by itself. */
static void
forget_list(void)
{
	touch_mcxt = NULL;
	entries = NULL;
	known = NULL;
	nentries = allocated = 0;
}

/* Note an entry, with its database in front. */
void
sc_touch_key_cstring(const char *entry)
{
	MemoryContext caller;
	TouchSlot  *slot;
	bool		found;
	int			len = strlen(entry);

	if (len < 3 || len > MAX_KEY_LEN || (entry[0] != '0' && entry[0] != '1') || entry[1] != ':')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("not a touched entry: \"%.100s\"", entry),
				 errdetail("An entry is \"0:\" or \"1:\" and a key, at most %d bytes.", MAX_KEY_LEN)));
	start_list();
	caller = MemoryContextSwitchTo(touch_mcxt);
	slot = touched_insert(known, entry, &found);
	if (!found)
	{
		slot->entry = pstrdup(entry);
		if (nentries == allocated)
		{
			allocated *= 2;
			entries = repalloc(entries, allocated * sizeof(char *));
		}
		entries[nentries++] = slot->entry;
	}
	MemoryContextSwitchTo(caller);
}

/*
 * Where the list stands; what comes after belongs to the caller's request.
 * The first mark of a transaction is 0 though no list exists yet.
 */
int
sc_touch_mark(void)
{
	return nentries;
}

/* Cut the list off at a mark. */
void
sc_touch_truncate(int mark)
{
	if (nentries <= mark)
		return;
	for (int i = mark; i < nentries; i++)
		(void) touched_delete(known, entries[i]);
	nentries = mark;
}

/* Entries to tell of [from, to): the keys themselves, or "0:*" for too many. */
static int
collect(int from, int to, const char **out)
{
	int			nkeys = 0;
	int			n = 0;

	for (int i = from; i < to; i++)
		if (entries[i][0] == '0')
			nkeys++;
	if (nkeys > MAX_KEYS)
		out[n++] = "0:*";
	for (int i = from; i < to; i++)
		if (nkeys <= MAX_KEYS || entries[i][0] == '1')
			out[n++] = entries[i];
	return n;
}

/*
 * The entries since a mark as text[]; NULL where there are none.  An entry that
 * was known before the mark is not among them: it will be told by whoever holds
 * the earlier part of the list.
 */
Datum
sc_touch_since(int mark, bool *isnull)
{
	const char **out;
	Datum	   *values;
	int			n;

	*isnull = nentries <= mark;
	if (*isnull)
		return (Datum) 0;
	out = palloc((nentries - mark + 1) * sizeof(char *));
	n = collect(mark, nentries, out);
	values = palloc(n * sizeof(Datum));
	for (int i = 0; i < n; i++)
		values[i] = CStringGetTextDatum(out[i]);
	return PointerGetDatum(construct_array(values, n, TEXTOID, -1, false, TYPALIGN_INT));
}

/* Tell the listeners, as JSON arrays no longer than a notification may be. */
static void
notify(void)
{
	const char **out = palloc((nentries + 1) * sizeof(char *));
	int			n = collect(0, nentries, out);
	StringInfoData payload;
	StringInfoData item;

	initStringInfo(&payload);
	initStringInfo(&item);
	for (int i = 0; i < n; i++)
	{
		resetStringInfo(&item);
		sc_json_cstring(&item, out[i]);
		if (payload.len > 0 && payload.len + item.len + 2 > MAX_PAYLOAD)
		{
			appendStringInfoChar(&payload, ']');
			Async_Notify("sc_touch", payload.data);
			resetStringInfo(&payload);
		}
		appendStringInfoChar(&payload, payload.len == 0 ? '[' : ',');
		appendBinaryStringInfo(&payload, item.data, item.len);
	}
	if (payload.len > 0)
	{
		appendStringInfoChar(&payload, ']');
		Async_Notify("sc_touch", payload.data);
	}
}

static void
at_transaction_end(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
			if (nentries > 0)
				notify();
			break;
		case XACT_EVENT_PRE_PREPARE:
			if (nentries > 0)
				ereport(ERROR,
						(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						 errmsg("cannot prepare a transaction that has touched cached data")));
			break;
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
			forget_list();
			break;
		default:
			break;
	}
}

void
sc_touch_init(void)
{
	RegisterXactCallback(at_transaction_end, NULL);
}

/* Fill a template from a row and note it; a NULL column notes nothing. */
static void
touch_row(const char *template, HeapTuple row, Relation rel)
{
	StringInfoData key;

	initStringInfo(&key);
	appendStringInfoString(&key, "0:");
	for (const char *p = template; *p; p++)
	{
		const char *end = *p == '{' ? strchr(p, '}') : NULL;
		char	   *column;
		char	   *value;
		int			attnum;

		if (end == NULL)
		{
			appendStringInfoChar(&key, *p);
			continue;
		}
		column = pnstrdup(p + 1, end - p - 1);
		attnum = SPI_fnumber(RelationGetDescr(rel), column);
		if (attnum <= 0)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_COLUMN),
					 errmsg("touch template \"%s\" names column \"%s\", which \"%s\" does not have",
							template, column, RelationGetRelationName(rel))));
		value = SPI_getvalue(row, RelationGetDescr(rel), attnum);
		if (value == NULL)
			return;
		appendStringInfoString(&key, value);
		p = end;
	}
	sc_touch_key_cstring(key.data);
}

PG_FUNCTION_INFO_V1(sc_touch);
PGDLLEXPORT Datum
sc_touch(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	MemoryContext row_mcxt;
	MemoryContext caller;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("sc.touch() is a trigger function")));
	if (!TRIGGER_FIRED_AFTER(trigger->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("sc.touch() must be fired after the event")));

	row_mcxt = AllocSetContextCreate(CurrentMemoryContext, "sc touch", ALLOCSET_SMALL_SIZES);
	caller = MemoryContextSwitchTo(row_mcxt);
	for (int i = 0; i < trigger->tg_trigger->tgnargs; i++)
	{
		const char *template = trigger->tg_trigger->tgargs[i];

		if (TRIGGER_FIRED_FOR_STATEMENT(trigger->tg_event))
		{
			if (strchr(template, '{') != NULL)
				ereport(ERROR,
						(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
						 errmsg("a statement trigger has no row for \"%s\"", template)));
			sc_touch_key_cstring(psprintf("0:%s", template));
			continue;
		}
		touch_row(template, trigger->tg_trigtuple, trigger->tg_relation);
		if (TRIGGER_FIRED_BY_UPDATE(trigger->tg_event))
			touch_row(template, trigger->tg_newtuple, trigger->tg_relation);
	}
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(row_mcxt);
	PG_RETURN_POINTER(NULL);
}

PG_FUNCTION_INFO_V1(sc_touch_key);
PGDLLEXPORT Datum
sc_touch_key(PG_FUNCTION_ARGS)
{
	sc_touch_key_cstring(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	PG_RETURN_VOID();
}

/*
 * Routes have changed: backends drop the compiled ones, shims read them anew.
 * Row changes send no relcache invalidation by themselves.
 */
PG_FUNCTION_INFO_V1(sc_reload);
PGDLLEXPORT Datum
sc_reload(PG_FUNCTION_ARGS)
{
	if (CALLED_AS_TRIGGER(fcinfo))
		CacheInvalidateRelcache(((TriggerData *) fcinfo->context)->tg_relation);
	Async_Notify("sc_reload", "");
	PG_RETURN_POINTER(NULL);
}
