/*
 * jsonread.h
 *		Reading keys and answers: see jsonread.c.
 */
#ifndef SC_JSONREAD_H
#define SC_JSONREAD_H

#include "utils/jsonb.h"
#include "utils/numeric.h"

extern void sc_jb_root(Jsonb *jb, JsonbValue *v);
extern bool sc_jb_get(const JsonbValue *object, const char *name, JsonbValue *v);
extern bool sc_jb_is_object(const JsonbValue *v);
extern bool sc_jb_is_array(const JsonbValue *v);
extern int	sc_jb_length(const JsonbValue *v);
extern bool sc_jb_item(const JsonbValue *array, int i, JsonbValue *v);
extern bool sc_jb_has_text(const JsonbValue *array, const JsonbValue *s);
extern bool sc_jb_text_is(const JsonbValue *v, const char *s);
extern bool sc_jb_number(const JsonbValue *v, Numeric *out);
extern bool sc_jb_same_text(const JsonbValue *a, const JsonbValue *b);
extern bool sc_parse_number(const char *s, int len, Numeric *out);

#endif							/* SC_JSONREAD_H */
