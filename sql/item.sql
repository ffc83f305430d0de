-- Statistics of items and tests.
\pset null undefined
SET extra_float_digits = 0;

-- 1. worked by hand: marks 1 1 0 0 and 1 1 1 0
SELECT item, attempts, facility, sd, intended_weight, effective_weight, covariance, max_covariance, discrimination_index, discriminative_efficiency
FROM sc.item_analysis('{{1,1},{1,1},{0,1},{0,0}}', '{1,1}');
SELECT * FROM sc.test_analysis('{{1,1},{1,1},{0,1},{0,0}}', '{1,1}');

-- 2. limits: nothing, one attempt, constant items, two and three attempts, no maximum
SELECT * FROM sc.item_analysis('{}', NULL);
SELECT * FROM sc.test_analysis('{}', '{1}');
SELECT attempts, facility, sd, covariance, discrimination_index, effective_weight FROM sc.item_analysis('{{1,0.5}}', '{1,2}');
SELECT * FROM sc.test_analysis('{{1,0.5}}', '{1,2}');
SELECT facility, sd, covariance, max_covariance, discrimination_index, discriminative_efficiency, effective_weight
FROM sc.item_analysis('{{0.1,1},{0.1,0},{0.1,1},{0.1,0},{0.1,0}}', '{1,0}');
SELECT attempts, sd, skewness, kurtosis, cic FROM sc.test_analysis('{{1,0},{0,1}}');
SELECT attempts, round(sd::numeric, 6) AS sd, round(skewness::numeric, 6) AS skewness, kurtosis FROM sc.test_analysis('{{1,0},{1,1},{0,0}}');
SELECT cic, error_ratio, standard_error FROM sc.test_analysis('{{1,1},{0,0},{1,1},{0,0}}');
-- an item that not everybody has; a row of nothing is no attempt
SELECT item, attempts, facility, discrimination_index FROM sc.item_analysis('{{1,1,NULL},{0,NULL,1},{1,1,0},{NULL,NULL,NULL},{0,0,1}}');
SELECT attempts, items, mean, median FROM sc.test_analysis('{{1,1,NULL},{0,NULL,1},{1,1,0},{NULL,NULL,NULL},{0,0,1}}');
-- refused
SELECT * FROM sc.item_analysis('{1,0}');
SELECT * FROM sc.item_analysis('{{1,0}}', '{1,1,1}');
SELECT * FROM sc.item_analysis('{{1,NaN}}');

-- 3. against the definitions, written out slowly, on random matrices with gaps and many or few levels
CREATE FUNCTION pg_temp.matrix(n int, p int, levels int, gaps float8) RETURNS float8[] LANGUAGE sql VOLATILE AS $$
    SELECT array_agg(r) FROM (
        SELECT array_agg(CASE WHEN random() >= gaps OR i = 1 THEN round((random() * levels)::numeric) / levels + (ability > random())::int END ORDER BY i) AS r
        FROM (SELECT s, random() AS ability FROM generate_series(1, n) AS s) AS a, generate_series(1, p) AS i GROUP BY s) AS x
$$;
CREATE FUNCTION pg_temp.slow(marks float8[]) RETURNS TABLE (item int, facility float8, sd float8, cov float8, max_cov float8, di float8, ct float8) LANGUAGE sql AS $$
    WITH m AS (SELECT s, i, marks[s][i] AS x FROM generate_subscripts(marks, 1) AS s, generate_subscripts(marks, 2) AS i WHERE marks[s][i] IS NOT NULL),
    t AS (SELECT s, sum(x) AS t FROM m GROUP BY s),
    o AS (SELECT i, x, t - x AS o, t FROM m JOIN t USING (s)),
    sorted AS (SELECT i, x, row_number() OVER (PARTITION BY i ORDER BY x) AS k FROM o),
    rest AS (SELECT i, o, row_number() OVER (PARTITION BY i ORDER BY o) AS k FROM o)
    SELECT i, avg(x) / 2, stddev_samp(x), covar_samp(x, o),
           (SELECT covar_samp(a.x, b.o) FROM sorted AS a JOIN rest AS b USING (i, k) WHERE i = o.i), 100 * corr(x, o), covar_samp(x, t)
    FROM o GROUP BY i
$$;
CREATE FUNCTION pg_temp.near(a float8, b float8) RETURNS boolean LANGUAGE sql AS
    'SELECT a IS NOT DISTINCT FROM b OR coalesce(abs(a - b) <= 1e-9 * (1 + abs(b)), false)';
SELECT setseed(0.5);
CREATE TEMP TABLE trial AS
SELECT k, pg_temp.matrix(3 + k * 7 % 60, 2 + k % 9, CASE k % 4 WHEN 0 THEN 1 WHEN 1 THEN 4 ELSE 1000 END, CASE WHEN k % 3 = 0 THEN 0.2 ELSE 0 END) AS m
FROM generate_series(1, 60) AS k;
SELECT count(*) > 300 AS many,
       count(*) FILTER (WHERE NOT pg_temp.near(f.facility, s.facility)) AS facility, count(*) FILTER (WHERE NOT pg_temp.near(f.sd, s.sd)) AS sd,
       count(*) FILTER (WHERE NOT pg_temp.near(f.covariance, s.cov)) AS cov, count(*) FILTER (WHERE NOT pg_temp.near(f.max_covariance, s.max_cov)) AS max_cov,
       count(*) FILTER (WHERE NOT pg_temp.near(f.discrimination_index, s.di)) AS di,
       count(*) FILTER (WHERE NOT pg_temp.near(f.discriminative_efficiency, 100 * s.cov / nullif(s.max_cov, 0))) AS de,
       count(*) FILTER (WHERE NOT pg_temp.near(f.effective_weight, CASE WHEN s.ct >= 0 THEN 100 * sqrt(s.ct) / s.roots END)) AS weight
FROM trial
CROSS JOIN LATERAL sc.item_analysis(m, array_fill(2::float8, ARRAY[array_length(m, 2)])) AS f
JOIN LATERAL (SELECT *, (SELECT sum(sqrt(ct)) FROM pg_temp.slow(m) WHERE ct >= 0) AS roots FROM pg_temp.slow(m)) AS s ON s.item = f.item;
SELECT count(*) FILTER (WHERE NOT pg_temp.near(t.mean, d.mean)) AS mean, count(*) FILTER (WHERE NOT pg_temp.near(t.median, d.median)) AS median,
       count(*) FILTER (WHERE NOT pg_temp.near(t.sd, d.sd)) AS sd,
       count(*) FILTER (WHERE NOT pg_temp.near(t.skewness, d.n * d.n * d.m3 / ((d.n - 1) * (d.n - 2)) / d.sd ^ 3)) AS skewness,
       count(*) FILTER (WHERE d.n > 3 AND NOT pg_temp.near(t.kurtosis, d.n ^ 2 * ((d.n + 1) * d.m4 - 3 * (d.n - 1) * d.m2 ^ 2) / ((d.n - 1) * (d.n - 2) * (d.n - 3)) / d.sd ^ 4)) AS kurtosis,
       count(*) FILTER (WHERE NOT pg_temp.near(t.cic, 100 * d.p / (d.p - 1) * (1 - d.v / d.sd ^ 2))) AS cic,
       count(*) FILTER (WHERE t.cic <= 100 AND NOT pg_temp.near(t.standard_error, sqrt(1 - t.cic / 100) * d.sd)) AS se
FROM trial
CROSS JOIN LATERAL sc.test_analysis(m) AS t
CROSS JOIN LATERAL (
    SELECT count(*)::float8 AS n, avg(t) AS mean, percentile_cont(0.5) WITHIN GROUP (ORDER BY t) AS median, stddev_samp(t) AS sd,
           avg((t - mu) ^ 2) AS m2, avg((t - mu) ^ 3) AS m3, avg((t - mu) ^ 4) AS m4, array_length(m, 2)::float8 AS p,
           (SELECT sum(s.sd ^ 2) FROM pg_temp.slow(m) AS s) AS v
    FROM (SELECT t, avg(t) OVER () AS mu
          FROM (SELECT (SELECT sum(m[s][i]) FROM generate_subscripts(m, 2) AS i) AS t FROM generate_subscripts(m, 1) AS s) AS a) AS b) AS d;

-- 4. moments: in one go, in two halves, and by parallel workers give the same
SELECT setseed(0.75);
CREATE TABLE item_marks AS SELECT (random() < 0.6)::int::float8 AS x, 1000000 + round((random() * 100)::numeric)::float8 AS t FROM generate_series(1, 20000);
ANALYZE item_marks;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
SELECT s.n, pg_temp.near(s.mean, avg(t)) AS mean, pg_temp.near(s.sd, stddev_samp(t)) AS sd FROM item_marks, (SELECT (sc.test_moments(t)).* FROM item_marks) AS s GROUP BY s.n, s.mean, s.sd;
SELECT s.n, pg_temp.near(s.sd, stddev_samp(x)) AS sd, pg_temp.near(s.covariance, covar_samp(x, t - x)) AS cov, pg_temp.near(s.discrimination_index, 100 * corr(x, t - x)) AS di
FROM item_marks, (SELECT (m).* FROM (SELECT sc.item_moments(x, t) AS m FROM item_marks OFFSET 0) AS y) AS s
GROUP BY s.n, s.sd, s.covariance, s.discrimination_index;
SET max_parallel_workers_per_gather = 0;
CREATE TEMP TABLE serial_moments AS SELECT (m).* FROM (SELECT sc.test_moments(t) AS m FROM item_marks OFFSET 0) AS y;
SET max_parallel_workers_per_gather = 2;
SELECT pg_temp.near(a.sd, b.sd) AS sd, abs(a.skewness - b.skewness) < 1e-6 AS skewness, abs(a.kurtosis - b.kurtosis) < 1e-6 AS kurtosis
FROM serial_moments AS a, (SELECT (m).* FROM (SELECT sc.test_moments(t) AS m FROM item_marks OFFSET 0) AS y) AS b;
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;
RESET max_parallel_workers_per_gather;
DROP TABLE item_marks;
-- empty, and a state that is none
SELECT (sc.test_moments_final('{}')).*, (sc.item_moments_final('{}')).*;
SELECT sc.test_moments_combine('{1,2,3}', '{}');
SELECT sc.option_sums_add('{"a": [2, 10.5], "b": [1, 3]}', '{"b": [2, 4], "c": [1, 0]}');

-- 5. an exam: folding in batches = one full pass = the matrix
BEGIN;
SELECT setseed(0.1);
INSERT INTO sc.users (id, full_name, role_id) SELECT 880000 + g, 'Öğrenci ' || g, 1 FROM generate_series(1, 200) AS g;
INSERT INTO sc.questions (id) SELECT 880000 + g FROM generate_series(1, 12) AS g;
INSERT INTO sc.question_versions (id, question_id, version, type, prompt, options, key)
SELECT 880000 + g, 880000 + g, 1, 'single', 'x', '[{"id":"a","text":"1"},{"id":"b","text":"2"},{"id":"c","text":"3"}]', jsonb_build_object('correct', CASE g WHEN 12 THEN 'b' ELSE 'a' END) FROM generate_series(1, 12) AS g;
INSERT INTO sc.exams (id, title) VALUES (880001, 'item test');
INSERT INTO sc.exam_sections (id, exam_id, order_index, title, test, question_count) VALUES (880001, 880001, 1, 'T', 'T', 12);
INSERT INTO sc.exam_questions (exam_id, section_id, question_id, version_id, order_index, points) SELECT 880001, 880001, 880000 + g, 880000 + g, g, CASE g WHEN 1 THEN 2 ELSE 1 END FROM generate_series(1, 12) AS g;
-- the strong tick "a"; question 12 has "b" as its key by mistake
CREATE TEMP TABLE sheet AS
SELECT s, i, CASE WHEN random() < 0.15 THEN NULL WHEN random() < s / 200.0 THEN 'a' WHEN random() < 0.5 THEN 'b' ELSE 'c' END AS choice
FROM generate_series(1, 200) AS s, generate_series(1, 12) AS i;
INSERT INTO sc.exam_results (user_id, exam_id, submitted_at, correct, wrong, blank, net, sort_key, rank_key, points, max_points, item_ids, item_outcomes, item_points, item_choices)
SELECT 880000 + s, 880001, '2026-01-01', 0, 0, 0, 0, 0, 0, sum(x), 13, array_agg(880000 + i ORDER BY i), array_agg(o ORDER BY i), array_agg(x ORDER BY i), array_agg(choice ORDER BY i)
FROM (SELECT *, CASE WHEN choice IS NULL THEN 0 WHEN choice = CASE i WHEN 12 THEN 'b' ELSE 'a' END THEN 1 ELSE -1 END::smallint AS o,
             CASE WHEN choice = CASE i WHEN 12 THEN 'b' ELSE 'a' END THEN CASE i WHEN 1 THEN 2 ELSE 1 END ELSE 0 END::float8 AS x FROM sheet) AS y
GROUP BY s ORDER BY s;
SELECT attempts, items, mean FROM sc.exam_statistics(880001);
SELECT sc.fold_exam(880001, 70) AS first, sc.fold_exam(880001, 70) AS second, sc.fold_exam(880001, 70) AS third, sc.fold_exam(880001, 70) AS nothing;
CREATE TEMP TABLE folded AS SELECT * FROM sc.item_statistics(880001);
CREATE TEMP TABLE folded_exam AS SELECT * FROM sc.exam_statistics(880001);
SELECT sc.recompute_statistics(880001);
SELECT count(*) AS items,
       count(*) FILTER (WHERE NOT (pg_temp.near(a.facility, b.facility) AND pg_temp.near(a.sd, b.sd) AND pg_temp.near(a.covariance, b.covariance)
                                   AND pg_temp.near(a.discrimination_index, b.discrimination_index) AND pg_temp.near(a.effective_weight, b.effective_weight))) AS folding_differs,
       count(*) FILTER (WHERE NOT (pg_temp.near(c.facility, b.facility) AND pg_temp.near(c.sd, b.sd) AND pg_temp.near(c.discrimination_index, b.discrimination_index)
                                   AND pg_temp.near(c.effective_weight, b.effective_weight) AND pg_temp.near(c.intended_weight, b.intended_weight)
                                   AND pg_temp.near(c.discriminative_efficiency, b.discriminative_efficiency))) AS matrix_differs,
       count(*) FILTER (WHERE ARRAY(SELECT o.count FROM unnest(a.options) AS o) <> ARRAY(SELECT o.count FROM unnest(b.options) AS o)) AS options_differ
FROM folded AS a
JOIN sc.item_statistics(880001) AS b USING (question_id)
JOIN sc.item_analysis((SELECT array_agg(r.item_points ORDER BY r.id) FROM sc.exam_results AS r WHERE r.exam_id = 880001), '{2,1,1,1,1,1,1,1,1,1,1,1}') AS c ON c.item = b.order_index;
SELECT b.attempts, b.items, b.max_points, pg_temp.near(a.sd, b.sd) AS sd, pg_temp.near(a.cic, b.cic) AS cic, pg_temp.near(c.cic, b.cic) AS matrix_cic, pg_temp.near(c.median, b.median) AS median,
       pg_temp.near(c.skewness, b.skewness) AS skewness, pg_temp.near(c.kurtosis, b.kurtosis) AS kurtosis, pg_temp.near(c.standard_error, b.standard_error) AS se
FROM folded_exam AS a, sc.exam_statistics(880001) AS b,
     sc.test_analysis((SELECT array_agg(r.item_points ORDER BY r.id) FROM sc.exam_results AS r WHERE r.exam_id = 880001)) AS c;
-- counts and point-biserials as corr() has them; the wrong key is seen
SELECT count(*) AS options, count(*) FILTER (WHERE o.count <> d.n OR NOT pg_temp.near(o.point_biserial, d.r)) AS differ
FROM sc.item_statistics(880001) AS b
CROSS JOIN LATERAL unnest(b.options) AS o
JOIN LATERAL (SELECT count(*) FILTER (WHERE sheet.choice = o.id) AS n, corr(coalesce(sheet.choice = o.id, false)::int, r.points::float8) AS r
              FROM sheet JOIN sc.exam_results AS r ON r.user_id = 880000 + sheet.s AND r.exam_id = 880001 WHERE 880000 + sheet.i = b.question_id) AS d ON true;
SELECT order_index, flags @> '{miskeyed}' AS miskeyed, (SELECT array_agg(o.id || CASE WHEN o.is_key THEN '!' ELSE '' END || CASE WHEN o.point_biserial > 0 THEN '+' ELSE '-' END ORDER BY o.id) FROM unnest(options) AS o) AS options
FROM sc.item_statistics(880001) WHERE order_index IN (2, 12) ORDER BY 1;
-- an excluded item leaves the statistics
UPDATE sc.exam_results SET item_outcomes[12] = 3 WHERE exam_id = 880001;
UPDATE sc.exam_questions SET treatment = 'exclude' WHERE exam_id = 880001 AND question_id = 880012;
SELECT sc.recompute_statistics(880001);
SELECT items FROM sc.exam_statistics(880001);
SELECT attempts, facility, intended_weight, flags FROM sc.item_statistics(880001) WHERE order_index = 12;
SELECT round(sum(intended_weight)::numeric, 6) AS weights FROM sc.item_statistics(880001);
ROLLBACK;

-- 6. analysts may run the formulae, and nothing that reads results
SET ROLE sc_reader;
SELECT facility FROM sc.item_analysis('{{1},{0}}', '{2}');
SELECT (sc.test_moments(x)).n FROM generate_series(1, 3) AS x;
SELECT sc.exam_statistics(1);
RESET ROLE;
