"""Log-in, sessions, users and roles over HTTP: what the shim, the cache and the database say together."""

import threading

from conftest import PASSWORD
from instance import wait_until


def register(api, serial, **fields):
    body = {"email": f"kayit-{serial()}@e2e.test", "password": "mor-kedi-uzun-7", "full_name": "Işıl Çağlayan", **fields}
    return body, api.post("/auth/register", body)


def mailed_token(db, kind, email):
    return db.one("SELECT j.args ->> 'token' FROM sc.jobs AS j JOIN sc.users AS u ON u.id = (j.args ->> 'user_id')::bigint "
                  "WHERE j.kind = %s AND u.email = %s ORDER BY j.id DESC LIMIT 1", kind, email)


def log_in(api, email, password):
    doc = api.post("/auth/login", {"email": email, "password": password}).ok()
    return api.clone(token=doc["access_token"]), doc


def test_a_student_registers_verifies_and_logs_in(api, db, serial):
    body, reply = register(api, serial, full_name="  Işıl   Çağlayan ")
    account = reply.ok(201)
    assert account["full_name"] == "Işıl Çağlayan" and account["role"] == "student" and not account["email_verified"]
    assert "token" not in reply.text
    me, _ = log_in(api, body["email"].upper(), body["password"])
    assert me.get("/auth/me").ok()["email"] == body["email"]
    token = mailed_token(db, "send_verification_email", body["email"])
    assert api.post("/auth/verify-email", {"token": token}).ok()["email_verified"]
    api.post("/auth/verify-email", {"token": token}).problem(400, "invalid_token")
    assert me.get("/auth/me").ok()["email_verified"]


def test_registration_refuses(api, serial):
    body, reply = register(api, serial)
    reply.ok(201)
    taken = api.post("/auth/register", body, headers={"Accept-Language": "tr"}).problem(409, "email_taken")
    assert "hesap" in taken["title"]
    errors = register(api, serial, email="değil", password="12345678", full_name="", phone="yok")[1].field_errors()
    assert errors == {"email": "invalid_email", "password": "password_too_common", "full_name": "invalid_name", "phone": "invalid_phone"}
    assert set(api.post("/auth/register", {}).field_errors()) == {"email", "password", "full_name"}


def test_a_registration_sent_twice_makes_one_account(api, db, serial):
    body = {"email": f"iki-{serial()}@e2e.test", "password": "mor-kedi-uzun-7", "full_name": "İki Kez"}
    key = {"Idempotency-Key": f"kayit-{serial()}"}
    first, second = (api.post("/auth/register", body, headers=key) for _ in range(2))
    assert first.ok(201) == second.ok(201) and second.headers["idempotency-replayed"] == "true"
    assert db.one("SELECT count(*) FROM sc.jobs WHERE (args ->> 'user_id')::bigint = %s", first.json["id"]) == 1


def test_unknown_wrong_and_inactive_are_told_alike(api, db, new_user, serial):
    known, shut = new_user(login=False), new_user(login=False, is_active=False)
    answers = [api.post("/auth/login", {"email": e, "password": p}).problem(401, "bad_credentials")
               for e, p in ((known.user.email, "yanlış parola"), (f"yok-{serial()}@e2e.test", PASSWORD), (shut.user.email, PASSWORD))]
    for answer in answers:
        answer.pop("request_id")
    assert answers[0] == answers[1] == answers[2]


def test_guessing_locks_the_account_known_or_not(api, new_user, serial):
    for email in (new_user(login=False).user.email, f"yok-{serial()}@e2e.test"):
        for _ in range(10):
            api.post("/auth/login", {"email": email, "password": "tahmin"}).problem(401, "bad_credentials")
        locked = api.post("/auth/login", {"email": email, "password": PASSWORD})
        locked.problem(429, "login_locked")
        assert 1 <= int(locked.headers["retry-after"]) <= 30


def test_two_refreshes_at_once_get_the_same_pair(api, new_user):
    user = new_user(login=False).user
    _, doc = log_in(api, user.email, user.password)
    answers = []

    def refresh():
        answers.append(api.clone().post("/auth/refresh", {"refresh_token": doc["refresh_token"]}))
    threads = [threading.Thread(target=refresh) for _ in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len({a.ok()["refresh_token"] for a in answers}) == 1
    assert len({a.ok()["access_token"] for a in answers}) == 1


def test_a_stolen_refresh_token_ends_the_session(api, new_user):
    user = new_user(login=False).user
    thief, doc = log_in(api, user.email, user.password)
    second = api.post("/auth/refresh", {"refresh_token": doc["refresh_token"]}).ok()
    third = api.post("/auth/refresh", {"refresh_token": second["refresh_token"]}).ok()
    owner = api.clone(token=third["access_token"])
    assert owner.get("/users/me").status == thief.get("/users/me").status == 200      # cached by now
    api.post("/auth/refresh", {"refresh_token": doc["refresh_token"]}).problem(401, "refresh_token_reused")
    for client in (owner, thief):
        client.get("/users/me").problem(401)
        client.get("/auth/me").problem(401)
    api.post("/auth/refresh", {"refresh_token": third["refresh_token"]}).problem(401, "invalid_refresh_token")


def test_log_out_ends_this_session_only(api, new_user):
    user = new_user(login=False).user
    phone, doc = log_in(api, user.email, user.password)
    laptop, _ = log_in(api, user.email, user.password)
    sessions = laptop.get("/auth/sessions").ok()["items"]
    assert len(sessions) == 2 and [s["current"] for s in sessions].count(True) == 1
    assert phone.get("/users/me").status == 200 and phone.get("/users/me").headers["x-cache"] == "hit"
    assert phone.post("/auth/logout").status == 204
    phone.get("/users/me").problem(401)
    api.post("/auth/refresh", {"refresh_token": doc["refresh_token"]}).problem(401, "invalid_refresh_token")
    assert laptop.get("/users/me").status == 200
    assert len(laptop.get("/auth/sessions").ok()["items"]) == 1


def test_log_out_everywhere_reaches_cached_answers(api, new_user):
    user = new_user(login=False).user
    clients = [log_in(api, user.email, user.password)[0] for _ in range(3)]
    for c in clients:
        assert c.get("/users/me").status == 200
    assert clients[0].post("/auth/logout-all").status == 204
    for c in clients:
        c.get("/users/me").problem(401)
        c.get("/auth/me").problem(401)
    again, _ = log_in(api, user.email, user.password)
    assert again.get("/users/me").status == 200


def test_who_is_shut_out_is_out_at_once(api, admin, new_user):
    user = new_user()
    assert user.get("/users/me").status == 200
    assert not admin.post(f"/users/{user.user.id}/deactivate").ok()["is_active"]
    user.get("/users/me").problem(401)
    user.get("/auth/me").problem(401, "inactive_user")
    api.post("/auth/login", {"email": user.user.email, "password": PASSWORD}).problem(401, "bad_credentials")
    assert admin.post(f"/users/{user.user.id}/activate").ok()["is_active"]
    user.get("/users/me").problem(401)
    assert log_in(api, user.user.email, PASSWORD)[0].get("/users/me").status == 200


def test_a_profile_changed_is_a_profile_seen(student, admin, new_user):
    user = new_user(full_name="Eski Ad")
    assert user.get("/users/me").ok()["full_name"] == "Eski Ad"
    assert user.patch("/users/me", {"full_name": "Yeni Ad Ğışü"}).ok()["full_name"] == "Yeni Ad Ğışü"
    assert user.get("/users/me").ok()["full_name"] == "Yeni Ad Ğışü"
    admin.patch(f"/users/{user.user.id}", {"grade": 11, "track": "DİL"}).ok()
    assert user.get("/users/me").ok()["track"] == "DİL"
    reply = user.get("/users/me")
    assert user.get("/users/me", headers={"If-None-Match": reply.headers["etag"]}).status == 304


def test_a_change_by_sql_is_seen_too(db, new_user):
    user = new_user(full_name="Eski Ad")
    assert user.get("/users/me").ok()["full_name"] == "Eski Ad"
    db.run("UPDATE sc.users SET full_name = 'SQL İle' WHERE id = %s", user.user.id)
    wait_until(lambda: user.get("/users/me").ok()["full_name"] == "SQL İle", what="the change to be seen")


def test_a_forgotten_password(api, db, new_user, serial):
    user = new_user()
    for email in (user.user.email, f"yok-{serial()}@e2e.test"):
        assert api.post("/auth/password/forgot", {"email": email}).ok(202) == {"accepted": True}
    token = mailed_token(db, "send_password_reset_email", user.user.email)
    assert api.post("/auth/password/reset", {"token": token, "password": "kısa"}).field_errors() == {"password": "password_too_short"}
    assert api.post("/auth/password/reset", {"token": token, "password": "sarı lale bahçesi"}).status == 204
    api.post("/auth/password/reset", {"token": token, "password": "sarı lale bahçesi"}).problem(400, "invalid_token")
    user.get("/users/me").problem(401)
    assert log_in(api, user.user.email, "sarı lale bahçesi")[0].get("/auth/me").status == 200


def test_a_password_changed(api, new_user):
    user = new_user(login=False).user
    here, _ = log_in(api, user.email, user.password)
    there, _ = log_in(api, user.email, user.password)
    here.post("/auth/password/change", {"current_password": "yanlış", "new_password": "sarı lale bahçesi"}).problem(403, "wrong_password")
    assert here.post("/auth/password/change", {"current_password": user.password, "new_password": "sarı lale bahçesi"}).status == 204
    assert here.get("/auth/me").status == 200
    there.get("/auth/me").problem(401)


def test_first_use_codes_for_a_class(api, admin, db, new_user, serial):
    child = new_user(login=False, email=None, student_no=f"E-{serial()}", password_hash=None)
    season = admin.post("/seasons", {"name": f"Sezon {serial()}", "starts_on": "2026-09-01", "ends_on": "2027-06-30"}).ok(201)
    group = admin.post("/groups", {"season_id": season["id"], "name": "12-Ş"}).ok(201)
    admin.post(f"/groups/{group['id']}/members", {"student_ids": [child.user.id]}).ok()
    slips = admin.post(f"/groups/{group['id']}/access-codes")
    assert "no-store" in slips.headers["cache-control"]
    (slip,) = slips.ok()["items"]
    doc = api.post("/auth/first-use", {"code": slip["code"].lower().replace("-", ""), "password": "yeşil elma dalı"}).ok()
    assert doc["user"]["student_no"] == slip["student_no"]
    assert api.clone(token=doc["access_token"]).get("/users/me").ok()["group_ids"] == [group["id"]]
    api.post("/auth/first-use", {"code": slip["code"], "password": "yeşil elma dalı"}).problem(401, "invalid_code")
    assert api.login(slip["student_no"], "yeşil elma dalı").get("/auth/me").status == 200


def test_staff_find_students_with_and_without_turkish_letters(admin, new_user, serial):
    tag = f"Qz{serial().replace('-', 'q')}"
    for name in ("Çarpım Işık", "Carpım İnce", "Şule Öz"):
        new_user(login=False, full_name=f"{tag} {name}")

    def found(words):
        return [u["full_name"].removeprefix(f"{tag} ") for u in admin.get("/users", q=f"{tag} {words}").ok()["items"]]
    assert found("carpim") == found("ÇARPIM") == found("çarp") == ["Carpım İnce", "Çarpım Işık"]
    assert found("isik") == ["Çarpım Işık"] and found("ŞULE") == ["Şule Öz"] and found("yok") == []


def test_a_role_given_counts_at_once(admin, new_user, serial):
    user = new_user()
    user.get("/users", q="a").problem(403, "forbidden")
    admin.put(f"/users/{user.user.id}/roles", {"role": "student", "roles": ["coach"]}).ok()
    assert user.get("/users", q="a").ok()["total"] == 0
    assert user.get("/users/me").ok()["roles"] == ["student", "coach"]
    admin.put(f"/users/{admin.user.id}/roles", {"role": "student"}).problem(403, "own_roles")


def test_a_person_forgotten(admin, db, new_user):
    user = new_user(full_name="Unutulacak Biri")
    assert "Unutulacak" in user.get("/users/me/data").text
    admin.get(f"/users/{user.user.id}").ok()
    assert user.get(f"/users/{user.user.id}/card-views").ok()["total"] == 1
    assert admin.post(f"/users/{user.user.id}/erase").status == 204
    user.get("/users/me").problem(401)
    assert admin.get(f"/users/{user.user.id}").ok()["email"] is None
    assert db.one("SELECT count(*) FROM sc.users WHERE full_name LIKE 'Unutulacak%%'") == 0
