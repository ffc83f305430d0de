/*
 * student_coach.c
 *		Module load: magic and callbacks.
 */
#include "postgres.h"

#include "fmgr.h"

#include "extension/student_coach.h"

PG_MODULE_MAGIC;

PGDLLEXPORT void _PG_init(void);

void
_PG_init(void)
{
	sc_touch_init();
	sc_upload_init();
}
