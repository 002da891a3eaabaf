"""Notes in the site's table who each user is in Tokenward.

    python link_users.py site.db users.jsonl results.jsonl

The last is what `tokenward user import --json users.jsonl` printed.
"""

import json
import sqlite3
import sys


def lines(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


users, results = lines(sys.argv[2]), lines(sys.argv[3])
failed = [result for result in results if result["result"] != "created"]

with sqlite3.connect(sys.argv[1]) as database:
    if "sub" not in (column[1] for column in database.execute("PRAGMA table_info(users)")):
        database.execute("ALTER TABLE users ADD COLUMN sub TEXT")
        database.execute("CREATE UNIQUE INDEX users_by_sub ON users (sub)")
    for result in results:
        if result["result"] == "created":
            user = users[result["line"] - 1]
            database.execute(
                "UPDATE users SET sub = ? WHERE email IS ? AND phone IS ?",
                [result["id"], user["email"], user["phone"]],
            )

for result in failed:
    print(json.dumps(result), file=sys.stderr)
sys.exit(1 if failed else 0)
