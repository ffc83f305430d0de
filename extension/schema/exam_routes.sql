-- Exams and attempts: presets, problems, triggers, routes.

-- an exam that a whole school sits shows nothing before it has closed for everybody
INSERT INTO sc.exam_presets (code, title, definition)
SELECT p.code, p.title,
       p.definition || '{"review_policy": {"during": [], "after": ["answer"], "open": ["answer"],
                                           "closed": ["answer", "correctness", "marks", "key", "explanation", "rank"]}}'
FROM (VALUES
    ('TYT', 'TYT denemesi', '{"exam_type": "TYT", "time_limit": 9900, "wrongs_per_right": 4, "sections": [
        {"title": "Türkçe", "test": "Türkçe", "questions": 40},
        {"title": "Tarih", "test": "Sosyal Bilimler", "questions": 5},
        {"title": "Coğrafya", "test": "Sosyal Bilimler", "questions": 5},
        {"title": "Felsefe", "test": "Sosyal Bilimler", "questions": 5},
        {"title": "Din Kültürü", "test": "Sosyal Bilimler", "questions": 5, "alternative": "din"},
        {"title": "Felsefe (ek)", "test": "Sosyal Bilimler", "questions": 5, "alternative": "din"},
        {"title": "Temel Matematik", "test": "Temel Matematik", "questions": 40},
        {"title": "Fizik", "test": "Fen Bilimleri", "questions": 7},
        {"title": "Kimya", "test": "Fen Bilimleri", "questions": 7},
        {"title": "Biyoloji", "test": "Fen Bilimleri", "questions": 6}]}'::jsonb),
    ('AYT', 'AYT denemesi', '{"exam_type": "AYT", "time_limit": 10800, "wrongs_per_right": 4, "sections": [
        {"title": "Türk Dili ve Edebiyatı", "test": "Türk Dili ve Edebiyatı-Sosyal Bilimler-1", "questions": 24},
        {"title": "Tarih-1", "test": "Türk Dili ve Edebiyatı-Sosyal Bilimler-1", "questions": 10},
        {"title": "Coğrafya-1", "test": "Türk Dili ve Edebiyatı-Sosyal Bilimler-1", "questions": 6},
        {"title": "Tarih-2", "test": "Sosyal Bilimler-2", "questions": 11},
        {"title": "Coğrafya-2", "test": "Sosyal Bilimler-2", "questions": 11},
        {"title": "Felsefe Grubu", "test": "Sosyal Bilimler-2", "questions": 12},
        {"title": "Din Kültürü", "test": "Sosyal Bilimler-2", "questions": 6, "alternative": "din"},
        {"title": "Felsefe Grubu (ek)", "test": "Sosyal Bilimler-2", "questions": 6, "alternative": "din"},
        {"title": "Matematik", "test": "Matematik", "questions": 40},
        {"title": "Fizik", "test": "Fen Bilimleri", "questions": 14},
        {"title": "Kimya", "test": "Fen Bilimleri", "questions": 13},
        {"title": "Biyoloji", "test": "Fen Bilimleri", "questions": 13}]}'::jsonb),
    ('YDT', 'YDT denemesi', '{"exam_type": "YDT", "time_limit": 7200, "wrongs_per_right": 4, "sections": [
        {"title": "Yabancı Dil", "test": "Yabancı Dil", "questions": 80}]}'::jsonb),
    ('LGS', 'LGS denemesi, iki oturum bir arada', '{"exam_type": "LGS", "time_limit": 9300, "wrongs_per_right": 3, "sections": [
        {"title": "Türkçe", "test": "Türkçe", "questions": 20},
        {"title": "T.C. İnkılap", "test": "T.C. İnkılap", "questions": 10},
        {"title": "Din Kültürü", "test": "Din Kültürü", "questions": 10},
        {"title": "Yabancı Dil", "test": "Yabancı Dil", "questions": 10},
        {"title": "Matematik", "test": "Matematik", "questions": 20},
        {"title": "Fen Bilimleri", "test": "Fen Bilimleri", "questions": 20}]}'::jsonb),
    ('LGS_SOZEL', 'LGS denemesi, sözel oturum', '{"exam_type": "LGS_SOZEL", "time_limit": 4500, "wrongs_per_right": 3, "sections": [
        {"title": "Türkçe", "test": "Türkçe", "questions": 20},
        {"title": "T.C. İnkılap", "test": "T.C. İnkılap", "questions": 10},
        {"title": "Din Kültürü", "test": "Din Kültürü", "questions": 10},
        {"title": "Yabancı Dil", "test": "Yabancı Dil", "questions": 10}]}'::jsonb),
    ('LGS_SAYISAL', 'LGS denemesi, sayısal oturum', '{"exam_type": "LGS_SAYISAL", "time_limit": 4800, "wrongs_per_right": 3, "sections": [
        {"title": "Matematik", "test": "Matematik", "questions": 20},
        {"title": "Fen Bilimleri", "test": "Fen Bilimleri", "questions": 20}]}'::jsonb)
) AS p(code, title, definition)
ON CONFLICT DO NOTHING;

INSERT INTO sc.problems (code, status, title_en, title_tr, detail_en, detail_tr, constraint_name) VALUES
    ('exam_unpublished', 404, 'This exam is not published', 'Bu sınav yayımlanmamış', NULL, NULL, NULL),
    ('exam_not_yours', 404, 'This exam is not yours to sit', 'Bu sınav size açık değil', NULL, NULL, NULL),
    ('exam_on_paper', 409, 'This exam is sat on paper', 'Bu sınav kâğıt üzerinde yapılıyor', NULL, NULL, NULL),
    ('exam_not_open', 403, 'This exam has not opened yet', 'Bu sınav henüz başlamadı', 'It opens at {opens_at}.', 'Açılış: {opens_at}.', NULL),
    ('exam_closed', 403, 'This exam is over', 'Bu sınav sona erdi', NULL, NULL, NULL),
    ('no_attempts_left', 409, 'No attempts left', 'Deneme hakkınız kalmadı', 'This exam may be sat {max_attempts} time(s).', 'Bu sınava en çok {max_attempts} kez girilebilir.', NULL),
    ('password_required', 403, 'This exam asks for a password', 'Bu sınav parola istiyor', NULL, NULL, NULL),
    ('wrong_password', 403, 'Wrong exam password', 'Sınav parolası yanlış', NULL, NULL, NULL),
    ('too_many_guesses', 429, 'Too many wrong passwords', 'Çok fazla yanlış parola', 'Wait a minute, or ask whoever is in the room.', 'Bir dakika bekleyin ya da salondaki görevliye sorun.', NULL),
    ('attempt_token_invalid', 401, 'This attempt token is not good here', 'Bu oturum anahtarı burada geçerli değil', 'It opens the attempt it was given for, until an hour after its end, unless a newer one was given.', 'Yalnızca verildiği oturumu, bitişinden bir saat sonrasına kadar ve yenisi alınmadıysa açar.', NULL),
    ('attempt_not_started', 409, 'This attempt has not been started', 'Bu sınav oturumu başlatılmamış', NULL, NULL, NULL),
    ('attempt_closed', 409, 'This attempt takes no answers any more', 'Bu oturum artık yanıt kabul etmiyor', 'Its state is {state}; what was saved in time counts.', 'Durumu: {state}; süresinde kaydedilenler geçerlidir.', NULL),
    ('attempt_running', 409, 'This attempt is still running', 'Bu oturum sürüyor', NULL, NULL, NULL),
    ('invalid_answer', 422, 'Not an answer to this question', 'Bu soruya verilebilecek bir yanıt değil', 'By type: single "b", multiple ["a", "c"], truefalse true, numeric 3.14 or "3,14", short and essay "text", matching {"1": "b"}, ordering ["c", "a", "b"], with the ids of the options shown; null clears.', 'Türüne göre: single "b", multiple ["a", "c"], truefalse true, numeric 3.14 ya da "3,14", short ve essay "metin", matching {"1": "b"}, ordering ["c", "a", "b"]; gösterilen seçeneklerin kimlikleriyle; null siler.', NULL),
    ('batch_too_long', 422, 'Too many answers at once', 'Tek seferde çok fazla yanıt', 'At most {max} are accepted.', 'En fazla {max} yanıt kabul edilir.', NULL),
    ('not_an_alternative', 422, 'Not an alternative section of this exam', 'Bu sınavın seçmeli bölümlerinden biri değil', NULL, NULL, NULL),
    ('one_of_each_group', 422, 'Only one section of a group can be chosen', 'Bir gruptan yalnız bir bölüm seçilebilir', NULL, NULL, NULL),
    ('exam_published', 409, 'This exam is published', 'Bu sınav yayımlanmış', 'Unpublish it before changing its questions.', 'Sorularını değiştirmeden önce yayından kaldırın.', NULL),
    ('exam_has_results', 409, 'This exam has results', 'Bu sınavın sonuçları var', NULL, NULL, NULL),
    ('exam_has_attempts', 409, 'Students have already started this exam', 'Öğrenciler bu sınava başladı', NULL, NULL, NULL),
    ('exam_running', 409, 'Somebody is writing this exam', 'Bu sınavı şu an çözenler var', NULL, NULL, NULL),
    ('unknown_preset', 422, 'No such preset', 'Böyle bir şablon yok', NULL, NULL, NULL),
    ('not_your_group', 422, 'Not a class that you teach', 'Sizin sınıfınız değil', NULL, NULL, NULL),
    ('not_your_course', 422, 'Not one of your courses', 'Sizin dersiniz değil', NULL, NULL, NULL),
    ('closes_before_opening', 422, 'Closes before it opens', 'Açılmadan kapanıyor', NULL, NULL, 'exams_window'),
    ('closes_in_the_past', 422, 'Closing time is past', 'Kapanış zamanı geçmiş', NULL, NULL, NULL),
    ('review_never_opens', 422, 'Results would never be shown', 'Sonuçlar hiç gösterilmez', 'The review policy shows marks when the exam is closed: give it a closing time, or another policy.', 'İnceleme kuralı puanları sınav kapanınca gösteriyor: bir kapanış zamanı ya da başka bir kural verin.', NULL),
    ('section_draws', 422, 'This section draws its questions', 'Bu bölüm sorularını çekiyor', NULL, NULL, NULL),
    ('unknown_question', 422, 'No such question', 'Böyle bir soru yok', 'Question {question_id} is not in the bank.', 'Bankada {question_id} numaralı soru yok.', NULL),
    ('question_already_in_exam', 409, 'This question is already in the exam', 'Bu soru sınavda zaten var', NULL, NULL, 'exam_questions_once'),
    ('section_incomplete', 422, 'A section is incomplete', 'Bir bölüm eksik', '{section}: {present} of {wanted} questions.', '{section}: {wanted} sorudan {present} var.', NULL),
    ('pool_too_small', 422, 'Too few questions to draw from', 'Çekilecek soru yetersiz', '{section}: {wanted} wanted, {present} found. Questions that other exams keep secret do not count.', '{section}: {wanted} isteniyor, {present} bulundu. Başka sınavların gizli tuttuğu sorular sayılmaz.', NULL),
    ('alternative_alone', 422, 'An alternative needs another', 'Seçmeli bölümün karşılığı yok', '{section} is alone in its group.', '{section} grubunda tek başına.', NULL),
    ('penalties_differ', 422, 'The penalties of the sections have no common measure', 'Bölümlerin yanlış oranlarının ortak ölçüsü yok', 'Choose wrongs_per_right of few digits, such as 3, 4 or 2.5: results could not be ordered exactly.', 'wrongs_per_right için 3, 4 ya da 2.5 gibi az basamaklı sayılar seçin: sonuçlar kesin sıralanamaz.', NULL),
    ('exam_without_sections', 422, 'The exam has no sections', 'Sınavın bölümü yok', NULL, NULL, NULL),
    ('question_without_key', 422, 'A question has no key', 'Bir sorunun yanıt anahtarı yok', 'Question {question_id}.', '{question_id} numaralı soru.', NULL),
    ('audience_missing', 422, 'Nobody is to sit the exam', 'Sınava girecek kimse yok', 'Name groups or students, a course, or everyone.', 'Grup, öğrenci, ders ya da herkes belirtin.', NULL),
    ('override_empty', 422, 'The override changes nothing', 'İstisna hiçbir şeyi değiştirmiyor', NULL, NULL, NULL),
    ('override_exists', 409, 'There is an override for this student or group', 'Bu öğrenci ya da grup için istisna var', NULL, NULL, 'exam_overrides_once'),
    ('one_target', 422, 'Name either a student or a group', 'Öğrenci ya da gruptan birini belirtin', NULL, NULL, 'exam_overrides_one'),
    ('all_or_some', 422, 'Name students, or all', 'Öğrencileri ya da tümünü belirtin', NULL, NULL, NULL),
    ('not_in_exam', 422, 'Not a student of this exam', 'Bu sınavın öğrencisi değil', 'Student {user_id}.', '{user_id} numaralı öğrenci.', NULL),
    ('exam_not_published', 409, 'This exam is not published yet', 'Bu sınav henüz yayımlanmadı', NULL, NULL, NULL),
    ('review_closed', 403, 'Not to be seen yet', 'Henüz görülemez', 'The exam''s review policy does not show this now.', 'Sınavın inceleme kuralı bunu şu an göstermiyor.', NULL)
ON CONFLICT DO NOTHING;

CREATE OR REPLACE TRIGGER deadlines_follow AFTER UPDATE OF time_limit, opens_at, closes_at ON sc.exams
    FOR EACH ROW WHEN ((OLD.time_limit, OLD.opens_at, OLD.closes_at) IS DISTINCT FROM (NEW.time_limit, NEW.opens_at, NEW.closes_at))
    EXECUTE FUNCTION sc.deadlines_follow();
CREATE OR REPLACE TRIGGER deadlines_follow AFTER INSERT OR UPDATE OR DELETE ON sc.exam_overrides
    FOR EACH ROW EXECUTE FUNCTION sc.deadlines_follow();
CREATE OR REPLACE TRIGGER deadlines_follow AFTER INSERT OR UPDATE OR DELETE ON sc.group_members
    FOR EACH ROW EXECUTE FUNCTION sc.deadlines_follow();

PERFORM sc.route(900, 'GET', '/exams', 'sc_api.exam_list', 'user', '{"tag": "exams", "summary": "List exams"}');
PERFORM sc.route(901, 'POST', '/exams', 'sc_api.exam_create', 'exams.create', '{"status": 201, "lane": "slow", "cost": "hash", "idempotency": true, "tag": "exams", "summary": "Make an exam"}');
PERFORM sc.route(902, 'GET', '/exams/{exam_id}', 'sc_api.exam_get', 'user', '{"tag": "exams", "summary": "An exam"}');
PERFORM sc.route(903, 'PATCH', '/exams/{exam_id}', 'sc_api.exam_patch', 'exams.own', '{"lane": "slow", "cost": "hash", "tag": "exams", "summary": "Change an exam"}');
PERFORM sc.route(904, 'DELETE', '/exams/{exam_id}', 'sc_api.exam_delete', 'exams.own', '{"tag": "exams", "summary": "Take an exam away"}');
PERFORM sc.route(905, 'POST', '/exams/{exam_id}/copy', 'sc_api.exam_copy', 'exams.own', '{"status": 201, "idempotency": true, "tag": "exams", "summary": "Copy an exam"}');
PERFORM sc.route(906, 'POST', '/exams/{exam_id}/publish', 'sc_api.exam_publish', 'exams.own', '{"tag": "exams", "summary": "Publish an exam"}');
PERFORM sc.route(907, 'POST', '/exams/{exam_id}/unpublish', 'sc_api.exam_unpublish', 'exams.own', '{"tag": "exams", "summary": "Make an exam a draft again"}');
PERFORM sc.route(908, 'GET', '/exam-presets', 'sc_api.exam_presets', 'exams.create', '{"tag": "exams", "summary": "Presets"}');
PERFORM sc.route(909, 'GET', '/users/me/exams', 'sc_api.my_exams', 'user', '{"tag": "exams", "summary": "Own exams"}');
PERFORM sc.route(920, 'GET', '/users/me/exams/{exam_id}', 'sc_api.my_exam', 'user', '{"tag": "exams", "summary": "What holds for me in an exam"}');
PERFORM sc.route(910, 'GET', '/exams/{exam_id}/sections', 'sc_api.section_list', 'exams.own', '{"tag": "exams", "summary": "Sections"}');
PERFORM sc.route(911, 'POST', '/exams/{exam_id}/sections', 'sc_api.section_add', 'exams.own', '{"status": 201, "tag": "exams", "summary": "Add a section"}');
PERFORM sc.route(912, 'PATCH', '/exams/{exam_id}/sections/{section_id}', 'sc_api.section_patch', 'exams.own', '{"tag": "exams", "summary": "Change a section"}');
PERFORM sc.route(913, 'DELETE', '/exams/{exam_id}/sections/{section_id}', 'sc_api.section_delete', 'exams.own', '{"tag": "exams", "summary": "Remove a section"}');
PERFORM sc.route(914, 'GET', '/exams/{exam_id}/questions', 'sc_api.exam_question_list', 'exams.own', '{"tag": "exams", "summary": "Questions of an exam"}');
PERFORM sc.route(915, 'POST', '/exams/{exam_id}/questions', 'sc_api.exam_question_add', 'exams.own', '{"status": 201, "tag": "exams", "summary": "Put questions in"}');
PERFORM sc.route(916, 'PATCH', '/exams/{exam_id}/questions/{question_id}', 'sc_api.exam_question_patch', 'exams.own', '{"tag": "exams", "summary": "Move or weigh a question"}');
PERFORM sc.route(917, 'DELETE', '/exams/{exam_id}/questions/{question_id}', 'sc_api.exam_question_delete', 'exams.own', '{"tag": "exams", "summary": "Take a question out"}');
PERFORM sc.route(918, 'GET', '/exams/{exam_id}/audience', 'sc_api.audience_get', 'exams.own', '{"tag": "exams", "summary": "Who sits an exam"}');
PERFORM sc.route(919, 'PUT', '/exams/{exam_id}/audience', 'sc_api.audience_put', 'exams.own', '{"tag": "exams", "summary": "Say who sits an exam"}');

PERFORM sc.route(950, 'GET', '/exams/{exam_id}/monitor', 'sc_api.exam_monitor', 'user', '{"lane": "slow", "tag": "exam day", "summary": "Board of the exam day", "replica": true}');
PERFORM sc.route(951, 'POST', '/exams/{exam_id}/extend', 'sc_api.exam_extend', 'exams.own', '{"lane": "slow", "idempotency": true, "tag": "exam day", "summary": "Give more time"}');
PERFORM sc.route(952, 'GET', '/exams/{exam_id}/announcements', 'sc_api.announcement_list', 'user', '{"tag": "exam day", "summary": "Announcements"}');
PERFORM sc.route(953, 'POST', '/exams/{exam_id}/announcements', 'sc_api.announcement_create', 'exams.own', '{"status": 201, "tag": "exam day", "summary": "Announce"}');
PERFORM sc.route(954, 'POST', '/exams/{exam_id}/prepare', 'sc_api.exam_prepare', 'exams.own', '{"lane": "slow", "tag": "exam day", "summary": "Prepare the attempts"}');
PERFORM sc.route(955, 'GET', '/exams/{exam_id}/audit', 'sc_api.exam_audit', 'exams.own', '{"tag": "exam day", "summary": "What staff did", "replica": true}');
PERFORM sc.route(960, 'GET', '/exams/{exam_id}/overrides', 'sc_api.override_list', 'exams.own', '{"tag": "exam day", "summary": "Overrides"}');
PERFORM sc.route(961, 'POST', '/exams/{exam_id}/overrides', 'sc_api.override_create', 'exams.own', '{"status": 201, "lane": "slow", "cost": "hash", "tag": "exam day", "summary": "Give an override"}');
PERFORM sc.route(962, 'PATCH', '/exams/{exam_id}/overrides/{override_id}', 'sc_api.override_patch', 'exams.own', '{"lane": "slow", "cost": "hash", "tag": "exam day", "summary": "Change an override"}');
PERFORM sc.route(963, 'DELETE', '/exams/{exam_id}/overrides/{override_id}', 'sc_api.override_delete', 'exams.own', '{"tag": "exam day", "summary": "Take an override back"}');

PERFORM sc.route(1000, 'POST', '/exams/{exam_id}/attempts', 'sc_api.attempt_start', 'user', '{"rate": "exam", "status": 201, "idempotency": true, "tag": "attempts", "summary": "Start"}');
PERFORM sc.route(1001, 'GET', '/attempts/{attempt_id}', 'sc_api.attempt_get', 'user', '{"auth": "attempt", "tag": "attempts", "summary": "An attempt"}');
PERFORM sc.route(1002, 'GET', '/attempts/{attempt_id}/clock', 'sc_api.attempt_clock', 'user', '{"lane": "hot", "auth": "attempt", "tag": "attempts", "summary": "Time left"}');
PERFORM sc.route(1003, 'PUT', '/attempts/{attempt_id}/answers/{question_id}', 'sc_api.answer_save', 'user', '{"auth": "attempt", "lane": "hot", "lock_key": "attempt_id", "rate": "exam", "idempotent": true, "tag": "attempts", "summary": "Save an answer"}');
PERFORM sc.route(1004, 'POST', '/attempts/{attempt_id}/answers', 'sc_api.answers_save', 'user', '{"auth": "attempt", "rate": "exam", "idempotent": true, "tag": "attempts", "summary": "Save answers"}');
PERFORM sc.route(1005, 'PUT', '/attempts/{attempt_id}/answers', 'sc_api.answers_save', 'user', '{"auth": "attempt", "rate": "exam", "idempotent": true, "tag": "attempts", "summary": "Save answers"}');
PERFORM sc.route(1006, 'POST', '/attempts/{attempt_id}/submit', 'sc_api.attempt_submit', 'user', '{"auth": "attempt", "rate": "exam", "idempotent": true, "idempotency": true, "tag": "attempts", "summary": "Hand in"}');
PERFORM sc.route(1007, 'GET', '/attempts/{attempt_id}/review', 'sc_api.attempt_review', 'user', '{"tag": "attempts", "summary": "Review"}');
PERFORM sc.route(1008, 'POST', '/attempts/{attempt_id}/force-submit', 'sc_api.attempt_force_submit', 'exams.own', '{"tag": "exam day", "summary": "Hand in for a student"}');
PERFORM sc.route(1009, 'POST', '/attempts/{attempt_id}/reopen', 'sc_api.attempt_reopen', 'exams.own', '{"tag": "exam day", "summary": "Reopen an attempt"}');
