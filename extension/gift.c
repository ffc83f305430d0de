/*
 * gift.c
 *		Reading questions in GIFT.
 *
 * gift_file.c cuts a file into questions.  A question is
 *
 *		::name:: [format] text { answers #### explanation } text
 *
 * and the answers say what type it is:
 *
 *		{}							essay
 *		{#3.14:0.01} {#1..5}		numeric
 *		{=right ~wrong}				single choice
 *		{~%50%a ~%50%b ~%-50%c}		multiple choice
 *		{=left -> right ...}		matching
 *		{T} {FALSE#wrong#right}		true or false
 *		{=text =%50%other}			short answer
 *		(no braces)					description
 *
 * A backslash makes ~ = # { } : and itself ordinary; \n is a line break.  Every
 * other backslash stands for itself, so most LaTeX needs care for its braces
 * only.  A block is first unescaped into characters that remember whether
 * they were escaped and on which line they stood (Source); everything after
 * that looks for unescaped marks alone.
 *
 * Errors are collected per question, with their lines, and never raised.
 */
#include "postgres.h"

#include <ctype.h>
#include <math.h>

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/json.h"

#include "extension/gift.h"

/* Unescaped text: characters, and for each its line and whether it was escaped. */
typedef struct Source
{
	char	   *c;
	bool	   *literal;
	int		   *line;
	int			n;
} Source;

/* A stretch of a Source. */
typedef struct Span
{
	int			from;
	int			to;
} Span;

/* One answer between the braces. */
typedef struct Answer
{
	char		mark;			/* '=' or '~' */
	bool		weighted;
	double		weight;			/* fraction */
	Span text;
	Span		feedback;		/* empty: none */
	bool		has_feedback;
} Answer;

/* What is being read. */
typedef struct Reader
{
	Source		src;
	GiftQuestion *q;
	Answer	   *answers;
	int			n_answers;
} Reader;

/* Name of the i-th option of a question: a, b, ... z, aa, ab, ... */
void
sc_option_id(char *buf, int i)
{
	int			n = 0;

	if (i >= 26)
		buf[n++] = 'a' + (i / 26 - 1) % 26;
	buf[n++] = 'a' + i % 26;
	buf[n] = '\0';
}

static void
add_error(GiftQuestion *q, int line, const char *code, const char *message)
{
	GiftError  *e = palloc(sizeof(GiftError));

	e->line = line;
	e->code = code;
	e->message = pstrdup(message);
	q->errors = lappend(q->errors, e);
}

/* --- spans -------------------------------------------------------------- */

static bool
is_mark(const Source *s, int i, char c)
{
	return s->c[i] == c && !s->literal[i];
}

/* Position of an unescaped string within a span, or -1. */
static int
find(const Source *s, Span span, const char *what)
{
	int			len = strlen(what);

	for (int i = span.from; i + len <= span.to; i++)
	{
		int			k = 0;

		while (k < len && is_mark(s, i + k, what[k]))
			k++;
		if (k == len)
			return i;
	}
	return -1;
}

static bool
starts_with(const Source *s, Span span, const char *what)
{
	return find(s, (Span) {span.from, Min(span.to, span.from + (int) strlen(what))}, what) >= 0;
}

/* Without white space at both ends; an escaped line break stays. */
static Span
trim(const Source *s, Span span)
{
	while (span.from < span.to && !s->literal[span.from] &&
		   isspace((unsigned char) s->c[span.from]))
		span.from++;
	while (span.to > span.from && !s->literal[span.to - 1] &&
		   isspace((unsigned char) s->c[span.to - 1]))
		span.to--;
	return span;
}

static char *
span_text(const Source *s, Span span)
{
	return pnstrdup(s->c + span.from, span.to - span.from);
}

static bool
is_empty(Span span)
{
	return span.from >= span.to;
}

static int
line_at(const Source *s, int i)
{
	return s->n == 0 ? 1 : s->line[Min(i, s->n - 1)];
}

/* Take a leading "[html]" and the like; returns the format or NULL. */
static const char *
take_format(const Source *s, Span *span)
{
	static const char *const names[][2] = {
		{"[html]", "html"}, {"[markdown]", "markdown"}, {"[plain]", "plain"}, {"[moodle]", "html"}
	};

	for (int i = 0; i < lengthof(names); i++)
		if (starts_with(s, *span, names[i][0]))
		{
			span->from += strlen(names[i][0]);
			*span = trim(s, *span);
			return names[i][1];
		}
	return NULL;
}

/* --- answers ------------------------------------------------------------ */

/*
 * A weight in per cent becomes a fraction.  People write 33.33333 for a third:
 * what is within 0.00001 of k/r becomes k/r.
 */
static double
snap_weight(double percent)
{
	double		w = percent / 100;

	for (int r = 1; r <= 20; r++)
	{
		double		k = rint(w * r);

		if (fabs(w - k / r) <= 1.0001e-5)
			return k / r;
	}
	return w;
}

/* Take a leading "%50%" of an answer. */
static void
take_weight(Reader *rd, Answer *a)
{
	const Source *s = &rd->src;
	Span		number;
	Numeric		value;
	double		percent;
	int			end;

	if (!starts_with(s, a->text, "%"))
		return;
	end = find(s, (Span) {a->text.from + 1, a->text.to}, "%");
	if (end < 0)
		return;
	number = (Span) {a->text.from + 1, end};
	if (!sc_parse_number(s->c + number.from, number.to - number.from, &value))
	{
		add_error(rd->q, line_at(s, number.from), "bad_weight", "the weight between % and % is not a number");
		return;
	}
	percent = DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow, NumericGetDatum(value)));
	if (fabs(percent) > 100)
		add_error(rd->q, line_at(s, number.from), "bad_weight", "a weight must lie between -100 and 100 per cent");
	a->weighted = true;
	a->weight = snap_weight(percent);
	a->text.from = end + 1;
	a->text = trim(s, a->text);
}

/* Split an answer's text from its feedback. */
static void
take_feedback(const Source *s, Answer *a)
{
	int			hash = find(s, a->text, "#");

	if (hash >= 0)
	{
		a->has_feedback = true;
		a->feedback = trim(s, (Span) {hash + 1, a->text.to});
		a->text.to = hash;
		a->text = trim(s, a->text);
	}
}

/*
 * Split a span at the unescaped marks "=" and, if asked, "~".
 *
 * Anything but white space before the first mark is an error.
 */
static void
split_answers(Reader *rd, Span body, bool tildes)
{
	const Source *s = &rd->src;
	int			start = -1;

	rd->answers = palloc(sizeof(Answer) * (body.to - body.from + 1));
	rd->n_answers = 0;
	for (int i = body.from; i <= body.to; i++)
	{
		bool		mark = i < body.to && (is_mark(s, i, '=') || (tildes && is_mark(s, i, '~')));
		Answer	   *a;

		if (!mark && i < body.to)
			continue;
		if (start < 0)
		{
			if (!is_empty(trim(s, (Span) {body.from, i})))
				add_error(rd->q, line_at(s, body.from), "bad_answers", "an answer must begin with = or ~");
		}
		else
		{
			a = &rd->answers[rd->n_answers++];
			memset(a, 0, sizeof(*a));
			a->mark = s->c[start];
			a->text = trim(s, (Span) {start + 1, i});
			take_weight(rd, a);
			take_feedback(s, a);
		}
		start = i;
	}
}

/* A fraction as JSON: up to 7 decimals, none that say nothing. */
static void
put_fraction(StringInfo out, double w)
{
	char		buf[64];
	int			n = snprintf(buf, sizeof(buf), "%.7f", w);

	while (buf[n - 1] == '0')
		n--;
	if (buf[n - 1] == '.')
		n--;
	buf[n] = '\0';
	appendStringInfoString(out, strcmp(buf, "-0") == 0 ? "0" : buf);
}

static void
put_member(StringInfo out, const char *name, const char *value)
{
	appendStringInfo(out, ",\"%s\":", name);
	escape_json(out, value);
}

static void
put_feedback(const Source *s, StringInfo out, const Answer *a, const char *name)
{
	Span text = a->feedback;

	if (!a->has_feedback || is_empty(text))
		return;
	(void) take_format(s, &text);
	put_member(out, name, span_text(s, text));
}

/* --- the types ---------------------------------------------------------- */

/*
 * Does a set of weights say no more than which options are right?  Right ones
 * then have 1/r and wrong ones -1/r.
 */
static bool
plain_multiple(const Reader *rd, int *right)
{
	*right = 0;
	for (int i = 0; i < rd->n_answers; i++)
		*right += rd->answers[i].weight > 0;
	if (*right == 0)
		return false;
	for (int i = 0; i < rd->n_answers; i++)
		if (fabs(fabs(rd->answers[i].weight) - 1.0 / *right) > 1.0001e-5)
			return false;
	return true;
}

static void
read_choice(Reader *rd, Span body)
{
	const Source *s = &rd->src;
	StringInfoData options;
	StringInfoData key;
	bool		single = find(s, body, "=") >= 0;
	bool		plain;
	bool		first = true;
	int			full = 0;
	int			right;

	split_answers(rd, body, true);
	for (int i = 0; i < rd->n_answers; i++)
	{
		Answer	   *a = &rd->answers[i];

		if (!a->weighted)
			a->weight = a->mark == '=' ? 1 : 0;
		full += a->weight == 1;
	}
	if (single)
	{
		plain = full == 1;
		for (int i = 0; i < rd->n_answers; i++)
			plain &= rd->answers[i].weight == 1 || rd->answers[i].weight == 0;
	}
	else
		plain = plain_multiple(rd, &right);

	initStringInfo(&options);
	initStringInfo(&key);
	appendStringInfoChar(&options, '[');
	appendStringInfoString(&key, !plain ? "{\"weights\":{" : single ? "{\"correct\":" : "{\"correct\":[");
	for (int i = 0; i < rd->n_answers; i++)
	{
		Answer	   *a = &rd->answers[i];
		const char *format = take_format(s, &a->text);
		char		id[4];

		sc_option_id(id, i);
		appendStringInfo(&options, "%s{\"id\":\"%s\"", i > 0 ? "," : "", id);
		put_member(&options, "text", span_text(s, a->text));
		if (format != NULL)
			put_member(&options, "format", format);
		put_feedback(s, &options, a, "feedback");
		appendStringInfoChar(&options, '}');
		if (is_empty(a->text))
			add_error(rd->q, line_at(s, a->text.from), "empty_option", "an option has no text");

		if (plain ? a->weight > 0 : a->weight != 0)
		{
			appendStringInfo(&key, "%s\"%s\"", first ? "" : ",", id);
			if (!plain)
			{
				appendStringInfoChar(&key, ':');
				put_fraction(&key, a->weight);
			}
			first = false;
		}
	}
	appendStringInfoChar(&options, ']');
	appendStringInfoString(&key, !plain ? "}}" : single ? "}" : "]}");
	rd->q->type = single ? Q_SINGLE_CHOICE : Q_MULTIPLE_CHOICE;
	rd->q->options = options.data;
	rd->q->key = key.data;
	if (rd->n_answers < 2)
		add_error(rd->q, rd->q->line, "too_few_options", "a choice needs at least two options");
}

/* {"right":...} of a numeric answer: a value, a tolerance or a range. */
static bool
put_numeric(const Source *s, StringInfo out, Span text)
{
	Numeric		a;
	Numeric		b;
	int			at;
	bool		range;
	Span		left = text;
	Span		right = {0, 0};

	if (starts_with(s, text, "*") && text.to - text.from == 1)
	{
		appendStringInfoString(out, "\"any\":true");
		return true;
	}
	at = find(s, text, "..");
	range = at >= 0;
	if (!range)
		at = find(s, text, ":");
	if (at >= 0)
	{
		left.to = at;
		right = (Span) {at + (range ? 2 : 1), text.to};
	}
	if (!sc_parse_number(s->c + left.from, left.to - left.from, &a) ||
		(at >= 0 && !sc_parse_number(s->c + right.from, right.to - right.from, &b)))
		return false;
	appendStringInfo(out, "\"%s\":%s", range ? "min" : "value",
					 DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(a))));
	if (at >= 0)
		appendStringInfo(out, ",\"%s\":%s", range ? "max" : "tolerance",
						 DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(b))));
	return true;
}

static void
read_numeric(Reader *rd, Span body)
{
	const Source *s = &rd->src;
	StringInfoData key;
	int			tilde = find(s, body, "~");
	Span		list = {body.from, tilde >= 0 ? tilde : body.to};

	if (find(s, list, "=") >= 0)
		split_answers(rd, list, false);
	else
	{
		/* "{#3.14:0.01}" is one answer without its mark. */
		rd->answers = palloc0(sizeof(Answer));
		rd->n_answers = 1;
		rd->answers[0].text = trim(s, list);
		take_feedback(s, &rd->answers[0]);
	}
	if (tilde >= 0)
	{
		/* "~#text" is feedback for everything else. */
		Answer	   *a;

		rd->answers = repalloc(rd->answers, sizeof(Answer) * (rd->n_answers + 1));
		a = &rd->answers[rd->n_answers++];
		memset(a, 0, sizeof(*a));
		a->mark = '~';
		a->weighted = true;
		a->text = trim(s, (Span) {tilde + 1, body.to});
		take_feedback(s, a);
		if (!is_empty(a->text))
			add_error(rd->q, line_at(s, tilde), "bad_answers", "in a numeric question ~ takes feedback only");
	}

	initStringInfo(&key);
	appendStringInfoString(&key, "{\"answers\":[");
	for (int i = 0; i < rd->n_answers; i++)
	{
		Answer	   *a = &rd->answers[i];

		appendStringInfoString(&key, i > 0 ? ",{" : "{");
		if (a->mark == '~')
			appendStringInfoString(&key, "\"any\":true");
		else if (!put_numeric(s, &key, a->text))
		{
			add_error(rd->q, line_at(s, a->text.from), "bad_number",
					  "expected a number, number:tolerance or low..high");
			appendStringInfoString(&key, "\"any\":true");
		}
		if (a->weighted && a->weight != 1)
		{
			appendStringInfoString(&key, ",\"fraction\":");
			put_fraction(&key, a->weight);
		}
		put_feedback(s, &key, a, "feedback");
		appendStringInfoChar(&key, '}');
	}
	appendStringInfoString(&key, "]}");
	rd->q->type = Q_NUMERIC;
	rd->q->key = key.data;
}

static void
read_short(Reader *rd, Span body)
{
	const Source *s = &rd->src;
	StringInfoData key;

	split_answers(rd, body, false);
	initStringInfo(&key);
	appendStringInfoString(&key, "{\"answers\":[");
	for (int i = 0; i < rd->n_answers; i++)
	{
		Answer	   *a = &rd->answers[i];

		appendStringInfoString(&key, i > 0 ? ",{\"text\":" : "{\"text\":");
		escape_json(&key, span_text(s, a->text));
		if (is_empty(a->text))
			add_error(rd->q, line_at(s, a->text.from), "empty_answer", "an accepted answer has no text");
		if (a->weighted && a->weight != 1)
		{
			appendStringInfoString(&key, ",\"fraction\":");
			put_fraction(&key, a->weight);
		}
		put_feedback(s, &key, a, "feedback");
		appendStringInfoChar(&key, '}');
	}
	appendStringInfoString(&key, "]}");
	rd->q->type = Q_SHORT_ANSWER;
	rd->q->key = key.data;
}

static void
read_matching(Reader *rd, Span body)
{
	const Source *s = &rd->src;
	StringInfoData left;
	StringInfoData right;
	StringInfoData pairs;
	List	   *right_texts = NIL;
	int			n_left = 0;

	split_answers(rd, body, false);
	initStringInfo(&left);
	initStringInfo(&right);
	initStringInfo(&pairs);
	for (int i = 0; i < rd->n_answers; i++)
	{
		Span text = rd->answers[i].text;
		int			arrow = find(s, text, "->");
		Span		l;
		Span		r;
		char	   *r_text;
		char		id[4];
		int			at = 0;
		ListCell   *lc;

		if (arrow < 0)
		{
			add_error(rd->q, line_at(s, text.from), "no_arrow", "a pair needs -> between its sides");
			continue;
		}
		l = trim(s, (Span) {text.from, arrow});
		r = trim(s, (Span) {arrow + 2, text.to});
		(void) take_format(s, &l);
		if (is_empty(r))
			add_error(rd->q, line_at(s, arrow), "empty_option", "the right side of a pair has no text");
		r_text = span_text(s, r);
		foreach(lc, right_texts)
		{
			if (strcmp(lfirst(lc), r_text) == 0)
				break;
			at++;
		}
		sc_option_id(id, at);
		if (lc == NULL)
		{
			right_texts = lappend(right_texts, r_text);
			appendStringInfo(&right, "%s{\"id\":\"%s\"", at > 0 ? "," : "", id);
			put_member(&right, "text", r_text);
			appendStringInfoChar(&right, '}');
		}
		if (is_empty(l))
			continue;
		n_left++;
		appendStringInfo(&left, "%s{\"id\":\"%d\"", n_left > 1 ? "," : "", n_left);
		put_member(&left, "text", span_text(s, l));
		appendStringInfoChar(&left, '}');
		appendStringInfo(&pairs, "%s\"%d\":\"%s\"", n_left > 1 ? "," : "", n_left, id);
	}
	rd->q->type = Q_MATCHING;
	rd->q->options = psprintf("{\"left\":[%s],\"right\":[%s]}", left.data, right.data);
	rd->q->key = psprintf("{\"pairs\":{%s}}", pairs.data);
	if (n_left < 2)
		add_error(rd->q, rd->q->line, "too_few_options", "a matching question needs at least two pairs");
}

/* Is it T, TRUE, F or FALSE, perhaps with feedback? */
static bool
read_true_false(Reader *rd, Span body)
{
	const Source *s = &rd->src;
	Answer		word = {.text = body};
	Answer		wrong = {0};
	StringInfoData key;
	char	   *text;
	bool		value;

	take_feedback(s, &word);
	text = span_text(s, trim(s, word.text));

	if (pg_strcasecmp(text, "t") == 0 || pg_strcasecmp(text, "true") == 0)
		value = true;
	else if (pg_strcasecmp(text, "f") == 0 || pg_strcasecmp(text, "false") == 0)
		value = false;
	else
		return false;

	initStringInfo(&key);
	appendStringInfo(&key, "{\"correct\":%s", value ? "true" : "false");
	if (word.has_feedback)
	{
		/*
		 * The first feedback is for the wrong answer, the second for the
		 * right one.
		 */
		wrong.text = word.feedback;
		take_feedback(s, &wrong);
		word.feedback = wrong.text;
		put_feedback(s, &key, &word, "feedback_wrong");
		put_feedback(s, &key, &wrong, "feedback_right");
	}
	appendStringInfoChar(&key, '}');
	rd->q->type = Q_TRUE_FALSE;
	rd->q->key = key.data;
	return true;
}

/* What is between the braces decides the type. */
static void
read_answers(Reader *rd, Span body)
{
	const Source *s = &rd->src;
	int			general = find(s, body, "####");

	if (general >= 0)
	{
		Span text = trim(s, (Span) {general + 4, body.to});

		(void) take_format(s, &text);
		if (!is_empty(text))
			rd->q->explanation = span_text(s, text);
		body.to = general;
	}
	body = trim(s, body);
	if (is_empty(body))
		rd->q->type = Q_ESSAY;
	else if (starts_with(s, body, "#"))
		read_numeric(rd, trim(s, (Span) {body.from + 1, body.to}));
	else if (find(s, body, "~") >= 0)
		read_choice(rd, body);
	else if (find(s, body, "=") >= 0 && find(s, body, "->") >= 0)
		read_matching(rd, body);
	else if (!read_true_false(rd, body))
		read_short(rd, body);
}

/* --- a block ------------------------------------------------------------ */

/* Unescape a block whose text begins on the given line. */
static void
unescape(Source *s, const char *text, int len, int line)
{
	s->c = palloc(len + 1);
	s->literal = palloc(len + 1);
	s->line = palloc(sizeof(int) * (len + 1));
	s->n = 0;
	for (int i = 0; i < len; i++)
	{
		bool		literal = false;
		char		c = text[i];

		if (c == '\\' && i + 1 < len && strchr("~=#{}:n\\", text[i + 1]) != NULL)
		{
			c = text[ ++i] == 'n' ? '\n' : text[i];

			literal = true;
		}
		s->c[s->n] = c;
		s->literal[s->n] = literal;
		s->line[s->n] = line;
		s->n++;
		if (c == '\n' && !literal)
			line++;
	}
	s->c[s->n] = '\0';
}

/* Take a leading "::name::". */
static void
take_name(Reader *rd, Span *text)
{
	const Source *s = &rd->src;
	int			end;

	if (!starts_with(s, *text, "::"))
		return;
	end = find(s, (Span) {text->from + 2, text->to}, "::");
	if (end < 0)
	{
		add_error(rd->q, line_at(s, text->from), "bad_name", "the name is not closed by ::");
		return;
	}
	rd->q->name = span_text(s, trim(s, (Span) {text->from + 2, end}));
	if (rd->q->name[0] == '\0')
		rd->q->name = NULL;
	text	  ->from = end + 2;

	*text = trim(s, *text);
}

/* Read a question from its block, which begins on q->line. */
void
sc_gift_read_question(GiftQuestion *q, const char *text, int len)
{
	Reader		rd = {.q = q};
	Source	   *s = &rd.src;
	Span		all;
	Span		after;
	const char *format;
	int			open;
	int			close;

	unescape(s, text, len, q->line);
	all = trim(s, (Span) {0, s->n});
	q->line = line_at(s, all.from);
	take_name(&rd, &all);
	format = take_format(s, &all);
	q->format = format != NULL ? format : "markdown";

	open = find(s, all, "{");
	close = find(s, all, "}");
	if (open < 0 && close < 0)
	{
		q->type = Q_DESCRIPTION;
		q->prompt = span_text(s, all);
		return;
	}
	if (open < 0 || close < open)
	{
		add_error(q, line_at(s, open < 0 ? close : open), "unbalanced_braces",
				  open < 0 || close >= 0 ? "} without {" : "{ without }");
		q->prompt = span_text(s, all);
		return;
	}
	after = (Span) {close + 1, all.to};
	if (find(s, (Span) {open + 1, close}, "{") >= 0 ||
		find(s, after, "{") >= 0 || find(s, after, "}") >= 0)
		add_error(q, line_at(s, open), "too_many_braces",
				  "one pair of braces holds the answers; write others as \\{ and \\}");
	if (is_empty(trim(s, after)))
		q->prompt = span_text(s, trim(s, (Span) {all.from, open}));
	else
		q->prompt = psprintf("%s_____%s", span_text(s, (Span) {all.from, open}),
							 span_text(s, after));
	if (q->prompt[0] == '\0')
		add_error(q, q->line, "empty_prompt", "the question has no text");
	read_answers(&rd, (Span) {open + 1, close});
}

/* Text of a line without its escapes and outer white space; NULL if empty. */
char *
sc_gift_unescape(const char *text, int len)
{
	Source		s;
	Span		all;

	unescape(&s, text, len, 1);
	all = trim(&s, (Span) {0, s.n});
	return is_empty(all) ? NULL : span_text(&s, all);
}
