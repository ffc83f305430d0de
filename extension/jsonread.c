/*
 * jsonread.c
 *		Reading keys and answers: jsonb, and numbers as people type them.
 *
 * A value is a JsonbValue; objects and arrays come as jbvBinary and are read in
 * place.  Nothing here raises an error: what is absent, null or of another
 * type is simply not there.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"

#include "extension/jsonread.h"

/* Longest number anyone may type, and its largest power of ten. */
#define MAX_NUMBER_LENGTH 80
#define MAX_EXPONENT 300

/* --- reading jsonb ------------------------------------------------------ */

/* The value a jsonb holds; a container comes as jbvBinary. */
void
sc_jb_root(Jsonb *jb, JsonbValue *v)
{
	if (JB_ROOT_IS_SCALAR(jb))
		(void) JsonbExtractScalar(&jb->root, v);
	else
	{
		v->type = jbvBinary;
		v->val.binary.data = &jb->root;
		v->val.binary.len = VARSIZE_ANY_EXHDR(jb);
	}
}

bool
sc_jb_is_object(const JsonbValue *v)
{
	return v->type == jbvBinary && JsonContainerIsObject(v->val.binary.data);
}

bool
sc_jb_is_array(const JsonbValue *v)
{
	return v->type == jbvBinary && JsonContainerIsArray(v->val.binary.data) &&
		!JsonContainerIsScalar(v->val.binary.data);
}

/* Number of elements of an array or members of an object, 0 for a scalar. */
int
sc_jb_length(const JsonbValue *v)
{
	return v->type == jbvBinary ? JsonContainerSize(v->val.binary.data) : 0;
}

/* A member of an object; false (and *v null) if it is absent or null. */
bool
sc_jb_get(const JsonbValue *object, const char *name, JsonbValue *v)
{
	v->type = jbvNull;
	if (!sc_jb_is_object(object))
		return false;
	return getKeyJsonValueFromContainer(object->val.binary.data, name, strlen(name), v) != NULL &&
		v->type != jbvNull;
}

/* An element of an array; false (and *v null) past its end. */
bool
sc_jb_item(const JsonbValue *array, int i, JsonbValue *v)
{
	JsonbValue *found;

	v->type = jbvNull;
	if (!sc_jb_is_array(array) || i >= sc_jb_length(array))
		return false;
	found = getIthJsonbValueFromContainer(array->val.binary.data, i);
	if (found == NULL)
		return false;
	*v = *found;
	return true;
}

bool
sc_jb_text_is(const JsonbValue *v, const char *s)
{
	return v->type == jbvString && v->val.string.len == strlen(s) &&
		memcmp(v->val.string.val, s, v->val.string.len) == 0;
}

/* Are both texts, and equal? */
bool
sc_jb_same_text(const JsonbValue *a, const JsonbValue *b)
{
	return a->type == jbvString && b->type == jbvString &&
		a->val.string.len == b->val.string.len &&
		memcmp(a->val.string.val, b->val.string.val, a->val.string.len) == 0;
}

/* Does an array of texts hold this one? */
bool
sc_jb_has_text(const JsonbValue *array, const JsonbValue *s)
{
	JsonbValue	v;

	for (int i = 0; sc_jb_item(array, i, &v); i++)
		if (sc_jb_same_text(&v, s))
			return true;
	return false;
}

/* A number given as a JSON number or as a text that people would type. */
bool
sc_jb_number(const JsonbValue *v, Numeric *out)
{
	if (v->type == jbvNumeric)
	{
		*out = v->val.numeric;
		return true;
	}
	return v->type == jbvString &&
		sc_parse_number(v->val.string.val, v->val.string.len, out);
}

/* Exponent of a number text, far out of range if it does not fit. */
static int
exponent_of(const char *s)
{
	long		e = strtol(s, NULL, 10);

	return e > MAX_EXPONENT || e < -MAX_EXPONENT ? MAX_EXPONENT + 1 : (int) e;
}

/*
 * Read a number as people write it: "3,14", "3.14", "-1 234,5", "1.234,5",
 * "2e3", also with the typographic minus.
 *
 * When point and comma both occur, the last one is the decimal mark and the
 * other one groups digits.  Returns false if it is not a number.
 */
bool
sc_parse_number(const char *s, int len, Numeric *out)
{
	char		buf[MAX_NUMBER_LENGTH + 1];
	char	   *p = buf;
	char	   *digits;
	char	   *mark = NULL;
	int			seen_digits = 0;

	/* Drop spaces (plain, no-break, narrow) and unify the minus sign. */
	for (int i = 0; i < len; i++)
	{
		if (p - buf >= MAX_NUMBER_LENGTH)
			return false;
		if (s[i] == ' ' || s[i] == '\t' || s[i] == '\n' || s[i] == '\r')
			continue;
		if (i + 1 < len && memcmp(s + i, "\xC2\xA0", 2) == 0)
			i += 1;
		else if (i + 2 < len && memcmp(s + i, "\xE2\x80\xAF", 3) == 0)
			i += 2;
		else if (i + 2 < len && memcmp(s + i, "\xE2\x88\x92", 3) == 0)
		{
			*p++ = '-';
			i += 2;
		}
		else
			*p++ = s[i];
	}
	*p = '\0';

	digits = buf + (buf[0] == '-' || buf[0] == '+');
	for (p = digits; *p; p++)
		if (*p == '.' || *p == ',')
			mark = p;
	if (mark != NULL)
	{
		char		group = *mark == '.' ? ',' : '.';
		char	   *to = digits;
		bool		clean = strchr(digits, *mark) == mark;

		if (!clean)
			return false;
		for (p = digits; *p; p++)
		{
			/*
			 * A grouping mark stands before the decimal mark, with three
			 * digits after it.
			 */
			if (*p == group)
			{
				if (p > mark || p == digits || strspn(p + 1, "0123456789") != 3)
					return false;
				continue;
			}
			*to++ = *p == *mark ? '.' : *p;
		}
		*to = '\0';
	}

	for (p = digits; *p; p++)
	{
		if (*p >= '0' && *p <= '9')
			seen_digits++;
		else if ((*p == 'e' || *p == 'E') && seen_digits > 0)
		{
			const char *e = p + 1 + (p[1] == '-' || p[1] == '+');

			if (*e == '\0' || strspn(e, "0123456789") != strlen(e) ||
				exponent_of(p + 1) > MAX_EXPONENT)
				return false;
			break;
		}
		else if (*p != '.')
			return false;
	}
	if (seen_digits == 0)
		return false;

	*out = DatumGetNumeric(DirectFunctionCall3(numeric_in, CStringGetDatum(buf),
											   ObjectIdGetDatum(InvalidOid),
											   Int32GetDatum(-1)));
	return true;
}
