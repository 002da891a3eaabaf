//! How long a call may take.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue};

const GRPC_TIMEOUT: &str = "grpc-timeout";
const CONNECT_TIMEOUT: &str = "connect-timeout-ms";

/// The shorter of what the server allows and what the caller asks for. A
/// malformed wish is ignored: the server's own limit holds.
pub(super) fn of(headers: &HeaderMap, server_limit: Duration) -> Duration {
    let grpc = headers.get_all(GRPC_TIMEOUT).into_iter().filter_map(grpc_timeout);
    let connect = headers.get_all(CONNECT_TIMEOUT).into_iter().filter_map(connect_timeout);
    grpc.chain(connect).fold(server_limit, Duration::min)
}

/// One to eight digits and a unit, as the gRPC protocol over HTTP/2 has it.
fn grpc_timeout(value: &HeaderValue) -> Option<Duration> {
    let (unit, digits) = value.as_bytes().split_last()?;
    let count = number(digits, 8)?;
    match unit {
        b'H' => Some(Duration::from_hours(count)),
        b'M' => Some(Duration::from_mins(count)),
        b'S' => Some(Duration::from_secs(count)),
        b'm' => Some(Duration::from_millis(count)),
        b'u' => Some(Duration::from_micros(count)),
        b'n' => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

/// One to ten digits of milliseconds, as the Connect protocol has it.
fn connect_timeout(value: &HeaderValue) -> Option<Duration> {
    number(value.as_bytes(), 10).map(Duration::from_millis)
}

fn number(digits: &[u8], most: usize) -> Option<u64> {
    let plain = (1..=most).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(digits).ok().filter(|_| plain)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(values: &[&str]) -> Duration {
        limit_of(GRPC_TIMEOUT, values)
    }

    fn limit_of(name: &'static str, values: &[&str]) -> Duration {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name, HeaderValue::from_str(value).expect("a header value"));
        }
        of(&headers, Duration::from_secs(10))
    }

    #[test]
    fn gt_14_the_shorter_limit_counts_and_nonsense_is_ignored() {
        let server = Duration::from_secs(10);
        for (value, expected) in [
            ("1n", Duration::from_nanos(1)),
            ("20u", Duration::from_micros(20)),
            ("300m", Duration::from_millis(300)),
            ("9S", Duration::from_secs(9)),
            ("0S", Duration::ZERO),
            ("11S", server),
            ("1M", server),
            ("99999999H", server),
            ("123456789n", server),
            ("-1S", server),
            ("+1S", server),
            ("abc", server),
            ("1", server),
            ("S", server),
            ("", server),
            ("1 S", server),
            ("1s", server),
        ] {
            assert_eq!(limit(&[value]), expected, "{value:?}");
        }
        assert_eq!(limit(&[]), server);
        assert_eq!(limit(&["5S", "2S"]), Duration::from_secs(2));
        assert_eq!(limit(&["x", "2S"]), Duration::from_secs(2));
    }

    #[test]
    fn connect_says_milliseconds() {
        let server = Duration::from_secs(10);
        for (value, expected) in [
            ("0", Duration::ZERO),
            ("300", Duration::from_millis(300)),
            ("0000009999", Duration::from_millis(9_999)),
            ("9999999999", server),
            ("10000000000", server),
            ("-1", server),
            ("1.5", server),
            ("300m", server),
            ("", server),
        ] {
            assert_eq!(limit_of(CONNECT_TIMEOUT, &[value]), expected, "{value:?}");
        }
    }
}
