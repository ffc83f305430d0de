-- What has to be done every minute and every day, in one place.  Until a
-- worker ticks them, a timer of the operating system calls these two.

CREATE FUNCTION sc.upkeep_minute(
    at timestamptz DEFAULT clock_timestamp(),
    OUT regraded int,
    OUT closed int,
    OUT scored int,
    OUT folded int)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, sc, pg_temp
AS $$
BEGIN
    -- first: it waits for attempts, and may hold nothing that their writers wait for
    regraded := sc.regrade_waiting(5000, upkeep_minute.at);
    closed := sc.close_overdue(2000, upkeep_minute.at);
    scored := sc.score_waiting(500);
    folded := sc.fold_results(5000, upkeep_minute.at);
END
$$;
COMMENT ON FUNCTION sc.upkeep_minute(timestamptz) IS
    'goes on with regrades, closes attempts whose time is up, scores what waits, folds results into ranks and statistics; for every minute, safe from many places at once; gives how many of each';

CREATE FUNCTION sc.upkeep_daily(
    OUT partitions_made int,
    OUT enrollments_expired bigint)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, sc, pg_temp
AS $$
BEGIN
    partitions_made := sc.make_partitions();
    enrollments_expired := sc.expire_enrollments();
    PERFORM sc.clean_sessions();
    PERFORM sc.forget_idempotency_keys();
END
$$;
COMMENT ON FUNCTION sc.upkeep_daily() IS
    'makes the partitions of the coming months, ends enrolments whose time is over, removes what ended sessions and old idempotency keys have left; old log partitions are dropped by drop_partitions() when the school decides';
