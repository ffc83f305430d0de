/*
 * scripts.h
 *		The Lua that runs inside Redis.
 */
#ifndef SHIM_SCRIPTS_H
#define SHIM_SCRIPTS_H

/* Places in redis_scripts, as redis_eval() takes them. */
typedef enum Script
{
	SCRIPT_BUCKET,
	SCRIPT_LEASE,
	SCRIPT_FILL,
	SCRIPT_RELEASE,
	SCRIPT_INVALIDATE,
	SCRIPT_SESSION,
	SCRIPT_VOUCH,
	SCRIPT_BEAT
} Script;

extern const char *const redis_scripts[];

#endif							/* SHIM_SCRIPTS_H */
