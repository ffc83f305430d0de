-- The catalogue over HTTP: refusals, touched keys and routes of courses,
-- enrolments and videos.

INSERT INTO sc.settings (name, value, description) VALUES
    ('enroll_requires_verified_email', 'no', 'yes: nobody enrols before proving the address, whatever the course says')
ON CONFLICT DO NOTHING;

INSERT INTO sc.problems (code, status, title_en, title_tr, detail_en, detail_tr, constraint_name) VALUES
    ('unpublished', 404, 'Not available', 'Yayında değil', 'This video does not exist or has not been published.', 'Bu video yok ya da yayımlanmamış.', NULL),
    ('not_enrolled', 403, 'Not enrolled', 'Kayıtlı değil', 'Enrol in the course first.', 'Önce kursa kaydolun.', NULL),
    ('suspended', 403, 'Enrolment suspended', 'Kayıt askıya alınmış', 'Ask the school.', 'Okulunuza başvurun.', NULL),
    ('expired', 403, 'Enrolment expired', 'Kaydın süresi dolmuş', 'Ask the school to renew it.', 'Yenilemek için okulunuza başvurun.', NULL),
    ('locked', 403, 'Not open yet', 'Henüz açılmadı', 'The topic opens at a later date, or when the topic before it is completed.', 'Konu ileri bir tarihte ya da önceki konu tamamlanınca açılır.', NULL),
    ('invalid_segments', 422, 'Segments are not valid', 'Parçalar geçerli değil', 'An array of at most 1000 objects {"from": seconds, "to": seconds, "rate": number}.', '{"from": saniye, "to": saniye, "rate": sayı} biçiminde en çok 1000 nesnelik bir dizi.', NULL),
    ('invalid_heartbeats', 422, 'Heartbeats are not valid', 'İzleme bildirimleri geçerli değil', 'An array of 1 to 500 objects with video_id, at (RFC 3339, of the last 31 days) and watched_seconds or segments.', 'video_id, at (RFC 3339, son 31 gün) ve watched_seconds ya da segments içeren 1–500 nesnelik bir dizi.', NULL),
    ('seat_full', 409, 'No seat left', 'Kontenjan dolu', 'All {capacity} seats are taken.', '{capacity} kişilik kontenjan dolu.', NULL),
    ('already_enrolled', 409, 'Already enrolled', 'Zaten kayıtlı', NULL, NULL, 'enrollments_once'),
    ('self_enroll_closed', 403, 'Enrolment is done by the school', 'Kaydı okul yapar', NULL, NULL, NULL),
    ('email_not_verified', 403, 'Prove your e-mail address first', 'Önce e-posta adresinizi doğrulayın', NULL, NULL, NULL),
    ('capacity_below_taken', 409, 'More seats are taken', 'Daha fazla kayıt var', '{taken} seats are taken.', '{taken} kayıt var.', NULL),
    ('not_publishable', 409, 'Cannot be published yet', 'Henüz yayımlanamaz', 'Missing: {missing}.', 'Eksik: {missing}.', NULL),
    ('category_in_use', 409, 'Shelf is not empty', 'Kategori boş değil', 'Courses or other categories belong to it.', 'İçinde kurs ya da başka kategori var.', NULL),
    ('category_slug_taken', 409, 'This slug is in use', 'Bu kısa ad kullanılıyor', NULL, NULL, 'categories_slug_key'),
    ('course_code_taken', 409, 'This code is in use', 'Bu kod kullanılıyor', NULL, NULL, 'courses_code_key'),
    ('invalid_slug', 422, 'Not a usable slug', 'Kullanılabilir bir kısa ad değil', 'Small letters a–z and digits, joined by single hyphens.', 'Tek tireyle bağlanmış a–z harfleri ve rakamlar.', NULL),
    ('invalid_code_text', 422, 'Not a usable code', 'Kullanılabilir bir kod değil', 'Up to 60 letters from A to Z, digits and . _ / -', 'En çok 60 karakter: A–Z harfleri (ç, ğ, ı, ö, ş, ü olmadan), rakam ve . _ / -', NULL),
    ('invalid_youtube_id', 422, 'Not a YouTube id', 'YouTube kimliği değil', 'It has 11 characters: letters, digits, _ and -.', '11 karakterdir: harf, rakam, _ ve -.', NULL),
    ('circular', 422, 'Would be inside itself', 'Kendi içinde olurdu', NULL, NULL, NULL),
    ('not_an_order', 422, 'Does not name all, each once', 'Hepsini birer kez saymıyor', NULL, NULL, NULL),
    ('not_a_teacher', 422, 'Not a teacher', 'Öğretmen değil', NULL, NULL, NULL),
    ('not_yours', 422, 'You may not set this', 'Bunu siz belirleyemezsiniz', NULL, NULL, NULL),
    ('in_the_past', 422, 'Lies in the past', 'Geçmişte kalıyor', NULL, NULL, NULL)
ON CONFLICT DO NOTHING;

-- What caches hold of the catalogue.  Lists show neither seats nor progress, so
-- neither an enrolment nor a heartbeat touches them.
CREATE OR REPLACE TRIGGER touch AFTER INSERT OR UPDATE OR DELETE ON sc.categories
    FOR EACH ROW EXECUTE FUNCTION sc.touch('sc:categories:list');
CREATE OR REPLACE TRIGGER touch_all AFTER TRUNCATE ON sc.categories
    FOR EACH STATEMENT EXECUTE FUNCTION sc.touch('sc:categories:list');
CREATE OR REPLACE TRIGGER touch AFTER INSERT OR UPDATE OR DELETE ON sc.courses
    FOR EACH ROW EXECUTE FUNCTION sc.touch('sc:course:{id}:detail', 'sc:courses:list:*');
CREATE OR REPLACE TRIGGER touch_videos AFTER DELETE OR UPDATE OF is_published, is_active ON sc.courses
    FOR EACH ROW EXECUTE FUNCTION sc.touch('sc:course:{id}:videos', 'sc:course:{id}:topics', 'sc:videos:detail:*', 'sc:enrollments:*');
CREATE OR REPLACE TRIGGER touch_titles AFTER UPDATE OF title, code, teacher_id ON sc.courses
    FOR EACH ROW EXECUTE FUNCTION sc.touch('sc:enrollments:*');
CREATE OR REPLACE TRIGGER touch_all AFTER TRUNCATE ON sc.courses
    FOR EACH STATEMENT EXECUTE FUNCTION sc.touch('sc:course:*', 'sc:courses:list:*', 'sc:videos:detail:*', 'sc:enrollments:*');
CREATE OR REPLACE TRIGGER touch AFTER INSERT OR UPDATE OR DELETE ON sc.topics
    FOR EACH ROW EXECUTE FUNCTION sc.touch('sc:course:{course_id}:videos', 'sc:course:{course_id}:topics');
CREATE OR REPLACE TRIGGER touch AFTER INSERT OR UPDATE OR DELETE ON sc.videos
    FOR EACH ROW EXECUTE FUNCTION sc.touch('sc:video:{id}:detail', 'sc:course:{course_id}:videos', 'sc:course:{course_id}:topics');
-- the number of videos is part of the course
CREATE OR REPLACE TRIGGER touch_count AFTER INSERT OR DELETE OR UPDATE OF is_active, course_id ON sc.videos
    FOR EACH ROW EXECUTE FUNCTION sc.touch('sc:course:{course_id}:detail', 'sc:courses:list:*');
CREATE OR REPLACE TRIGGER touch_all AFTER TRUNCATE ON sc.videos
    FOR EACH STATEMENT EXECUTE FUNCTION sc.touch('sc:course:*', 'sc:courses:list:*', 'sc:videos:detail:*');
CREATE OR REPLACE TRIGGER touch AFTER INSERT OR UPDATE OR DELETE ON sc.enrollments
    FOR EACH ROW EXECUTE FUNCTION sc.touch('sc:user:{user_id}:enrollments');
CREATE OR REPLACE TRIGGER touch_all AFTER TRUNCATE ON sc.enrollments
    FOR EACH STATEMENT EXECUTE FUNCTION sc.touch('sc:enrollments:*');
CREATE OR REPLACE TRIGGER touch_taught_courses AFTER UPDATE OF full_name ON sc.users
    FOR EACH ROW WHEN (OLD.full_name IS DISTINCT FROM NEW.full_name) EXECUTE FUNCTION sc.touch_taught_courses();

CREATE OR REPLACE TRIGGER seats_insert AFTER INSERT ON sc.enrollments
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION sc.count_seats();
CREATE OR REPLACE TRIGGER seats_update AFTER UPDATE ON sc.enrollments
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION sc.count_seats();
CREATE OR REPLACE TRIGGER seats_delete AFTER DELETE ON sc.enrollments
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION sc.count_seats();
-- enrolments may have changed while the triggers were away
PERFORM sc.recount_seats();
CREATE OR REPLACE TRIGGER rate_progress_anew AFTER UPDATE OF duration ON sc.videos
    FOR EACH ROW WHEN (OLD.duration <> NEW.duration) EXECUTE FUNCTION sc.rate_progress_anew();

PERFORM sc.route(400, 'GET', '/categories', 'sc_api.categories_list', 'user',
    '{"cache_key": "sc:categories:list", "cache_ttl": 3600, "tag": "catalogue", "summary": "Shelves of the catalogue"}');
PERFORM sc.route(401, 'POST', '/categories', 'sc_api.category_create', 'courses.manage', '{"status": 201, "tag": "catalogue", "summary": "Add a shelf"}');
PERFORM sc.route(402, 'PATCH', '/categories/{category_id}', 'sc_api.category_update', 'courses.manage', '{"tag": "catalogue", "summary": "Change a shelf"}');
PERFORM sc.route(403, 'DELETE', '/categories/{category_id}', 'sc_api.category_delete', 'courses.manage', '{"tag": "catalogue", "summary": "Remove a shelf"}');
PERFORM sc.route(410, 'GET', '/courses', 'sc_api.courses_list', 'user',
    '{"cache_key": "sc:courses:list:page:{page}", "cache_tags": ["sc:courses:list:*"], "tag": "catalogue", "summary": "Published courses"}');
PERFORM sc.route(411, 'POST', '/courses', 'sc_api.course_create', 'courses.create', '{"status": 201, "idempotency": true, "tag": "catalogue", "summary": "Make a course"}');
PERFORM sc.route(412, 'GET', '/courses/{course_id}', 'sc_api.course_get', 'user', '{"cache_key": "sc:course:{course_id}:detail", "cache_tags": ["sc:course:*"], "tag": "catalogue", "summary": "A course"}');
PERFORM sc.route(413, 'PATCH', '/courses/{course_id}', 'sc_api.course_update', 'courses.own', '{"tag": "catalogue", "summary": "Change a course"}');
PERFORM sc.route(414, 'DELETE', '/courses/{course_id}', 'sc_api.course_delete', 'courses.own', '{"tag": "catalogue", "summary": "Delete a course"}');
PERFORM sc.route(415, 'POST', '/courses/{course_id}/publish', 'sc_api.course_publish', 'courses.own', '{"tag": "catalogue", "summary": "Publish a course"}');
PERFORM sc.route(416, 'POST', '/courses/{course_id}/unpublish', 'sc_api.course_unpublish', 'courses.own', '{"tag": "catalogue", "summary": "Hide a course"}');
PERFORM sc.route(417, 'POST', '/courses/{course_id}/copy', 'sc_api.course_copy', 'courses.create', '{"status": 201, "idempotency": true, "tag": "catalogue", "summary": "Copy a course to a season"}');
PERFORM sc.route(418, 'GET', '/courses/{course_id}/seats', 'sc_api.course_seats', 'user', '{"lane": "hot", "tag": "catalogue", "summary": "Seats of a course"}');
PERFORM sc.route(420, 'GET', '/courses/{course_id}/videos', 'sc_api.course_videos', 'user',
    '{"cache_key": "sc:course:{course_id}:videos", "cache_tags": ["sc:course:*"], "tag": "catalogue", "summary": "Videos of a course"}');
PERFORM sc.route(419, 'GET', '/courses/{course_id}/topics', 'sc_api.course_topics', 'user',
    '{"cache_key": "sc:course:{course_id}:topics", "cache_tags": ["sc:course:*"], "tag": "catalogue", "summary": "Outline of a course"}');
PERFORM sc.route(421, 'POST', '/courses/{course_id}/topics', 'sc_api.topic_create', 'courses.own', '{"status": 201, "tag": "catalogue", "summary": "Add a topic"}');
PERFORM sc.route(422, 'PUT', '/courses/{course_id}/topics/order', 'sc_api.topics_order', 'courses.own', '{"tag": "catalogue", "summary": "Order the topics"}');
PERFORM sc.route(423, 'PATCH', '/topics/{topic_id}', 'sc_api.topic_update', 'courses.own', '{"tag": "catalogue", "summary": "Change a topic"}');
PERFORM sc.route(424, 'DELETE', '/topics/{topic_id}', 'sc_api.topic_delete', 'courses.own', '{"tag": "catalogue", "summary": "Remove a topic"}');
PERFORM sc.route(425, 'PUT', '/topics/{topic_id}/videos/order', 'sc_api.videos_order', 'courses.own', '{"tag": "catalogue", "summary": "Order the videos of a topic"}');
PERFORM sc.route(426, 'POST', '/courses/{course_id}/videos', 'sc_api.video_create', 'courses.own', '{"status": 201, "tag": "videos", "summary": "Add a video"}');
PERFORM sc.route(427, 'GET', '/videos/{video_id}', 'sc_api.video_get', 'user',
    '{"cache_key": "sc:video:{video_id}:detail", "cache_tags": ["sc:videos:detail:*"], "tag": "videos", "summary": "A video"}');
PERFORM sc.route(428, 'PATCH', '/videos/{video_id}', 'sc_api.video_update', 'courses.own', '{"tag": "videos", "summary": "Change a video"}');
PERFORM sc.route(429, 'DELETE', '/videos/{video_id}', 'sc_api.video_delete', 'courses.own', '{"tag": "videos", "summary": "Remove a video"}');

PERFORM sc.route(500, 'POST', '/courses/{course_id}/enroll', 'sc_api.enroll_self', 'courses.read', '{"status": 201, "tag": "enrolment", "summary": "Enrol myself"}');
PERFORM sc.route(501, 'DELETE', '/courses/{course_id}/enroll', 'sc_api.leave_course', 'courses.read', '{"tag": "enrolment", "summary": "Give up my place"}');
PERFORM sc.route(502, 'GET', '/users/me/enrollments', 'sc_api.my_enrollments', 'user',
    '{"cache_key": "sc:user:{actor}:enrollments", "cache_tags": ["sc:enrollments:*"], "cache_ttl": 300, "tag": "enrolment", "summary": "My courses"}');
PERFORM sc.route(503, 'GET', '/courses/{course_id}/enrollments', 'sc_api.course_enrollments', 'courses.own', '{"tag": "enrolment", "summary": "Enrolments of a course", "replica": true}');
PERFORM sc.route(504, 'POST', '/courses/{course_id}/enrollments', 'sc_api.enrollment_create', 'courses.own', '{"status": 201, "tag": "enrolment", "summary": "Enrol a user"}');
PERFORM sc.route(505, 'GET', '/enrollments/{enrollment_id}', 'sc_api.enrollment_get', 'user', '{"lane": "hot", "tag": "enrolment", "summary": "An enrolment"}');
PERFORM sc.route(506, 'PATCH', '/enrollments/{enrollment_id}', 'sc_api.enrollment_update', 'courses.own', '{"tag": "enrolment", "summary": "Suspend, cancel or renew a place"}');

PERFORM sc.route(600, 'GET', '/videos/{video_id}/embed', 'sc_api.video_embed', 'user',
    '{"access": "write", "lane": "hot", "lock_key": "video_id", "idempotent": true, "tag": "videos", "summary": "Leave to watch a video"}');
PERFORM sc.route(601, 'POST', '/videos/{video_id}/progress', 'sc_api.video_heartbeat', 'user',
    '{"lane": "hot", "lock_key": "video_id", "idempotent": true, "tag": "progress", "summary": "Heartbeat of the player"}');
PERFORM sc.route(602, 'POST', '/progress/batch', 'sc_api.progress_batch', 'user', '{"idempotent": true, "tag": "progress", "summary": "Heartbeats kept offline"}');
PERFORM sc.route(603, 'GET', '/videos/{video_id}/progress', 'sc_api.video_progress_get', 'user', '{"lane": "hot", "tag": "progress", "summary": "My progress in a video"}');
PERFORM sc.route(604, 'GET', '/courses/{course_id}/progress', 'sc_api.course_progress_get', 'user', '{"tag": "progress", "summary": "Progress in a course"}');
PERFORM sc.route(605, 'GET', '/courses/{course_id}/progress/students', 'sc_api.course_progress_students', 'courses.own',
    '{"lane": "slow", "tag": "progress", "summary": "Progress of the students of a course", "replica": true}');
PERFORM sc.route(606, 'POST', '/videos/{video_id}/complete', 'sc_api.video_complete', 'courses.own', '{"tag": "progress", "summary": "Mark a video completed for a student"}');
PERFORM sc.route(607, 'GET', '/users/me/progress', 'sc_api.my_progress', 'user', '{"tag": "progress", "summary": "My progress in my courses"}');
PERFORM sc.route(620, 'GET', '/stats/daily', 'sc_api.stats_daily', 'reports.read', '{"lane": "slow", "tag": "reports", "summary": "Figures of a day", "replica": true}');
