/*
 * fold.c
 *		Comparing what people type with what a teacher expects.
 *
 * Both sides are brought to NFC, trimmed, and runs of white space become one
 * space.  Letters fold twice: once as everywhere (I and i are one letter) and
 * once as in Turkish (I belongs to dotless i, dotted I to i).  Two texts match
 * if either folding makes them equal: a key "Isparta" then takes "ısparta"
 * from a Turkish keyboard and "isparta" from a foreign one, while "ılık" and
 * "ilik", two different words, stay different.
 *
 * The folding has its own small table (Latin-1, Latin Extended-A, Greek,
 * Cyrillic) and does not ask the locale, so a grade never depends on how a
 * server was set up.
 */
#include "postgres.h"

#include "common/unicode_norm.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"

#include "extension/fold.h"

/* No character; stands for "any run of characters" in a folded pattern. */
#define WILDCARD 0xFFFFFFFFu

#define COMBINING_DOT_ABOVE 0x0307

static bool
is_space(pg_wchar c)
{
	return (c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 ||
		c == 0x1680 || (c >= 0x2000 && c <= 0x200B) || c == 0x2028 ||
		c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000 || c == 0xFEFF;
}

/* Lower case of one character, by the rule. */
static pg_wchar
fold_char(pg_wchar c, FoldRule rule)
{
	if (rule == FOLD_NONE)
		return c;
	if (c == 'I')
		return rule == FOLD_TURKISH ? 0x0131 : 'i';
	if (c == 0x0130)			/* capital I with dot */
		return 'i';
	if (c >= 'A' && c <= 'Z')
		return c + 32;
	if (c >= 0xC0 && c <= 0xDE && c != 0xD7)
		return c + 32;
	if (c == 0x0178)			/* Y with diaeresis */
		return 0xFF;
	/* Latin Extended-A: pairs that begin even, then odd, then even again. */
	if ((c >= 0x0100 && c <= 0x0137) || (c >= 0x014A && c <= 0x0177))
		return c | 1;
	if ((c >= 0x0139 && c <= 0x0148) || (c >= 0x0179 && c <= 0x017E))
		return (c & 1) ? c + 1 : c;
	if (c >= 0x0391 && c <= 0x03AB && c != 0x03A2)
		return c + 32;
	if (c == 0x0386)			/* Greek vowels with tonos */
		return 0x03AC;
	if (c >= 0x0388 && c <= 0x038A)
		return c + 37;
	if (c == 0x038C)
		return 0x03CC;
	if (c == 0x038E || c == 0x038F)
		return c + 63;
	if (c == 0x03C2)			/* final sigma */
		return 0x03C3;
	if (c >= 0x0410 && c <= 0x042F)
		return c + 32;
	if (c >= 0x0400 && c <= 0x040F)
		return c + 80;
	return c;
}

/*
 * Normalise and fold a text.
 *
 * Returns a palloc'd array of *outlen characters.  In a pattern a bare star
 * becomes WILDCARD and "\*" a star; every other backslash is itself, for
 * answers may hold LaTeX.
 */
pg_wchar *
sc_fold_text(const char *text, int len, FoldRule rule, bool pattern, int *outlen)
{
	pg_wchar   *raw = palloc((len + 1) * sizeof(pg_wchar));
	pg_wchar   *norm;
	pg_wchar   *out;
	int			n = 0;

	if (GetDatabaseEncoding() != PG_UTF8)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("text comparison needs a database in UTF8")));

	pg_mb2wchar_with_len(text, raw, len);
	norm = unicode_normalize(UNICODE_NFC, raw);
	for (len = 0; norm[len] != 0; len++)
		;
	out = palloc((len + 1) * sizeof(pg_wchar));
	for (int i = 0; i < len; i++)
	{
		pg_wchar	c = norm[i];

		if (is_space(c))
		{
			if (n == 0 || out[n - 1] == ' ')
				continue;
			c = ' ';
		}
		else if (pattern && c == '\\' && i + 1 < len && norm[i + 1] == '*')
		{
			c = '*';
			i++;
		}
		else if (pattern && c == '*')
		{
			if (n > 0 && out[n - 1] == WILDCARD)
				continue;
			c = WILDCARD;
		}
		else
			c = fold_char(c, rule);

		/* "i" + dot above is what lower-casing a dotted I leaves elsewhere. */
		if (rule != FOLD_NONE && c == COMBINING_DOT_ABOVE && n > 0 && out[n - 1] == 'i')
			continue;
		out[n++] = c;
	}
	while (n > 0 && out[n - 1] == ' ')
		n--;
	*outlen = n;
	return out;
}

/* Does the folded text match the folded pattern?  One star backtracks at a time. */
static bool
glob_match(const pg_wchar *pat, int plen, const pg_wchar *text, int tlen)
{
	int			p = 0;
	int			t = 0;
	int			star = -1;
	int			mark = 0;

	while (t < tlen)
	{
		if (p < plen && pat[p] == WILDCARD)
		{
			star = p++;
			mark = t;
		}
		else if (p < plen && pat[p] == text[t])
		{
			p++;
			t++;
		}
		else if (star >= 0)
		{
			CHECK_FOR_INTERRUPTS();
			p = star + 1;
			t = ++mark;
		}
		else
			return false;
	}
	while (p < plen && pat[p] == WILDCARD)
		p++;
	return p == plen;
}

/* Does a text match a pattern under either folding (or exactly, if asked)? */
bool
sc_fold_match(const char *pattern, int patlen, const char *text, int textlen, bool case_sensitive)
{
	FoldRule	first = case_sensitive ? FOLD_NONE : FOLD_DEFAULT;
	FoldRule	last = case_sensitive ? FOLD_NONE : FOLD_TURKISH;

	for (FoldRule rule = first; rule <= last; rule++)
	{
		int			plen;
		int			tlen;
		pg_wchar   *p = sc_fold_text(pattern, patlen, rule, true, &plen);
		pg_wchar   *t = sc_fold_text(text, textlen, rule, false, &tlen);

		if (glob_match(p, plen, t, tlen))
			return true;
	}
	return false;
}

/* Is there nothing but white space? */
bool
sc_fold_is_blank(const char *text, int len)
{
	int			n;

	(void) sc_fold_text(text, len, FOLD_NONE, false, &n);
	return n == 0;
}
