/*
 * fold.h
 *		Comparing what people type: see fold.c.
 */
#ifndef SC_FOLD_H
#define SC_FOLD_H

#include "mb/pg_wchar.h"

/* How letters are made equal before two texts are compared. */
typedef enum FoldRule
{
	FOLD_NONE,					/* case counts */
	FOLD_DEFAULT,				/* I -> i, as everywhere */
	FOLD_TURKISH				/* I -> dotless i, as in Turkish */
} FoldRule;

extern pg_wchar *sc_fold_text(const char *text, int len, FoldRule rule, bool pattern, int *outlen);
extern bool sc_fold_match(const char *pattern, int patlen, const char *text, int textlen, bool case_sensitive);
extern bool sc_fold_is_blank(const char *text, int len);

#endif							/* SC_FOLD_H */
