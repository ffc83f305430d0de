-- Views for analysts: what happened, without secrets and without addresses.

CREATE OR REPLACE VIEW sc_report.courses AS
SELECT c.id AS course_id, c.code, c.title, c.teacher_id, u.full_name AS teacher, k.name AS category, s.name AS season,
       c.is_published, c.published_at, c.capacity, coalesce(n.taken, 0) AS seats_taken,
       (SELECT count(*) FROM sc.videos AS v WHERE v.course_id = c.id AND v.is_active) AS videos,
       (SELECT coalesce(sum(v.duration), 0) FROM sc.videos AS v WHERE v.course_id = c.id AND v.is_active) AS video_seconds
FROM sc.courses AS c
LEFT JOIN sc.users AS u ON u.id = c.teacher_id
LEFT JOIN sc.categories AS k ON k.id = c.category_id
LEFT JOIN sc.seasons AS s ON s.id = c.season_id
LEFT JOIN sc.course_seats AS n ON n.course_id = c.id
WHERE c.is_active;
COMMENT ON VIEW sc_report.courses IS 'courses with teacher, seats and length';

CREATE OR REPLACE VIEW sc_report.enrollments AS
SELECT e.id AS enrollment_id, e.user_id, e.course_id, c.code AS course_code, c.title AS course_title,
       CASE WHEN e.expires_at <= clock_timestamp() AND e.status IN ('active', 'completed', 'suspended') THEN 'expired' ELSE e.status END AS status,
       e.source, e.enrolled_at, e.expires_at, e.completed_at
FROM sc.enrollments AS e JOIN sc.courses AS c ON c.id = e.course_id;
COMMENT ON VIEW sc_report.enrollments IS 'who holds or held a place in which course';

CREATE OR REPLACE VIEW sc_report.video_progress AS
SELECT p.user_id, p.video_id, v.course_id, v.topic_id, v.title AS video_title, v.duration, p.covered_seconds, p.watched_seconds,
       p.total_seconds, p.percent, p.position_s, p.completed_at, p.completed_by IS NOT NULL AS completed_by_hand,
       p.heartbeat_at AS last_watched_at, p.segments
FROM sc.video_progress AS p JOIN sc.videos AS v ON v.id = p.video_id;
COMMENT ON VIEW sc_report.video_progress IS 'what was watched of which video';

CREATE OR REPLACE VIEW sc_report.course_progress AS
SELECT e.course_id, e.user_id, count(v.id) AS videos_total, count(p.completed_at) AS videos_completed,
       coalesce(sum(p.watched_seconds), 0) AS watched_seconds, coalesce(sum(p.covered_seconds), 0) AS covered_seconds,
       trunc(coalesce(100.0 * count(p.completed_at) / nullif(count(v.id), 0), 0), 2) AS percent, max(p.heartbeat_at) AS last_watched_at
FROM sc.enrollments AS e
LEFT JOIN (sc.videos AS v LEFT JOIN sc.topics AS t ON t.id = v.topic_id)
    ON v.course_id = e.course_id AND v.is_active AND coalesce(t.is_active, true)
LEFT JOIN sc.video_progress AS p ON p.user_id = e.user_id AND p.video_id = v.id
WHERE e.status <> 'cancelled'
GROUP BY e.course_id, e.user_id;
COMMENT ON VIEW sc_report.course_progress IS 'how far students have come, as sc.course_progress() counts it';

CREATE OR REPLACE VIEW sc_report.access_by_day AS
SELECT (l.at AT TIME ZONE 'Europe/Istanbul')::date AS day, v.course_id, l.video_id, l.granted, l.reason,
       count(*) AS requests, count(DISTINCT l.user_id) AS users
FROM sc.video_access_log AS l LEFT JOIN sc.videos AS v ON v.id = l.video_id
GROUP BY 1, 2, 3, 4, 5;
COMMENT ON VIEW sc_report.access_by_day IS 'requests for videos by day, Europe/Istanbul, with reasons of refusal';

CREATE OR REPLACE VIEW sc_report.students AS
SELECT u.id AS user_id, u.full_name, s.student_no, s.grade, s.track, b.name AS branch, s.city, s.is_graduate, u.is_active
FROM sc.users AS u
JOIN sc.students AS s ON s.user_id = u.id
LEFT JOIN sc.branches AS b ON b.id = s.branch_id
WHERE u.anonymised_at IS NULL;
COMMENT ON VIEW sc_report.students IS 'students, without addresses and secrets';

GRANT SELECT ON ALL TABLES IN SCHEMA sc_report TO sc_reader;
