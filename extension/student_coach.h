/*
 * student_coach.h
 *		What the parts of the extension know of each other, by file.
 *		The interface to tables has a header of its own, query.h.
 */
#ifndef STUDENT_COACH_H
#define STUDENT_COACH_H

#include "fmgr.h"
#include "lib/stringinfo.h"
#include "nodes/pg_list.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#if PG_VERSION_NUM < 150000 || PG_VERSION_NUM >= 160000
#error "student_coach is written for PostgreSQL 15"
#endif

/* error.c: refusals, field errors, problem documents */

extern void sc_refuse(int status, const char *code, const char *params) pg_attribute_noreturn();
extern void sc_invalid(const char *field, const char *code, const char *params);
extern void sc_check_valid(void);

#endif							/* STUDENT_COACH_H */
