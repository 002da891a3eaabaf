"""Prints the users of the old site as `tokenward user import` reads them.

    python export_users.py site.db > users.jsonl
"""

import json
import sqlite3
import sys

with sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True) as database:
    rows = database.execute("SELECT name, email, phone, is_admin, password_hash FROM users ORDER BY id")
    for name, email, phone, is_admin, password_hash in rows:
        user = {
            "email": email,
            "phone": phone,
            "name": name,
            "roles": ["admin"] if is_admin else [],
            "password_hash": password_hash,
        }
        print(json.dumps(user))
