//! The line with which a service says where it listens.

use std::net::SocketAddr;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::ChildStdout;

/// Reads `listening on http://ADDR`, the first line of a service's standard output, and drains the rest in the
/// background, so that the service never blocks on a full pipe.
///
/// # Errors
/// The output ended or began with something else.
pub async fn address(stdout: ChildStdout) -> Result<SocketAddr, String> {
    let mut lines = BufReader::new(stdout).lines();
    let line = lines.next_line().await.map_err(|e| format!("its output could not be read: {e}"))?;
    let address = parse(&line.ok_or("it ended before it said its address")?)?;
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    Ok(address)
}

fn parse(line: &str) -> Result<SocketAddr, String> {
    let address = line.trim_end().strip_prefix("listening on http://").and_then(|a| a.parse().ok());
    address.ok_or_else(|| format!("its first line is `{line}`, expected `listening on http://ADDR`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_announced_address_is_read() {
        assert_eq!(parse("listening on http://127.0.0.1:4242").unwrap().port(), 4242);
    }

    #[test]
    fn another_first_line_is_shown_with_what_was_expected() {
        let message = parse("hello").unwrap_err();
        assert!(message.contains("`hello`") && message.contains("listening on"), "{message}");
    }
}
