/*
 * grade.h
 *		Question types and grading: see grade.c.
 */
#ifndef SC_GRADE_H
#define SC_GRADE_H

#include "extension/jsonread.h"

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

#endif							/* SC_GRADE_H */
