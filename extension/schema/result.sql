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
     '{"Türk Dili ve Edebiyatı": 3, "Tarih-1": 2.8, "Coğrafya-1": 3.3333, "Tarih-2": 2.9091, "Coğrafya-2": 2.9091, "Felsefe Grubu": 3, "Din Kültürü": 3.3333}',
     '[{"any": [{"test": "Türk Dili ve Edebiyatı-Sosyal Bilimler-1", "min_net": 0.5}]}, {"any": [{"test": "Sosyal Bilimler-2", "min_net": 0.5}]}]', 'TYT', 0.4),
    ('DİL', 2025, 'YDT', 100, 500,
     '{"Yabancı Dil": 3}',
     '[{"any": [{"test": "Yabancı Dil", "min_net": 0.5}]}]', 'TYT', 0.4),
    ('LGS', 2025, 'LGS', 100, 500,
     '{"Türkçe": 5.9259, "Matematik": 5.9259, "Fen Bilimleri": 5.9259, "T.C. İnkılap": 1.4815, "Din Kültürü": 1.4815, "Yabancı Dil": 1.4815}',
     '[]', NULL, NULL)
ON CONFLICT DO NOTHING;
