/*
 * order.h
 *		The seeded order of questions and options: see order.c.
 */
#ifndef SC_ORDER_H
#define SC_ORDER_H

#include "utils/jsonb.h"

#include "extension/grade.h"

extern uint64 sc_order_seed(uint64 seed, uint64 salt);
extern void sc_order_permutation(uint64 seed, int n, int *place);
extern bool sc_order_applies(QuestionType type, bool shuffle_options);
extern Jsonb *sc_order_options(QuestionType type, Jsonb *options, uint64 seed);
extern Jsonb *sc_order_answer(QuestionType type, Jsonb *options, uint64 seed, Jsonb *answer, bool to_shown);

#endif							/* SC_ORDER_H */
