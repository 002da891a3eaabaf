# Two stages: build with the Rust toolchain and a C compiler, run with neither.
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY Cargo.toml Cargo.lock build.rs ./
COPY proto proto
COPY migrations migrations
COPY docs/openapi.json docs/openapi.json
COPY src src
RUN cargo build --release --locked --bin tokenward

FROM debian:bookworm-slim
# For sslrootcert=/etc/ssl/certs/ca-certificates.crt in the database's URL; without
# it the public authorities count that are compiled in.
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --home-dir /var/lib/tokenward --create-home tokenward
COPY --from=build /src/target/release/tokenward /usr/local/bin/tokenward
USER 10001
WORKDIR /var/lib/tokenward
VOLUME /var/lib/tokenward
ENV TOKENWARD_DATA_DIR=/var/lib/tokenward \
    TOKENWARD_GRPC_LISTEN=0.0.0.0:50051 \
    TOKENWARD_HTTP_LISTEN=0.0.0.0:8080
EXPOSE 50051 8080
HEALTHCHECK --interval=5s --timeout=2s --start-period=5s CMD ["tokenward", "healthcheck"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["tokenward"]
CMD ["serve"]
