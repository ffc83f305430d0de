/*
 * grade.h
 *		Question types and grading: see grade.c.
 */
#ifndef SC_GRADE_H
#define SC_GRADE_H

#include "utils/jsonb.h"
#include "utils/numeric.h"

typedef enum QuestionType
{
	Q_SINGLE_CHOICE,
	Q_MULTIPLE_CHOICE,
	Q_TRUE_FALSE,
	Q_NUMERIC,
	Q_SHORT_ANSWER,
	Q_MATCHING,
	Q_ORDERING,
	Q_ESSAY,
	Q_DESCRIPTION				/* text between questions: no marks */
} QuestionType;

#define Q_TYPES (Q_DESCRIPTION + 1)

extern const char *const sc_question_type_names[Q_TYPES];

extern int	sc_question_type_find(const char *name, int len);
extern QuestionType sc_question_type(text *name);
extern Numeric sc_grade_answer(QuestionType type, Jsonb *key, Jsonb *answer);
extern bool sc_answer_blank(QuestionType type, Jsonb *answer);
extern bool sc_parse_number(const char *s, int len, Numeric *out);

/* Reading jsonb */
extern void sc_jb_root(Jsonb *jb, JsonbValue *v);
extern bool sc_jb_get(const JsonbValue *object, const char *name, JsonbValue *v);
extern bool sc_jb_is_object(const JsonbValue *v);
extern bool sc_jb_is_array(const JsonbValue *v);
extern int	sc_jb_length(const JsonbValue *v);
extern bool sc_jb_item(const JsonbValue *array, int i, JsonbValue *v);
extern bool sc_jb_has_text(const JsonbValue *array, const JsonbValue *s);
extern bool sc_jb_text_is(const JsonbValue *v, const char *s);
extern bool sc_jb_number(const JsonbValue *v, Numeric *out);

#endif							/* SC_GRADE_H */
