/*
 * gift.h
 *		Questions as GIFT text: gift.c reads, gift_write.c writes.
 */
#ifndef SC_GIFT_H
#define SC_GIFT_H

#include "lib/stringinfo.h"
#include "nodes/pg_list.h"

#include "extension/grade.h"

typedef struct GiftError
{
	int			line;
	const char *code;
	char	   *message;
} GiftError;

/* One question; texts are NULL when the source has none. */
typedef struct GiftQuestion
{
	int			line;			/* where it begins, from 1 */
	char	   *name;
	char	   *category;
	int			type;			/* QuestionType, -1 if it could not be told */
	char	   *prompt;
	const char *format;
	char	   *options;		/* JSON */
	char	   *key;			/* JSON */
	char	   *explanation;
	List	   *tags;			/* of char * */
	List	   *errors;			/* of GiftError * */
} GiftQuestion;

/* Comment that carries what GIFT has no words for, as JSON. */
#define GIFT_DIRECTIVE "// [student-coach] "

extern void sc_gift_read_question(GiftQuestion *q, const char *text, int len);
extern char *sc_gift_unescape(const char *text, int len);
extern List *sc_gift_read(const char *text, int len);
extern void sc_gift_escape(StringInfo out, const char *s, int len);
extern void sc_option_id(char *buf, int i);

#endif							/* SC_GIFT_H */
