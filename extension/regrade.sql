-- Correcting keys and rescoring.
--
-- A correction changes what an exam says about some of its questions (a new
-- key, or a treatment), which gives the exam a new version of its keys, and
-- then rescores in steps what has been held against older ones only.  So it can
-- stop and go on, and a hand-in that had read the old keys and committed after
-- the last step is found by the next minute's upkeep.  The version in the
-- question bank stays as it was: attempts pin what the student saw, and the
-- correction belongs to the exam.
--
--   rekey        the new key holds
--   best_of      right under the old or under the new key
--   full_credit  right for everybody, blank or not
--   exclude      cancelled: leaves N, D, Y and B
--   no_regrade   the new key holds for what is scored from now on
--
-- A dry run does the whole work inside a subtransaction and rolls it back, so
-- it shows exactly what would happen.

CREATE TYPE sc.score_change AS (
    result_id bigint,
    user_id bigint,
    before jsonb,
    after jsonb
);
COMMENT ON TYPE sc.score_change IS 'a result before and after a regrade';
COMMENT ON COLUMN sc.score_change.result_id IS 'result';
COMMENT ON COLUMN sc.score_change.user_id IS 'student';
COMMENT ON COLUMN sc.score_change.before IS 'correct, wrong, blank, net, points, max_points before';
COMMENT ON COLUMN sc.score_change.after IS 'the same after';

CREATE FUNCTION sc.score_snapshot(result_id bigint)
RETURNS jsonb
LANGUAGE plpgsql VOLATILE STRICT
AS $$
BEGIN
    RETURN (
        SELECT jsonb_build_object('correct', r.correct, 'wrong', r.wrong, 'blank', r.blank, 'net', r.net,
                                  'points', r.points, 'max_points', r.max_points)
        FROM sc.exam_results AS r
        WHERE r.id = score_snapshot.result_id);
END
$$;
COMMENT ON FUNCTION sc.score_snapshot(bigint) IS 'the score of a result as an object, for audits and regrades';

CREATE FUNCTION sc.rescore_result(result_id bigint, only_if_higher boolean DEFAULT false)
RETURNS sc.score_change
LANGUAGE plpgsql VOLATILE STRICT
AS $$
DECLARE
    r record;
    change sc.score_change;
    was bigint;
    higher boolean;
BEGIN
    -- attempt before result: the order in which submit and sweep lock
    SELECT x.attempt_id, x.user_id INTO r FROM sc.exam_results AS x WHERE x.id = rescore_result.result_id;
    PERFORM FROM sc.exam_attempts AS a WHERE a.id = r.attempt_id FOR UPDATE;
    change.before := sc.score_snapshot(rescore_result.result_id);
    SELECT x.sort_key INTO was FROM sc.exam_results AS x WHERE x.id = rescore_result.result_id FOR UPDATE;
    BEGIN
        PERFORM sc.score_result(rescore_result.result_id);
        change.after := sc.score_snapshot(rescore_result.result_id);
        IF change.after IS NOT DISTINCT FROM change.before THEN
            RETURN NULL;
        END IF;
        SELECT x.sort_key > was OR (x.sort_key = was AND x.points > (change.before ->> 'points')::numeric) INTO higher
        FROM sc.exam_results AS x WHERE x.id = rescore_result.result_id;
        IF only_if_higher AND NOT higher THEN
            RAISE EXCEPTION USING ERRCODE = 'SC000', MESSAGE = 'not_higher';
        END IF;
    EXCEPTION WHEN SQLSTATE 'SC000' THEN
        RETURN NULL;
    END;
    UPDATE sc.exam_results AS x
    SET first_score = change.before
    WHERE x.id = rescore_result.result_id AND x.first_score IS NULL;
    change.result_id := rescore_result.result_id;
    change.user_id := r.user_id;
    RETURN change;
END
$$;
COMMENT ON FUNCTION sc.rescore_result(bigint, boolean) IS
    'scores a result again with the keys as they are now; keeps the first score; with only_if_higher a result may rise but not fall; gives the change, or NULL when there is none';

CREATE FUNCTION sc.regrade_begin(
    exam_id bigint,
    policy text,
    question_ids bigint[],
    keys jsonb,
    only_if_higher boolean,
    reason text,
    actor bigint)
RETURNS bigint
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    exam record;
    unknown bigint[];
    missing bigint[];
    fault record;
    regrade bigint;
    version int;
BEGIN
    SELECT e.id, e.is_frozen INTO exam FROM sc.exams AS e WHERE e.id = regrade_begin.exam_id FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        PERFORM sc_api.refuse(404, 'not_found');
    END IF;
    IF exam.is_frozen THEN
        PERFORM sc_api.refuse(409, 'exam_frozen');
    END IF;

    SELECT array_agg(q ORDER BY q) INTO unknown
    FROM unnest(regrade_begin.question_ids) AS q
    WHERE q NOT IN (SELECT eq.question_id FROM sc.exam_questions AS eq WHERE eq.exam_id = regrade_begin.exam_id);
    IF unknown IS NOT NULL THEN
        PERFORM sc_api.refuse(422, 'question_not_in_exam', jsonb_build_object('question_ids', unknown));
    END IF;
    IF policy IN ('rekey', 'best_of', 'no_regrade') THEN
        SELECT array_agg(q ORDER BY q) INTO missing
        FROM unnest(regrade_begin.question_ids) AS q
        WHERE NOT coalesce(keys, '{}') ? q::text;
        IF missing IS NOT NULL THEN
            PERFORM sc_api.refuse(422, 'key_missing', jsonb_build_object('question_ids', missing));
        END IF;
        FOR fault IN
            SELECT eq.question_id, c.code
            FROM sc.exam_questions AS eq
            JOIN sc.question_versions AS v ON v.id = eq.version_id
            CROSS JOIN LATERAL sc.question_check(v.type, v.prompt, v.options, keys -> eq.question_id::text) AS c
            WHERE eq.exam_id = regrade_begin.exam_id AND eq.question_id = ANY (regrade_begin.question_ids) AND c.field = 'key'
            ORDER BY eq.question_id
        LOOP
            PERFORM sc_api.invalid('keys.' || fault.question_id, fault.code);
        END LOOP;
        PERFORM sc_api.check_valid();
    END IF;

    UPDATE sc.exam_questions AS eq
    SET treatment = CASE policy WHEN 'best_of' THEN 'best_of' WHEN 'full_credit' THEN 'full_credit'
                                WHEN 'exclude' THEN 'exclude' ELSE 'normal' END,
        old_key = CASE WHEN policy = 'best_of' THEN coalesce(eq.key, v.key) ELSE eq.old_key END,
        key = CASE WHEN policy IN ('rekey', 'best_of', 'no_regrade') THEN keys -> eq.question_id::text ELSE eq.key END
    FROM sc.question_versions AS v
    WHERE v.id = eq.version_id AND eq.exam_id = regrade_begin.exam_id
      AND eq.question_id = ANY (regrade_begin.question_ids);
    UPDATE sc.exams AS e SET key_version = e.key_version + 1 WHERE e.id = regrade_begin.exam_id
    RETURNING e.key_version INTO version;

    INSERT INTO sc.regrades (exam_id, policy, question_ids, keys, only_if_higher, reason, created_by, state, finished_at, key_version, total)
    VALUES (regrade_begin.exam_id, regrade_begin.policy, regrade_begin.question_ids, coalesce(regrade_begin.keys, '{}'),
            coalesce(regrade_begin.only_if_higher, false), regrade_begin.reason, regrade_begin.actor,
            CASE WHEN policy = 'no_regrade' THEN 'done' ELSE 'running' END,
            CASE WHEN policy = 'no_regrade' THEN clock_timestamp() END, version,
            CASE WHEN policy = 'no_regrade' THEN 0
                 ELSE (SELECT count(*) FROM sc.exam_results AS r WHERE r.exam_id = regrade_begin.exam_id) END)
    RETURNING id INTO regrade;
    INSERT INTO sc.exam_audit (exam_id, actor_id, action, detail)
    VALUES (regrade_begin.exam_id, regrade_begin.actor, 'regrade',
            jsonb_build_object('regrade_id', regrade, 'policy', policy, 'question_ids', question_ids, 'keys', keys,
                               'reason', reason));
    RETURN regrade;
END
$$;
COMMENT ON FUNCTION sc.regrade_begin(bigint, text, bigint[], jsonb, boolean, text, bigint) IS
    'corrects keys or treatments of questions of an exam and opens a regrade; question_ids NULL: no question changes, all results are rescored; keys: {"question id": key}; gives the regrade. Refusals: 404 not_found, 409 exam_frozen, 422 question_not_in_exam, key_missing, and a field error for each key that its question cannot be graded by';

CREATE FUNCTION sc.regrade_step(regrade_id bigint, lim int DEFAULT 500)
RETURNS int
LANGUAGE plpgsql VOLATILE STRICT
AS $$
DECLARE
    g record;
    r record;
    change sc.score_change;
    seen int := 0;
    altered int := 0;
BEGIN
    SELECT * INTO g FROM sc.regrades AS x WHERE x.id = regrade_step.regrade_id FOR UPDATE;
    IF NOT FOUND THEN
        PERFORM sc_api.refuse(404, 'not_found');
    END IF;
    IF g.policy = 'no_regrade' THEN
        RETURN 0;
    END IF;
    FOR r IN
        SELECT x.id
        FROM sc.exam_results AS x
        WHERE x.exam_id = g.exam_id AND x.key_version < g.key_version
        ORDER BY x.id
        LIMIT lim
    LOOP
        change := sc.rescore_result(r.id, g.only_if_higher);
        seen := seen + 1;
        IF change.result_id IS NOT NULL THEN
            altered := altered + 1;
            INSERT INTO sc.regrade_changes AS c (regrade_id, result_id, before, after)
            VALUES (g.id, r.id, change.before, change.after)
            ON CONFLICT ON CONSTRAINT regrade_changes_pkey DO UPDATE SET after = excluded.after;
        END IF;
        UPDATE sc.exam_results AS x SET key_version = g.key_version WHERE x.id = r.id AND x.key_version < g.key_version;
    END LOOP;
    UPDATE sc.regrades AS x
    SET examined = x.examined + seen, changed = x.changed + altered, total = greatest(x.total, x.examined + seen),
        state = CASE WHEN seen < lim THEN 'done' ELSE 'running' END,
        finished_at = CASE WHEN seen < lim THEN coalesce(x.finished_at, clock_timestamp()) END
    WHERE x.id = g.id AND (seen > 0 OR x.state <> 'done');
    IF altered > 0 THEN
        UPDATE sc.exam_sums AS s SET is_stale = true WHERE s.exam_id = g.exam_id AND NOT s.is_stale;
    END IF;
    RETURN seen;
END
$$;
COMMENT ON FUNCTION sc.regrade_step(bigint, int) IS
    'rescores the next lim results that the regrade''s keys have not been held against; returns how many it looked at, fewer than lim when it is done';

CREATE FUNCTION sc.regrade_waiting(lim int DEFAULT 5000, at timestamptz DEFAULT clock_timestamp())
RETURNS int
LANGUAGE plpgsql VOLATILE STRICT
AS $$
DECLARE
    g record;
    seen int;
    examined int := 0;
BEGIN
    FOR g IN
        SELECT x.id
        FROM sc.regrades AS x
        WHERE x.state = 'running'
           -- a hand-in that had read the old keys may have come in since
           OR (x.state = 'done' AND x.policy <> 'no_regrade' AND x.finished_at > regrade_waiting.at - interval '1 hour'
               AND EXISTS (SELECT FROM sc.exam_results AS r WHERE r.exam_id = x.exam_id AND r.key_version < x.key_version))
        ORDER BY x.id
        FOR UPDATE SKIP LOCKED
    LOOP
        LOOP
            EXIT WHEN examined >= lim;
            BEGIN
                seen := sc.regrade_step(g.id, least(500, lim - examined));
            EXCEPTION
                WHEN transaction_rollback OR lock_not_available THEN
                    RAISE;
                WHEN OTHERS THEN
                    -- it must not stand in the way of the others
                    RAISE WARNING 'regrade % failed: %', g.id, SQLERRM;
                    UPDATE sc.regrades AS x SET state = 'failed', finished_at = clock_timestamp() WHERE x.id = g.id;
                    seen := 0;
            END;
            EXIT WHEN seen = 0;
            examined := examined + seen;
        END LOOP;
        EXIT WHEN examined >= lim;
    END LOOP;
    RETURN examined;
END
$$;
COMMENT ON FUNCTION sc.regrade_waiting(int, timestamptz) IS
    'goes on with regrades that are not done, oldest first, at most lim results; also looks after results that came in with old keys while one ended; one that cannot go on is marked failed; returns how many results were looked at';

CREATE FUNCTION sc.regrade_preview(
    exam_id bigint,
    policy text,
    question_ids bigint[],
    keys jsonb,
    only_if_higher boolean,
    actor bigint)
RETURNS SETOF sc.score_change
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    changes sc.score_change[];
    regrade bigint;
    c sc.score_change;
BEGIN
    BEGIN
        regrade := sc.regrade_begin(exam_id, policy, question_ids, keys, only_if_higher, 'dry run', actor);
        PERFORM sc.regrade_step(regrade, 2147483647);
        SELECT array_agg(ROW(x.result_id, r.user_id, x.before, x.after)::sc.score_change ORDER BY x.result_id) INTO changes
        FROM sc.regrade_changes AS x
        JOIN sc.exam_results AS r ON r.id = x.result_id
        WHERE x.regrade_id = regrade;
        RAISE EXCEPTION USING ERRCODE = 'SC000', MESSAGE = 'dry_run';
    EXCEPTION WHEN SQLSTATE 'SC000' THEN
        NULL;
    END;
    FOREACH c IN ARRAY coalesce(changes, '{}') LOOP
        RETURN NEXT c;
    END LOOP;
END
$$;
COMMENT ON FUNCTION sc.regrade_preview(bigint, text, bigint[], jsonb, boolean, bigint) IS
    'what a regrade would change; writes nothing. Refusals as regrade_begin';

CREATE FUNCTION sc.regrade_exam(exam_id bigint)
RETURNS bigint
LANGUAGE plpgsql VOLATILE STRICT
AS $$
DECLARE
    regrade bigint;
BEGIN
    regrade := sc.regrade_begin(exam_id, 'rekey', NULL, NULL, false, 'all results scored again', NULL);
    WHILE sc.regrade_step(regrade) > 0 LOOP
        NULL;
    END LOOP;
    RETURN (SELECT g.changed FROM sc.regrades AS g WHERE g.id = regrade);
END
$$;
COMMENT ON FUNCTION sc.regrade_exam(bigint) IS
    'scores all results of an exam again with the keys as they are; returns how many changed; idempotent';

-- The same over REST.

CREATE TYPE sc_api.regrade_change AS (
    result_id bigint,
    user_id bigint,
    full_name text,
    before jsonb,
    after jsonb
);
COMMENT ON TYPE sc_api.regrade_change IS 'what a correction changes for a student';
COMMENT ON COLUMN sc_api.regrade_change.before IS 'correct, wrong, blank, net, points, max_points before';
COMMENT ON COLUMN sc_api.regrade_change.after IS 'the same after';

CREATE TYPE sc_api.regrade AS (
    regrade_id bigint,
    exam_id bigint,
    policy text,
    question_ids bigint[],
    only_if_higher boolean,
    reason text,
    dry_run boolean,
    state text,
    total int,
    examined int,
    changed int,
    created_at timestamptz,
    finished_at timestamptz,
    changes sc_api.regrade_change[]
);
COMMENT ON TYPE sc_api.regrade IS 'a correction of keys and what it changed';
COMMENT ON COLUMN sc_api.regrade.regrade_id IS 'null in a dry run';
COMMENT ON COLUMN sc_api.regrade.state IS 'running: goes on in the background, some thousand results a minute; done; failed; dry_run';
COMMENT ON COLUMN sc_api.regrade.total IS 'results to look at';
COMMENT ON COLUMN sc_api.regrade.examined IS 'results looked at so far';
COMMENT ON COLUMN sc_api.regrade.changed IS 'results changed so far';
COMMENT ON COLUMN sc_api.regrade.changes IS 'at most 500 of the changes';

CREATE FUNCTION sc.regrade_view(regrade_id bigint, with_changes boolean DEFAULT true)
RETURNS sc_api.regrade
LANGUAGE plpgsql STABLE STRICT
AS $$
DECLARE
    v sc_api.regrade;
BEGIN
    SELECT g.id, g.exam_id, g.policy, g.question_ids, g.only_if_higher, g.reason, false, g.state, g.total, g.examined, g.changed,
           g.created_at, g.finished_at,
           CASE WHEN with_changes THEN ARRAY(
               SELECT ROW(c.result_id, r.user_id, u.full_name, c.before, c.after)::sc_api.regrade_change
               FROM sc.regrade_changes AS c
               JOIN sc.exam_results AS r ON r.id = c.result_id
               JOIN sc.users AS u ON u.id = r.user_id
               WHERE c.regrade_id = g.id
               ORDER BY c.result_id
               LIMIT 500) END
    INTO v
    FROM sc.regrades AS g WHERE g.id = regrade_view.regrade_id;
    RETURN v;
END
$$;
COMMENT ON FUNCTION sc.regrade_view(bigint, boolean) IS 'a regrade as staff sees it';

CREATE FUNCTION sc_api.exam_regrade(
    actor bigint,
    exam_id bigint,
    policy text,
    reason text,
    question_ids bigint[] DEFAULT NULL,
    keys jsonb DEFAULT NULL,
    only_if_higher boolean DEFAULT false,
    dry_run boolean DEFAULT false)
RETURNS sc_api.regrade
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    answer sc_api.regrade;
BEGIN
    PERFORM sc.own_exam(actor, exam_id);
    IF policy NOT IN ('rekey', 'best_of', 'full_credit', 'exclude', 'no_regrade') THEN
        PERFORM sc_api.invalid('policy', 'invalid_value');
    END IF;
    IF length(trim(reason)) NOT BETWEEN 1 AND 1000 THEN
        PERFORM sc_api.invalid('reason', 'required');
    END IF;
    IF question_ids IS NULL AND policy <> 'rekey' THEN
        PERFORM sc_api.invalid('question_ids', 'required');
    END IF;
    PERFORM sc_api.check_valid();

    IF dry_run THEN
        answer.exam_id := exam_id;
        answer.policy := policy;
        answer.question_ids := question_ids;
        answer.only_if_higher := only_if_higher;
        answer.reason := reason;
        answer.dry_run := true;
        answer.state := 'dry_run';
        SELECT count(*), coalesce(array_agg(ROW(c.result_id, c.user_id, u.full_name, c.before, c.after)::sc_api.regrade_change
                                            ORDER BY c.n) FILTER (WHERE c.n <= 500), '{}')
        INTO answer.changed, answer.changes
        FROM (SELECT p.*, row_number() OVER () AS n
              FROM sc.regrade_preview(exam_id, policy, question_ids, keys, only_if_higher, actor) AS p) AS c
        JOIN sc.users AS u ON u.id = c.user_id;
        SELECT count(*) INTO answer.examined FROM sc.exam_results AS r WHERE r.exam_id = exam_regrade.exam_id;
        answer.total := answer.examined;
        RETURN answer;
    END IF;

    answer.regrade_id := sc.regrade_begin(exam_id, policy, question_ids, keys, only_if_higher, reason, actor);
    -- what is small is done at once; of what is big the upkeep does the rest
    PERFORM sc.regrade_step(answer.regrade_id, sc.setting_int('regrade_at_once') + 1);
    answer := sc.regrade_view(answer.regrade_id);
    IF answer.state = 'running' THEN
        PERFORM sc_api.answer(202);
    END IF;
    PERFORM sc_api.header('Location', '/api/v1/exams/' || exam_id || '/regrades/' || answer.regrade_id);
    RETURN answer;
END
$$;
COMMENT ON FUNCTION sc_api.exam_regrade(bigint, bigint, text, text, bigint[], jsonb, boolean, boolean) IS
    'Corrects keys or cancels questions and scores the results again. policy: rekey, best_of, full_credit, exclude, no_regrade; keys: {"question id": key}; dry_run shows what would change. 200: done; 202: the first of many results are done, the rest follows in the background (see Location). Ranks and statistics follow with the next fold after it is done.';

CREATE FUNCTION sc_api.regrade_get(actor bigint, exam_id bigint, regrade_id bigint)
RETURNS sc_api.regrade
LANGUAGE plpgsql STABLE
AS $$
BEGIN
    PERFORM sc.read_exam(actor, exam_id);
    IF NOT EXISTS (SELECT FROM sc.regrades AS g WHERE g.id = regrade_get.regrade_id AND g.exam_id = regrade_get.exam_id) THEN
        RETURN NULL;
    END IF;
    RETURN sc.regrade_view(regrade_id);
END
$$;
COMMENT ON FUNCTION sc_api.regrade_get(bigint, bigint, bigint) IS 'A correction: how far it has come, and what it changed.';

CREATE FUNCTION sc_api.exam_regrades(actor bigint, exam_id bigint, page int DEFAULT 1, per_page int DEFAULT 20)
RETURNS SETOF sc_api.regrade
LANGUAGE plpgsql STABLE
AS $$
BEGIN
    PERFORM sc.read_exam(actor, exam_id);
    RETURN QUERY
    SELECT v.*
    FROM (SELECT g.id FROM sc.regrades AS g
          WHERE g.exam_id = exam_regrades.exam_id
          ORDER BY g.id DESC
          LIMIT exam_regrades.per_page OFFSET (exam_regrades.page - 1)::bigint * exam_regrades.per_page) AS x,
         sc.regrade_view(x.id, false) AS v
    ORDER BY v.regrade_id DESC;
    PERFORM sc_api.total((SELECT count(*) FROM sc.regrades AS g WHERE g.exam_id = exam_regrades.exam_id));
END
$$;
COMMENT ON FUNCTION sc_api.exam_regrades(bigint, bigint, int, int) IS 'Corrections of an exam, newest first, without their changes.';
