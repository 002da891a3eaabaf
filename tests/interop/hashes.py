"""Prints a password's hashes, one a line, as real libraries make them.

Reads the password from standard input.
"""

import sys
import warnings

warnings.simplefilter("ignore")  # passlib speaks of modules that Python drops

import argon2
import bcrypt
from passlib.hash import pbkdf2_sha256, pbkdf2_sha512, scrypt
from werkzeug.security import generate_password_hash

password = sys.stdin.read()

# Werkzeug: its default first, then every method that it knows.
print(generate_password_hash(password))
print(generate_password_hash(password, "scrypt:16384:8:2"))
print(generate_password_hash(password, "pbkdf2"))
for digest in ("sha1", "sha256", "sha512"):
    print(generate_password_hash(password, f"pbkdf2:{digest}:20000", salt_length=24))

for prefix in (b"2a", b"2b"):
    print(bcrypt.hashpw(password.encode(), bcrypt.gensalt(6, prefix=prefix)).decode())

print(pbkdf2_sha256.hash(password))
print(pbkdf2_sha512.hash(password))
print(scrypt.using(rounds=14).hash(password))

for kind in (argon2.Type.I, argon2.Type.ID):
    print(argon2.PasswordHasher(type=kind).hash(password))
