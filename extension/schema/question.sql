-- The question bank: search, problems, routes.

ALTER TABLE sc.question_versions ADD COLUMN IF NOT EXISTS search tsvector GENERATED ALWAYS AS (to_tsvector('pg_catalog.simple',
    lower(translate(normalize(left(coalesce(name, '') || ' ' || prompt, 20000), NFC), 'ÇĞİIÖŞÜÂÎÛçğıöşüâîû@.', 'cgiiosuaiucgiosuaiu  ') COLLATE "C"))) STORED;
COMMENT ON COLUMN sc.question_versions.search IS 'words of name and text, folded as sc.fold_text() folds them';
CREATE INDEX IF NOT EXISTS idx_question_versions_search ON sc.question_versions USING gin (search);

INSERT INTO sc.problems (code, status, title_en, title_tr, detail_en, detail_tr) VALUES
    ('question_reserved', 409, 'An exam of somebody else uses this question', 'Bu soru başkasının sınavında kullanılıyor', 'Its key is open when that exam is over.', 'Yanıtı, o sınav bitince açılır.'),
    ('import_invalid', 422, 'The file has errors; nothing was imported', 'Dosyada hatalar var; hiçbir şey içe aktarılmadı', 'The list of errors gives their lines.', 'Hata listesi satır numaralarını verir.'),
    ('empty_prompt', 422, 'The question has no text', 'Sorunun metni yok', NULL, NULL),
    ('unknown_type', 422, 'There is no such type of question', 'Böyle bir soru türü yok', NULL, NULL),
    ('unknown_value', 422, 'Not one of the possible values', 'Olası değerlerden biri değil', NULL, NULL),
    ('too_long', 422, 'Too long', 'Çok uzun', NULL, NULL),
    ('not_a_list', 422, 'Not a list of the expected form', 'Beklenen biçimde bir liste değil', NULL, NULL),
    ('no_options', 422, 'This type of question has no options', 'Bu soru türünün seçeneği olmaz', NULL, NULL),
    ('too_few_options', 422, 'Too few options', 'Seçenek sayısı yetersiz', NULL, NULL),
    ('too_many_options', 422, 'Too many options', 'Çok fazla seçenek', NULL, NULL),
    ('empty_option', 422, 'An option has no text', 'Metni olmayan seçenek var', NULL, NULL),
    ('bad_id', 422, 'An option has no usable id', 'Kimliği geçersiz seçenek var', NULL, NULL),
    ('duplicate_id', 422, 'An option id occurs twice', 'Bir seçenek kimliği iki kez geçiyor', NULL, NULL),
    ('unknown_option', 422, 'The key names an option that does not exist', 'Anahtar var olmayan bir seçeneği gösteriyor', NULL, NULL),
    ('no_key', 422, 'The key is missing', 'Yanıt anahtarı eksik', NULL, NULL),
    ('bad_weights', 422, 'Weights must be an object of option ids', 'Ağırlıklar seçenek kimliklerinden oluşmalı', NULL, NULL),
    ('bad_weight', 422, 'A weight must be a number from -1 to 1', 'Ağırlık -1 ile 1 arasında bir sayı olmalı', NULL, NULL),
    ('no_full_marks', 422, 'No answer earns full marks', 'Hiçbir yanıt tam puan almıyor', NULL, NULL),
    ('bad_number', 422, 'Not a number', 'Sayı değil', NULL, NULL),
    ('bad_range', 422, 'The lower end lies above the upper one', 'Alt sınır üst sınırdan büyük', NULL, NULL),
    ('bad_tolerance', 422, 'Not a usable tolerance', 'Geçersiz tolerans', NULL, NULL),
    ('empty_answer', 422, 'An accepted answer has no text', 'Metni olmayan doğru yanıt var', NULL, NULL),
    ('bad_pairs', 422, 'The pairs do not cover every left side once', 'Eşleştirmeler her sol tarafı bir kez içermiyor', NULL, NULL),
    ('bad_order', 422, 'The order does not hold every option once', 'Sıralama her seçeneği bir kez içermiyor', NULL, NULL),
    ('bad_scoring', 422, 'Not a way of scoring', 'Böyle bir puanlama yok', NULL, NULL),
    ('bad_rubric', 422, 'A criterion needs a text and points', 'Her ölçütün metni ve puanı olmalı', NULL, NULL),
    ('unknown_subject', 422, 'There is no such subject', 'Böyle bir ders yok', NULL, NULL),
    ('unknown_unit', 422, 'The subject has no such unit', 'Derste böyle bir ünite yok', NULL, NULL),
    ('unknown_outcome', 422, 'The unit has no such outcome', 'Ünitede böyle bir kazanım yok', NULL, NULL)
ON CONFLICT DO NOTHING;

PERFORM sc.route(800, 'GET', '/questions', 'sc_api.questions_list', 'questions.manage', '{"tag": "questions", "summary": "Questions of the bank", "replica": true}');
PERFORM sc.route(801, 'POST', '/questions', 'sc_api.question_create', 'questions.manage', '{"status": 201, "idempotency": true, "tag": "questions", "summary": "Add a question"}');
PERFORM sc.route(802, 'GET', '/questions/{question_id}', 'sc_api.question_get', 'questions.manage', '{"tag": "questions", "summary": "A question"}');
PERFORM sc.route(803, 'PATCH', '/questions/{question_id}', 'sc_api.question_update', 'questions.manage', '{"tag": "questions", "summary": "Change a question"}');
PERFORM sc.route(804, 'DELETE', '/questions/{question_id}', 'sc_api.question_delete', 'questions.manage', '{"tag": "questions", "summary": "Withdraw a question"}');
PERFORM sc.route(805, 'GET', '/questions/{question_id}/versions', 'sc_api.question_versions', 'questions.manage', '{"tag": "questions", "summary": "Versions of a question"}');
PERFORM sc.route(806, 'POST', '/questions/import', 'sc_api.questions_import', 'questions.manage', '{"lane": "slow", "cost": "cpu", "max_body": 16777216, "content_type": "text/plain,text/csv,application/json", "query": ["format", "dry_run", "subject_id", "create_subjects"], "idempotency": true, "tag": "questions", "summary": "Import questions"}');
PERFORM sc.route(807, 'GET', '/questions/export', 'sc_api.questions_export', 'questions.manage', '{"lane": "stream", "produces": "text/plain; charset=utf-8", "tag": "questions", "summary": "Export questions"}');
PERFORM sc.route(850, 'GET', '/exams/{exam_id}/statistics', 'sc_api.exam_statistics', 'user', '{"tag": "results", "summary": "Statistics of an exam and its questions", "replica": true}');
PERFORM sc.route(851, 'POST', '/exams/{exam_id}/statistics', 'sc_api.exam_statistics_recompute', 'exams.own', '{"lane": "slow", "cost": "cpu", "tag": "results", "summary": "Compute the statistics from scratch"}');
