/*
 * student_coach.c
 *		Module load: magic, settings, callbacks.
 */
#include "postgres.h"

#include "fmgr.h"

#include "extension/student_coach.h"

PG_MODULE_MAGIC;
