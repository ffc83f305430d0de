-- What coachd processes agree on about the cache: epochs and losses.
BEGIN;
UPDATE sc.cache_epoch SET epoch = 7, server = '', opens_at = clock_timestamp(), reason = 'test';
DELETE FROM sc.cache_losses;
CREATE TEMPORARY TABLE seen (epoch bigint);
CREATE FUNCTION pg_temp.is_new() RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    e bigint := (SELECT epoch FROM sc_api.cache_state());
    is_new boolean := NOT EXISTS (SELECT 1 FROM seen WHERE epoch >= e);
BEGIN
    INSERT INTO seen VALUES (e);
    RETURN is_new;
END $$;

-- 1. the state as it is
SELECT epoch, server, serving, losses, overdue FROM sc_api.cache_state();
SELECT pg_temp.is_new(), pg_temp.is_new();

-- 2. the first servers serve at once, in a new epoch
SELECT sc_api.cache_found('a', 'r1');
SELECT server, serving, losses, pg_temp.is_new() FROM sc_api.cache_state();

-- 3. another process in the same servers: nothing was missed
SELECT sc_api.cache_found('b', 'r1');
SELECT serving, losses, pg_temp.is_new() FROM sc_api.cache_state();

-- 4. a loss, declared and renewed; it does not change the epoch
SELECT sc_api.cache_lost('a'), sc_api.cache_lost('a'), sc_api.cache_lost('b');
SELECT losses, overdue, pg_temp.is_new() FROM sc_api.cache_state();

-- 5. the end of one loss is a new epoch, and the other one stays
SELECT sc_api.cache_found('a', 'r1');
SELECT losses, serving, pg_temp.is_new() FROM sc_api.cache_state();

-- 6. a new epoch for other reasons does not end a loss that is alive
SELECT sc_api.cache_renew('test');
SELECT losses, overdue, pg_temp.is_new() FROM sc_api.cache_state();

-- 7. one that fell silent is overdue, and ends with the next epoch
UPDATE sc.cache_losses SET seen_at = clock_timestamp() - interval '16 seconds';
SELECT losses, overdue FROM sc_api.cache_state();
SELECT sc_api.cache_renew('test');
SELECT losses, overdue, pg_temp.is_new() FROM sc_api.cache_state();

-- 8. other servers do not serve before everybody has left the old ones
SELECT sc_api.cache_found('a', 'r2');
SELECT server, serving, pg_temp.is_new() FROM sc_api.cache_state();
SELECT opens_at - clock_timestamp() BETWEEN interval '1 second' AND interval '2.5 seconds' AS soon FROM sc.cache_epoch;

-- 9. an epoch of a restored dump does not come back: it follows the clock
UPDATE sc.cache_epoch SET epoch = 3;
SELECT sc_api.cache_renew('test');
SELECT pg_temp.is_new();
-- nor does a clock that was set back
UPDATE sc.cache_epoch SET epoch = 9000000000000000;
SELECT sc_api.cache_renew('test');
SELECT epoch FROM sc_api.cache_state();

-- 10. revoked tokens that are still of interest, as entries for Redis
DELETE FROM sc.revoked_tokens;
INSERT INTO sc.users (email, full_name, role_id)
SELECT 'cache@regress.test', 'Cache', id FROM sc.roles WHERE name = 'student';
INSERT INTO sc.revoked_tokens (jti, user_id, expires_at)
SELECT j, u.id, clock_timestamp() + t
  FROM sc.users AS u,
       (VALUES ('00000000-0000-4000-8000-000000000001'::uuid, interval '100.9 seconds'),
               ('00000000-0000-4000-8000-000000000002', interval '-1 second')) AS v(j, t)
 WHERE u.email = 'cache@regress.test';
SELECT sc_api.revocations();

-- 11. the shim may call these, and touch the tables in no other way
SET LOCAL ROLE sc_app;
SELECT losses FROM sc_api.cache_state();
SELECT sc_api.cache_lost('c'), sc_api.cache_found('c', 'r2'), sc_api.cache_renew('test');
SELECT count(*) FROM sc.cache_epoch;
ROLLBACK;
