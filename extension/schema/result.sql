-- Score tables.  A score runs from 100 to 500; its 400 points are spread over
-- the tests by the published weights, so that a test of n questions with
-- weight w per cent is worth 4*w/n points a net.  Check: TYT 150 is reached
-- with 5, 5, 2.5 and 2.5 nets, the published anchor.

INSERT INTO sc.score_tables (score_type, year, exam_type, base, max_score, coefficients, eligibility, carry_type, carry_weight) VALUES
    ('TYT', 2025, 'TYT', 100, 500,
     '{"Türkçe": 3.3, "Temel Matematik": 3.3, "Sosyal Bilimler": 3.4, "Fen Bilimleri": 3.4}',
     '[{"any": [{"test": "Türkçe", "min_net": 0.5}, {"test": "Temel Matematik", "min_net": 0.5}]}]', NULL, NULL),
    ('SAY', 2025, 'AYT', 100, 500,
     '{"Matematik": 3, "Fizik": 2.8571, "Kimya": 3.0769, "Biyoloji": 3.0769}',
     '[{"any": [{"test": "Matematik", "min_net": 0.5}]}, {"any": [{"test": "Fen Bilimleri", "min_net": 0.5}]}]', 'TYT', 0.4),
    ('EA', 2025, 'AYT', 100, 500,
     '{"Matematik": 3, "Türk Dili ve Edebiyatı": 3, "Tarih-1": 2.8, "Coğrafya-1": 3.3333}',
     '[{"any": [{"test": "Matematik", "min_net": 0.5}]}, {"any": [{"test": "Türk Dili ve Edebiyatı-Sosyal Bilimler-1", "min_net": 0.5}]}]', 'TYT', 0.4),
    ('SÖZ', 2025, 'AYT', 100, 500,
     '{"Türk Dili ve Edebiyatı": 3, "Tarih-1": 2.8, "Coğrafya-1": 3.3333, "Tarih-2": 2.9091, "Coğrafya-2": 2.9091, "Felsefe Grubu": 3, "Din Kültürü": 3.3333, "Felsefe Grubu (ek)": 3.3333}',
     '[{"any": [{"test": "Türk Dili ve Edebiyatı-Sosyal Bilimler-1", "min_net": 0.5}]}, {"any": [{"test": "Sosyal Bilimler-2", "min_net": 0.5}]}]', 'TYT', 0.4),
    ('DİL', 2025, 'YDT', 100, 500,
     '{"Yabancı Dil": 3}',
     '[{"any": [{"test": "Yabancı Dil", "min_net": 0.5}]}]', 'TYT', 0.4),
    ('LGS', 2025, 'LGS', 100, 500,
     '{"Türkçe": 5.9259, "Matematik": 5.9259, "Fen Bilimleri": 5.9259, "T.C. İnkılap": 1.4815, "Din Kültürü": 1.4815, "Yabancı Dil": 1.4815}',
     '[]', NULL, NULL)
ON CONFLICT DO NOTHING;

INSERT INTO sc.settings (name, value, description) VALUES
    ('regrade_at_once', '2000', 'results that a correction of keys rescores before it is answered; of more the upkeep does the rest')
ON CONFLICT DO NOTHING;

INSERT INTO sc.problems (code, status, title_en, title_tr, detail_en, detail_tr) VALUES
    ('result_not_released', 403, 'The result is not released yet', 'Sonuç henüz açıklanmadı', 'It opens as the exam''s review policy says.', 'Sınavın inceleme kurallarına göre açılacak.'),
    ('exam_frozen', 409, 'The results of this exam are frozen', 'Bu sınavın sonuçları kesinleşti', NULL, NULL),
    ('question_not_in_exam', 422, 'A question is not in this exam', 'Sınavda bulunmayan soru', 'Not in this exam: {question_ids}.', 'Sınavda bulunmayanlar: {question_ids}.'),
    ('key_missing', 422, 'A key is missing', 'Yanıt anahtarı eksik', 'No key was given for: {question_ids}.', 'Anahtarı verilmeyenler: {question_ids}.'),
    ('exam_not_on_paper', 409, 'This exam is sat online', 'Bu sınav çevrim içi yapılıyor', 'Results are entered only for paper exams.', 'Sonuçlar yalnızca kâğıt sınavlarda girilir.'),
    ('exam_without_sections', 409, 'The exam has no sections', 'Sınavın bölümü yok', NULL, NULL),
    ('import_failed', 422, 'The file has errors', 'Dosyada hatalar var', 'Nothing was imported; see errors.', 'Hiçbir satır alınmadı; hatalara bakın.'),
    ('unknown_section', 422, 'Not a section of this exam', 'Bu sınavın bölümü değil', NULL, NULL),
    ('more_than_questions', 422, 'More answers than questions', 'Soru sayısından fazla yanıt', NULL, NULL),
    ('section_twice', 422, 'A section is given twice', 'Bölüm iki kez verilmiş', NULL, NULL),
    ('not_a_number', 422, 'Not a number', 'Sayı değil', NULL, NULL),
    ('not_a_date', 422, 'Not a date: write 24.11.2026 or 24.11.2026 09:30', 'Tarih değil: 24.11.2026 ya da 24.11.2026 09:30 biçiminde yazın', NULL, NULL),
    ('in_the_future', 422, 'Lies in the future', 'Gelecekte kalıyor', NULL, NULL),
    ('unknown_booklet', 422, 'No key or order for this booklet', 'Bu kitapçığın yanıt anahtarı ya da sırası verilmedi', NULL, NULL),
    ('key_length', 422, 'The key has not as many answers as the sections have questions', 'Anahtardaki yanıt sayısı bölümlerin soru sayısına eşit değil', NULL, NULL),
    ('booklet_order', 422, 'The order of the booklet must name every question once', 'Kitapçık sırası her soruyu bir kez anmalı', NULL, NULL),
    ('sum_differs', 422, 'The criteria do not add up to the mark', 'Ölçütlerin toplamı puana eşit değil', NULL, NULL)
ON CONFLICT DO NOTHING;

PERFORM sc.route(1100, 'GET', '/attempts/{attempt_id}/result', 'sc_api.attempt_result', 'user', '{"tag": "results", "summary": "Result of an attempt"}');
PERFORM sc.route(1101, 'GET', '/exams/{exam_id}/results', 'sc_api.exam_results', 'user', '{"tag": "results", "summary": "Results of an exam", "replica": true}');
PERFORM sc.route(1102, 'GET', '/users/me/results', 'sc_api.my_results', 'user', '{"tag": "results", "summary": "My results"}');
PERFORM sc.route(1103, 'GET', '/users/{user_id}/results', 'sc_api.user_results', 'user', '{"tag": "results", "summary": "Results of a student", "replica": true}');
PERFORM sc.route(1104, 'GET', '/exams/{exam_id}/result-list', 'sc_api.exam_result_list', 'user', '{"tag": "results", "summary": "Result list for the wall", "lane": "slow", "cost": "cpu", "replica": true}');
PERFORM sc.route(1105, 'GET', '/exams/{exam_id}/result-list.csv', 'sc_api.exam_result_list_csv', 'user', '{"tag": "results", "summary": "Result list as CSV", "lane": "stream", "produces": "text/csv; charset=utf-8"}');
PERFORM sc.route(1106, 'GET', '/users/{user_id}/exam-analysis', 'sc_api.user_exam_analysis', 'user', '{"tag": "results", "summary": "A student over many exams", "lane": "slow", "cost": "cpu", "replica": true}');
PERFORM sc.route(1107, 'POST', '/exams/{exam_id}/regrade', 'sc_api.exam_regrade', 'exams.own', '{"tag": "results", "summary": "Correct keys and score again", "lane": "slow", "cost": "cpu"}');
PERFORM sc.route(1108, 'GET', '/exams/{exam_id}/regrades', 'sc_api.exam_regrades', 'exams.own', '{"tag": "results", "summary": "Corrections of an exam"}');
PERFORM sc.route(1109, 'GET', '/exams/{exam_id}/grading', 'sc_api.exam_grading', 'exams.own', '{"tag": "results", "summary": "Answers that wait for a mark"}');
PERFORM sc.route(1110, 'PUT', '/attempts/{attempt_id}/answers/{question_id}/grade', 'sc_api.answer_grade', 'exams.own', '{"tag": "results", "summary": "Mark an answer by hand"}');
PERFORM sc.route(1111, 'POST', '/exams/{exam_id}/results', 'sc_api.exam_result_enter', 'exams.own', '{"tag": "results", "summary": "Enter a paper result", "idempotency": true}');
PERFORM sc.route(1112, 'POST', '/exams/{exam_id}/results/import', 'sc_api.exam_results_import', 'exams.own', '{"tag": "results", "summary": "Import paper results", "lane": "stream", "content_type": "text/csv", "max_body": 67108864, "query": ["max_score", "dry_run"]}');
PERFORM sc.route(1113, 'POST', '/exams/{exam_id}/results/optical', 'sc_api.exam_results_optical', 'exams.own', '{"tag": "results", "summary": "Import the file of an optical reader", "lane": "stream", "content_type": "text/plain", "max_body": 67108864, "query": ["student_no", "answers", "booklet", "key_a", "key_b", "order_b", "dry_run"]}');
PERFORM sc.route(1114, 'GET', '/exams/{exam_id}/regrades/{regrade_id}', 'sc_api.regrade_get', 'exams.own', '{"tag": "results", "summary": "A correction of an exam"}');
