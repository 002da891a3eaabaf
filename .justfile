# The few commands people type. `just` alone lists them.

_default:
    @just --list --justfile {{ justfile() }}

# See everything work, then keep serving.
quickstart:
    cargo run --release -- quickstart

# Every test, on SQLite and on PostgreSQL if its programs are installed.
test:
    cargo test

# Processes that are killed, stopped and cut off, for an hour; `just campaign --short` for a minute.
campaign *arguments:
    tests/campaign/run {{ arguments }}

# Real gateways and libraries against a real server; rewrites docs/compatibility.md.
compatibility:
    cargo build
    tests/compatibility/install
    tests/compatibility/run

# What CI says about style, lints and documentation.
lint:
    cargo fmt --check
    cargo clippy --all-targets -- -D warnings
    cargo clippy --test campaign -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --all-features --no-deps --document-private-items

# Advisories, licences, sources.
deny:
    cargo deny --config .deny.toml check

# Take over changed snapshots after looking at them.
snapshots:
    INSTA_UPDATE=always cargo test

# All that CI does.
ci:
    .ci/run
