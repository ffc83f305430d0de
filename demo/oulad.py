#!/usr/bin/python3
"""Loads the Open University Learning Analytics Dataset through the import API: course runs as courses, students as
users known by their number, registrations as enrolments (withdrawn ones cancelled).

usage: oulad.py FOLDER URL [E-MAIL PASSWORD]        (an administrator; the demo's by default)

The data set is Kuzilek, Hlosta, Zdrahal, Scientific Data 4 (2017), CC BY 4.0.
"""

import csv
import datetime
import http.client
import io
import json
import os
import sys
import urllib.parse

STARTS = {"2013B": "2013-02-01", "2013J": "2013-10-01", "2014B": "2014-02-01", "2014J": "2014-10-01"}


def rows(folder, name):
    with open(os.path.join(folder, name), encoding="utf-8", newline="") as f:
        yield from csv.DictReader(f)


def code(row):
    return f"{row['code_module']}-{row['code_presentation']}"


def write(header, lines):
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(lines)
    return out.getvalue()


def users_csv(folder):
    numbers = sorted({int(r["id_student"]) for r in rows(folder, "studentRegistration.csv")})
    return write(["email", "student_no", "full_name", "role", "phone", "password_hash"],
                 (["", n, f"Öğrenci {n}", "student", "", ""] for n in numbers))


def courses_csv(folder, teacher):
    return write(["code", "title", "description", "teacher_email", "category", "is_published"],
                 ([code(r), f"Open University {code(r)}", f"{r['module_presentation_length']} gün", teacher, "", "true"]
                  for r in rows(folder, "courses.csv")))


def enrollments_csv(folder):
    def line(r):
        start = datetime.date.fromisoformat(STARTS[r["code_presentation"]])
        day = start + datetime.timedelta(days=int(r["date_registration"] or 0))
        return [code(r), r["id_student"], "cancelled" if r["date_unregistration"] else "active", f"{day}T00:00:00Z"]
    return write(["course_code", "student_no", "status", "enrolled_at"], map(line, rows(folder, "studentRegistration.csv")))


def main():
    if len(sys.argv) not in (3, 5):
        sys.exit(__doc__)
    folder, url = sys.argv[1], urllib.parse.urlsplit(sys.argv[2])
    email, password = sys.argv[3:] or ("yonetici@demo.test", "deneme-sifresi-1")
    conn = http.client.HTTPConnection(url.netloc, timeout=600)

    def post(path, body, kind, token=None):
        headers = {"Content-Type": kind}
        if token:
            headers["Authorization"] = "Bearer " + token
        conn.request("POST", "/api/v1" + path, body=body.encode("utf-8"), headers=headers)
        answer = conn.getresponse()
        text = answer.read().decode("utf-8")
        doc = json.loads(text) if "json" in answer.headers.get("Content-Type", "") else {"title": text[:200]}
        if answer.status >= 300:
            faults = [f"  line {e['line']}, {e['field']}: {e['message']}" for e in doc.get("errors", [])]
            if len(faults) > 5:
                faults[5:] = [f"  … {len(faults) - 5} more" if len(faults) < 1000 else "  …"]
            sys.exit("\n".join([f"{path}: {answer.status} {doc.get('title')}", *([doc["detail"]] if doc.get("detail") else []), *faults]))
        return doc
    token = post("/auth/login", json.dumps({"email": email, "password": password}), "application/json")["access_token"]
    for kind, text in (("users", users_csv(folder)), ("courses", courses_csv(folder, "ogretmen@demo.test")),
                       ("enrollments", enrollments_csv(folder))):
        answer = post(f"/imports/{kind}", text, "text/csv", token)
        print(f"{answer['imported']:7} {kind}")


if __name__ == "__main__":
    main()
