/*
 * consteq.h
 *		Comparison of secrets.
 */
#ifndef COMMON_CONSTEQ_H
#define COMMON_CONSTEQ_H

#include <stdbool.h>
#include <stddef.h>

/* Are the n bytes equal?  The time taken depends on n alone. */
extern bool sc_consteq(const void *a, const void *b, size_t n);

#endif							/* COMMON_CONSTEQ_H */
